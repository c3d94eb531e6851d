//! `GET /operator/audit`: what operators did.

use shared::domain::Pubkey;
use shared::repositories::operator::audit::{AuditEntry, AuditFilter};
use shared::repositories::operator::keyset::Page;

use crate::access::{OperatorRead, OperatorReadAccess};
use crate::data::Data;
use crate::error::ApiError;
use crate::filters::Filters;
use crate::route::Route;
use crate::state::ApiState;

const KNOWN: [&str; 6] = [
    "actor",
    "action",
    "resource_type",
    "resource_id",
    "cursor",
    "limit",
];

pub(super) fn routes() -> Vec<Route> {
    vec![Route::get("/operator/audit", OperatorRead, list)]
}

async fn list(
    state: ApiState,
    _: OperatorReadAccess,
    filters: Filters,
) -> Result<Data<Page<AuditEntry>>, ApiError> {
    filters.only(&KNOWN)?;
    // A key can be asked for as npub; the record has it as hex.
    let actor = filters.text("actor").map(|actor| {
        let key = actor.parse::<Pubkey>();
        key.map_or(actor.to_owned(), |key| key.as_hex().to_owned())
    });
    let text = |name| filters.text(name).map(str::to_owned);
    let filter = AuditFilter {
        actor,
        action: text("action"),
        resource_type: text("resource_type"),
        resource_id: text("resource_id"),
    };
    let (after, limit) = (filters.number("cursor")?, filters.limit()?);
    Ok(Data::ok(
        state.query().list_audit(&filter, after, limit).await?,
    ))
}
