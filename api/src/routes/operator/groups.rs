//! `GET /operator/groups`: what fails, by cause.

use shared::domain::ValidationError;
use shared::repositories::operator::group::{FailureGroup, GroupFilter};
use shared::repositories::operator::keyset::Page;
use utoipa::ToSchema;

use crate::access::{OperatorRead, OperatorReadAccess};
use crate::data::Data;
use crate::error::ApiError;
use crate::filters::Filters;
use crate::query::{Cut, Query, QueryInput, Unknown};
use crate::route::Route;
use crate::state::ApiState;

pub(super) fn routes() -> Vec<Route> {
    vec![Route::get("/operator/groups", OperatorRead, list)]
}

/// Which groups to list.
#[derive(ToSchema)]
struct GroupQuery {
    #[serde(flatten)]
    filter: GroupFilter,
    #[serde(flatten)]
    cut: Cut,
}

impl QueryInput for GroupQuery {
    const UNKNOWN: Unknown = Unknown::Refused;

    fn read(filters: &mut Filters) -> Result<Self, ValidationError> {
        let filter = GroupFilter {
            targets: filters.all("target")?,
            kinds: filters.all("kind")?,
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
    Query(GroupQuery { filter, cut }): Query<GroupQuery>,
) -> Result<Data<Page<FailureGroup>>, ApiError> {
    let groups = state
        .query()
        .list_failure_groups(&filter, cut.after()?, cut.limit)
        .await?;
    Ok(Data::ok(groups))
}
