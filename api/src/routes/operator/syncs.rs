//! `GET /operator/syncs`: relays on their way to zooid.

use shared::domain::ValidationError;
use shared::repositories::operator::keyset::Page;
use shared::repositories::operator::search::SEARCH_MAX_BYTES;
use shared::repositories::operator::sync_list::{SyncCursor, SyncFilter, SyncOrder, SyncPage};
use shared::repositories::relay_sync::RelaySync;
use utoipa::ToSchema;

use crate::access::{OperatorRead, OperatorReadAccess};
use crate::data::Data;
use crate::error::ApiError;
use crate::filters::{Filters, malformed_filter};
use crate::query::{Cut, Query, QueryInput, Unknown};
use crate::route::Route;
use crate::state::ApiState;

pub(super) fn routes() -> Vec<Route> {
    vec![Route::get("/operator/syncs", OperatorRead, list)]
}

/// Which relays to list.
#[derive(ToSchema)]
struct SyncQuery {
    #[serde(flatten)]
    filter: SyncFilter,
    /// In which order.
    #[schema(default = "news")]
    order: SyncOrder,
    #[serde(flatten)]
    cut: Cut,
}

impl QueryInput for SyncQuery {
    const UNKNOWN: Unknown = Unknown::Refused;

    fn read(filters: &mut Filters) -> Result<Self, ValidationError> {
        let filter = SyncFilter {
            states: filters.all("state")?,
            kinds: filters.all("kind")?,
            targets: filters.all("target")?,
            groups: filters.numbers("group")?,
            q: searched(filters)?,
            since: filters.number("since")?,
            until: filters.number("until")?,
        };
        Ok(Self {
            filter,
            order: filters.get("order")?.unwrap_or_default(),
            cut: Cut::read(filters)?,
        })
    }
}

async fn list(
    state: ApiState,
    _: OperatorReadAccess,
    Query(SyncQuery { filter, order, cut }): Query<SyncQuery>,
) -> Result<Data<Page<RelaySync>>, ApiError> {
    let page = SyncPage {
        order,
        after: cut
            .cursor
            .map(|cursor| SyncCursor::parse(&cursor, order))
            .transpose()
            .map_err(|malformed| malformed_filter("cursor", &malformed))?,
        limit: cut.limit,
    };
    Ok(Data::ok(state.query().list_syncs(&filter, &page).await?))
}

/// The text to search for, if there is one.
pub(super) fn searched(filters: &mut Filters) -> Result<Option<String>, ValidationError> {
    let q = filters.text("q").map(str::trim).filter(|q| !q.is_empty());
    if q.is_some_and(|q| q.len() > SEARCH_MAX_BYTES) {
        let rule = format!("must be at most {SEARCH_MAX_BYTES} bytes");
        return Err(ValidationError::new("filter-invalid", "q", &rule));
    }
    Ok(q.map(str::to_owned))
}
