//! `GET /operator/attempts`: the history of attempts.

use shared::repositories::operator::attempt::Attempt;
use shared::repositories::operator::attempt_list::AttemptFilter;
use shared::repositories::operator::keyset::Page;

use super::syncs::searched;
use crate::access::{OperatorRead, OperatorReadAccess};
use crate::data::Data;
use crate::error::ApiError;
use crate::filters::Filters;
use crate::route::Route;
use crate::state::ApiState;

const KNOWN: [&str; 12] = [
    "relay", "job", "worker", "kind", "target", "group", "outcome", "q", "since", "until",
    "cursor", "limit",
];

pub(super) fn routes() -> Vec<Route> {
    vec![Route::get("/operator/attempts", OperatorRead, list)]
}

async fn list(
    state: ApiState,
    _: OperatorReadAccess,
    filters: Filters,
) -> Result<Data<Page<Attempt>>, ApiError> {
    filters.only(&KNOWN)?;
    let filter = AttemptFilter {
        relay: filters.get("relay")?,
        job: filters.get("job")?,
        worker: filters.get("worker")?,
        kinds: filters.all("kind")?,
        targets: filters.all("target")?,
        groups: filters.numbers("group")?,
        outcomes: filters.all("outcome")?,
        q: searched(&filters)?,
        since: filters.number("since")?,
        until: filters.number("until")?,
    };
    let (after, limit) = (filters.get("cursor")?, filters.limit()?);
    Ok(Data::ok(
        state.query().list_attempts(&filter, after, limit).await?,
    ))
}
