//! `GET /syncs`: for operators, the relays that are not in step with zooid, and why.

use serde::Serialize;
use shared::domain::{
    FailureKind, Pubkey, RelayId, RelayStatus, Subdomain, SyncState, Verb, ZooidDomain,
};
use shared::repositories::Pagination;
use shared::repositories::relay_sync::{LastAttempt, RelaySync};

use crate::access::{Operator, OperatorAccess};
use crate::data::Data;
use crate::error::ApiError;
use crate::filters::Filters;
use crate::route::Route;
use crate::state::ApiState;

pub(super) fn routes() -> Vec<Route> {
    vec![Route::get("/syncs", Operator, list)]
}

/// A relay on its way to zooid, as operators read it.
#[derive(Serialize)]
pub(super) struct SyncView {
    relay_id: RelayId,
    tenant_pubkey: Pubkey,
    subdomain: Subdomain,
    zooid_domain: ZooidDomain,
    /// The host name zooid is to serve it at.
    host: String,
    status: RelayStatus,
    sync_state: SyncState,
    /// What its tenant is told.
    sync_error: String,
    generation: i64,
    /// 0 for never.
    synced_generation: i64,
    failed_generation: Option<i64>,
    /// What its job has used up; null without one.
    attempts: Option<u32>,
    max_attempts: Option<u32>,
    /// Unix seconds.
    next_attempt_at: Option<i64>,
    last_attempt: Option<AttemptView>,
}

/// An attempt, as operators read it.
#[derive(Serialize)]
struct AttemptView {
    number: i64,
    generation: i64,
    kind: Option<FailureKind>,
    message: String,
    verb: Option<Verb>,
    http_status: Option<u16>,
    /// Unix milliseconds.
    started_at: i64,
    /// Unix milliseconds; null while it runs.
    finished_at: Option<i64>,
}

impl From<RelaySync> for SyncView {
    fn from(sync: RelaySync) -> Self {
        let relay = sync.relay;
        Self {
            relay_id: relay.id,
            tenant_pubkey: relay.tenant_pubkey,
            subdomain: relay.settings.subdomain,
            zooid_domain: relay.zooid_domain,
            host: sync.host,
            status: relay.status,
            sync_state: relay.sync_state,
            sync_error: relay.sync_error,
            generation: relay.generation.get(),
            synced_generation: relay.synced_generation,
            failed_generation: sync.failed_generation,
            attempts: sync.budget.map(|budget| budget.attempts),
            max_attempts: sync.budget.map(|budget| budget.max_attempts),
            next_attempt_at: relay.next_attempt_at,
            last_attempt: sync.last_attempt.map(AttemptView::from),
        }
    }
}

impl From<LastAttempt> for AttemptView {
    fn from(attempt: LastAttempt) -> Self {
        let LastAttempt {
            number,
            generation,
            kind,
            message,
            verb,
            http_status,
            started_at,
            finished_at,
        } = attempt;
        Self {
            number,
            generation,
            kind,
            message,
            verb,
            http_status,
            started_at,
            finished_at,
        }
    }
}

/// Without `state`, all relays that are not simply in step.
async fn list(
    state: ApiState,
    _: OperatorAccess,
    filters: Filters,
) -> Result<Data<Vec<SyncView>>, ApiError> {
    let wanted = filters.get("state")?;
    let syncs = state.query().list_syncs(wanted, &Pagination::all()).await?;
    Ok(Data::ok(syncs.into_iter().map(SyncView::from).collect()))
}
