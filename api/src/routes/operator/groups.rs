//! `GET /operator/groups`: what fails, by cause.

use shared::repositories::operator::group::{FailureGroup, GroupFilter};
use shared::repositories::operator::keyset::Page;

use crate::access::{OperatorRead, OperatorReadAccess};
use crate::data::Data;
use crate::error::ApiError;
use crate::filters::Filters;
use crate::route::Route;
use crate::state::ApiState;

pub(super) fn routes() -> Vec<Route> {
    vec![Route::get("/operator/groups", OperatorRead, list)]
}

async fn list(
    state: ApiState,
    _: OperatorReadAccess,
    filters: Filters,
) -> Result<Data<Page<FailureGroup>>, ApiError> {
    filters.only(&["target", "kind", "cursor", "limit"])?;
    let filter = GroupFilter {
        targets: filters.all("target")?,
        kinds: filters.all("kind")?,
    };
    let (after, limit) = (filters.get("cursor")?, filters.limit()?);
    Ok(Data::ok(
        state
            .query()
            .list_failure_groups(&filter, after, limit)
            .await?,
    ))
}
