//! `GET /operator/syncs`: relays on their way to zooid.

use shared::domain::ValidationError;
use shared::repositories::operator::keyset::Page;
use shared::repositories::operator::search::SEARCH_MAX_BYTES;
use shared::repositories::operator::sync_list::{SyncCursor, SyncFilter, SyncPage};
use shared::repositories::relay_sync::RelaySync;

use crate::access::{OperatorRead, OperatorReadAccess};
use crate::data::Data;
use crate::error::ApiError;
use crate::filters::{Filters, malformed_filter};
use crate::route::Route;
use crate::state::ApiState;

const KNOWN: [&str; 10] = [
    "state", "kind", "target", "group", "q", "since", "until", "order", "cursor", "limit",
];

pub(super) fn routes() -> Vec<Route> {
    vec![Route::get("/operator/syncs", OperatorRead, list)]
}

async fn list(
    state: ApiState,
    _: OperatorReadAccess,
    filters: Filters,
) -> Result<Data<Page<RelaySync>>, ApiError> {
    filters.only(&KNOWN)?;
    let filter = SyncFilter {
        states: filters.all("state")?,
        kinds: filters.all("kind")?,
        targets: filters.all("target")?,
        groups: filters.numbers("group")?,
        q: searched(&filters)?,
        since: filters.number("since")?,
        until: filters.number("until")?,
    };
    let order = filters.get("order")?.unwrap_or_default();
    let page = SyncPage {
        order,
        after: filters
            .text("cursor")
            .map(|cursor| SyncCursor::parse(cursor, order))
            .transpose()
            .map_err(|malformed| malformed_filter("cursor", &malformed))?,
        limit: filters.limit()?,
    };
    Ok(Data::ok(state.query().list_syncs(&filter, &page).await?))
}

/// The text to search for, if there is one.
pub(super) fn searched(filters: &Filters) -> Result<Option<String>, ValidationError> {
    let q = filters.text("q").map(str::trim).filter(|q| !q.is_empty());
    if q.is_some_and(|q| q.len() > SEARCH_MAX_BYTES) {
        let rule = format!("must be at most {SEARCH_MAX_BYTES} bytes");
        return Err(ValidationError::new("filter-invalid", "q", &rule));
    }
    Ok(q.map(str::to_owned))
}
