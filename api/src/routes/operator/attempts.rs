//! `GET /operator/attempts`: the history of attempts.

use shared::domain::ValidationError;
use shared::repositories::operator::attempt::Attempt;
use shared::repositories::operator::attempt_list::AttemptFilter;
use shared::repositories::operator::keyset::Page;

use super::syncs::searched;
use utoipa::ToSchema;

use crate::access::{OperatorRead, OperatorReadAccess};
use crate::data::Data;
use crate::error::ApiError;
use crate::filters::Filters;
use crate::query::{Cut, Query, QueryInput, Unknown};
use crate::route::Route;
use crate::state::ApiState;

pub(super) fn routes() -> Vec<Route> {
    vec![Route::get("/operator/attempts", OperatorRead, list)]
}

/// Which attempts to list.
#[derive(ToSchema)]
struct AttemptQuery {
    #[serde(flatten)]
    filter: AttemptFilter,
    #[serde(flatten)]
    cut: Cut,
}

impl QueryInput for AttemptQuery {
    const UNKNOWN: Unknown = Unknown::Refused;

    fn read(filters: &mut Filters) -> Result<Self, ValidationError> {
        let filter = AttemptFilter {
            relay: filters.get("relay")?,
            job: filters.get("job")?,
            worker: filters.get("worker")?,
            kinds: filters.all("kind")?,
            targets: filters.all("target")?,
            groups: filters.numbers("group")?,
            outcomes: filters.all("outcome")?,
            q: searched(filters)?,
            since: filters.number("since")?,
            until: filters.number("until")?,
        };
        Ok(Self {
            filter,
            cut: Cut::read(filters)?,
        })
    }
}

async fn list(
    state: ApiState,
    _: OperatorReadAccess,
    Query(AttemptQuery { filter, cut }): Query<AttemptQuery>,
) -> Result<Data<Page<Attempt>>, ApiError> {
    let attempts = state
        .query()
        .list_attempts(&filter, cut.after()?, cut.limit)
        .await?;
    Ok(Data::ok(attempts))
}
