//! `GET /operator/audit`: what operators did.

use shared::domain::{Pubkey, ValidationError};
use shared::repositories::operator::audit::{AuditEntry, AuditFilter};
use shared::repositories::operator::keyset::Page;
use utoipa::ToSchema;

use crate::access::{OperatorRead, OperatorReadAccess};
use crate::data::Data;
use crate::error::ApiError;
use crate::filters::{Filters, Number};
use crate::query::{Cut, Query, QueryInput, Unknown};
use crate::route::Route;
use crate::state::ApiState;

pub(super) fn routes() -> Vec<Route> {
    vec![Route::get("/operator/audit", OperatorRead, list)]
}

/// Which lines to list.
#[derive(ToSchema)]
struct AuditQuery {
    #[serde(flatten)]
    filter: AuditFilter,
    #[serde(flatten)]
    cut: Cut,
}

impl QueryInput for AuditQuery {
    const UNKNOWN: Unknown = Unknown::Refused;

    fn read(filters: &mut Filters) -> Result<Self, ValidationError> {
        // A key can be asked for as npub; the record has it as hex.
        let actor = filters.text("actor").map(|actor| {
            let key = actor.parse::<Pubkey>();
            key.map_or(actor.to_owned(), |key| key.as_hex().to_owned())
        });
        let mut text = |name| filters.text(name).map(str::to_owned);
        let filter = AuditFilter {
            actor,
            action: text("action"),
            resource_type: text("resource_type"),
            resource_id: text("resource_id"),
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
    Query(AuditQuery { filter, cut }): Query<AuditQuery>,
) -> Result<Data<Page<AuditEntry>>, ApiError> {
    let after = cut.after()?.map(|Number(seq)| seq);
    let entries = state.query().list_audit(&filter, after, cut.limit).await?;
    Ok(Data::ok(entries))
}
