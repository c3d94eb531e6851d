//! `GET /operator/relays/{id}`: one relay explained.

use shared::domain::RelayId;
use shared::query::operator::RelayReport;

use crate::access::{OperatorRead, OperatorReadAccess};
use crate::data::Data;
use crate::error::ApiError;
use crate::path::PathParam;
use crate::route::Route;
use crate::state::ApiState;

pub(super) fn routes() -> Vec<Route> {
    vec![Route::get("/operator/relays/{id}", OperatorRead, show)]
}

async fn show(
    state: ApiState,
    _: OperatorReadAccess,
    PathParam(id): PathParam<RelayId>,
) -> Result<Data<RelayReport>, ApiError> {
    let report = state
        .query()
        .explain_relay(&state.viewpoint(), state.preview(), &id)
        .await?;
    Ok(Data::ok(report))
}
