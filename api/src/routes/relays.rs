//! `/relays`: the desired state of each relay, and what became of it.

use serde::Serialize;
use shared::domain::{Activity, CreateRelayInput, Relay, UpdateRelayInput};
use shared::repositories::Pagination;
use shared::repositories::relay::RelayFilter;

use crate::access::{Admin, AdminAccess, Caller, OwnerOrAdmin, RelayAccess, Signed};
use crate::body::Json;
use crate::data::Data;
use crate::error::ApiError;
use crate::filters::Filters;
use crate::route::Route;
use crate::state::ApiState;
use crate::trace::RequestTrace;

/// Activities of a relay that are shown at most, the newest: a relay that fails for weeks must not make a page of megabytes.
const ACTIVITY_MAX: u32 = 1000;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/relays", Admin, list),
        Route::post("/relays", Signed, create),
        Route::get("/relays/{id}", OwnerOrAdmin, show),
        Route::put("/relays/{id}", OwnerOrAdmin, update),
        Route::post("/relays/{id}/deactivate", OwnerOrAdmin, deactivate),
        Route::post("/relays/{id}/reactivate", OwnerOrAdmin, reactivate),
        Route::get("/relays/{id}/activity", OwnerOrAdmin, activity),
    ]
}

async fn list(
    state: ApiState,
    _: AdminAccess,
    filters: Filters,
) -> Result<Data<Vec<Relay>>, ApiError> {
    let filter = RelayFilter {
        tenant: filters.get("tenant")?,
        zooid_domain: filters.get("zooid_domain")?,
        status: filters.get("status")?,
        sync_state: filters.get("sync_state")?,
    };
    let relays = state
        .query()
        .list_relays(&filter, &Pagination::all())
        .await?;
    Ok(Data::ok(relays))
}

async fn create(
    state: ApiState,
    caller: Caller,
    (RequestTrace(trace), Json(input)): (RequestTrace, Json<CreateRelayInput>),
) -> Result<Data<Relay>, ApiError> {
    let tenant_pubkey = caller.acting_for(input.tenant_pubkey)?;
    let input = CreateRelayInput {
        tenant_pubkey: Some(tenant_pubkey),
        ..input
    };
    let new = input.validate(state.rules())?;
    let relay = state.command().create_relay(trace, new).await?;
    let base = state.base_url().as_str().trim_end_matches('/');
    let url = format!("{base}/relays/{}", relay.id);
    Ok(Data::created(relay, &url))
}

async fn show(_: ApiState, relay: RelayAccess, (): ()) -> Result<Data<Relay>, ApiError> {
    Ok(Data::ok(relay.into_relay()))
}

/// Changes the fields that the body names and no others: clients send one toggle a request, several at a time.
async fn update(
    state: ApiState,
    relay: RelayAccess,
    (RequestTrace(trace), Json(input)): (RequestTrace, Json<UpdateRelayInput>),
) -> Result<Data<Relay>, ApiError> {
    let patch = input.validate(state.rules())?;
    let relay = state
        .command()
        .update_relay(trace, relay.into_id(), patch)
        .await?;
    Ok(Data::ok(relay))
}

async fn deactivate(
    state: ApiState,
    relay: RelayAccess,
    RequestTrace(trace): RequestTrace,
) -> Result<Data<Relay>, ApiError> {
    let relay = state
        .command()
        .deactivate_relay(trace, relay.into_id())
        .await?;
    Ok(Data::ok(relay))
}

async fn reactivate(
    state: ApiState,
    relay: RelayAccess,
    RequestTrace(trace): RequestTrace,
) -> Result<Data<Relay>, ApiError> {
    let asked_by = relay.asked_by();
    let relay = state
        .command()
        .activate_relay(trace, relay.into_id(), asked_by)
        .await?;
    Ok(Data::ok(relay))
}

#[derive(Serialize)]
struct ActivityLog {
    activity: Vec<Activity>,
}

/// What happened to the relay, newest first.
async fn activity(
    state: ApiState,
    relay: RelayAccess,
    (): (),
) -> Result<Data<ActivityLog>, ApiError> {
    let page = Pagination::first(ACTIVITY_MAX);
    let activity = state
        .query()
        .list_activity_for_relay(&relay.into_id(), &page)
        .await?;
    Ok(Data::ok(ActivityLog { activity }))
}
