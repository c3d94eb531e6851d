//! `/plans`: what a relay can be on.

use shared::domain::{Plan, PlanId};

use crate::access::{Anybody, Public};
use crate::data::Data;
use crate::error::ApiError;
use crate::path::PathParam;
use crate::route::Route;
use crate::state::ApiState;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/plans", Public, list),
        Route::get("/plans/{id}", Public, show),
    ]
}

async fn list(state: ApiState, _: Anybody, (): ()) -> Result<Data<&'static [Plan]>, ApiError> {
    Ok(Data::ok(state.query().list_plans()))
}

async fn show(
    _: ApiState,
    _: Anybody,
    PathParam(id): PathParam<PlanId>,
) -> Result<Data<Plan>, ApiError> {
    Ok(Data::ok(Plan::of(id).clone()))
}
