//! `/relays`: the desired state of each relay, and what became of it.

use serde::Serialize;
use serde_json::Value;
use shared::command::{ChangeTerms, Changed, CreateTerms, Created, RelayChange};
use shared::domain::{Activity, CreateRelayInput, Pubkey, Relay, RelayId, UpdateRelayInput};
use shared::repositories::relay::{Presence, RelayFilter};

use crate::access::{
    Admin, AdminAccess, Caller, Operator, OperatorAccess, OwnerOrAdmin, RelayAccess, Signed,
};
use crate::body::Json;
use crate::conditions::{IfMatch, Keyed};
use crate::data::Data;
use crate::error::ApiError;
use crate::filters::Filters;
use crate::page::{NEWEST_FIRST, OLDEST_FIRST, PageQuery};
use crate::path::PathParam;
use crate::prefer::{PREFERENCE_APPLIED, Wait};
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
        Route::delete("/relays/{id}", Operator, remove),
        Route::post("/relays/{id}/deactivate", OwnerOrAdmin, deactivate),
        Route::post("/relays/{id}/reactivate", OwnerOrAdmin, reactivate),
        Route::get("/relays/{id}/activity", OwnerOrAdmin, activity),
    ]
}

async fn list(
    state: ApiState,
    _: AdminAccess,
    (query, filters): (PageQuery, Filters),
) -> Result<Data<Vec<Relay>>, ApiError> {
    let tenant = filters.get("tenant")?;
    let presence = match filters.within("removed", 0, 1, 0)? {
        0 => Presence::Present,
        _ => Presence::Removed,
    };
    list_of(&state, tenant, presence, &query, &filters).await
}

/// The relays that pass the filters of a request: of all, or of one tenant.
pub(super) async fn list_of(
    state: &ApiState,
    tenant: Option<Pubkey>,
    presence: Presence,
    query: &PageQuery,
    filters: &Filters,
) -> Result<Data<Vec<Relay>>, ApiError> {
    let filter = RelayFilter {
        tenant,
        zooid_domain: filters.get("zooid_domain")?,
        status: filters.get("status")?,
        sync_state: filters.get("sync_state")?,
        plan_id: filters.get("plan_id")?,
        presence,
    };
    let wanted = query.read(filters, OLDEST_FIRST)?;
    let relays = state.query().list_relays(&filter, &wanted.page).await?;
    Ok(wanted.answer(state, relays, |relay| relay.id.to_string()))
}

/// A relay, or the JSON of one as it was when a repeated request created it.
#[derive(Serialize)]
#[serde(untagged)]
enum RelayView {
    Now(Box<Relay>),
    Then(Value),
}

impl RelayView {
    fn now(relay: Box<Relay>) -> Data<Self> {
        let tag = relay.entity_tag();
        Data::ok(Self::Now(relay)).tagged(&tag)
    }
}

/// Creates a relay, once for each idempotency key of the signer. Admins create beyond the limit of a tenant.
async fn create(
    state: ApiState,
    caller: Caller,
    (RequestTrace(trace), wait, keyed): (RequestTrace, Wait, Keyed<CreateRelayInput>),
) -> Result<Data<RelayView>, ApiError> {
    let (input, request) = keyed.into_parts(caller.pubkey(), "POST /relays");
    let tenant_pubkey = caller.acting_for(input.tenant_pubkey)?;
    let input = CreateRelayInput {
        tenant_pubkey: Some(tenant_pubkey),
        ..input
    };
    let new = input.validate(state.rules())?;
    let terms = CreateTerms {
        max_relays: state.tenant_max_relays().filter(|_| !caller.is_admin()),
        request,
    };
    match state.command().request_relay(trace, new, terms).await? {
        Created::Relay(relay) => {
            let url = state.url_of(&format!("/relays/{}", relay.id));
            let created = |relay: Box<Relay>| {
                let tag = relay.entity_tag();
                Data::created(RelayView::Now(relay), &url).tagged(&tag)
            };
            after_waiting(&state, wait, relay, created).await
        }
        Created::Before(json) => {
            let then: Value = serde_json::from_str(&json).map_err(ApiError::Encode)?;
            let id = then["id"].as_str().unwrap_or_default();
            let url = state.url_of(&format!("/relays/{id}"));
            Ok(Data::created(RelayView::Then(then), &url))
        }
    }
}

async fn show(_: ApiState, relay: RelayAccess, (): ()) -> Result<Data<RelayView>, ApiError> {
    Ok(RelayView::now(Box::new(relay.into_relay())))
}

/// Changes the fields that the body names and no others: clients send one toggle a request, several at a time.
async fn update(
    state: ApiState,
    relay: RelayAccess,
    (trace, version, wait, Json(input)): (RequestTrace, IfMatch, Wait, Json<UpdateRelayInput>),
) -> Result<Data<RelayView>, ApiError> {
    let patch = input.validate(state.rules())?;
    let change = RelayChange::Update(patch);
    carry_out(&state, relay, (trace, version, wait), change).await
}

async fn deactivate(
    state: ApiState,
    relay: RelayAccess,
    terms: (RequestTrace, IfMatch, Wait),
) -> Result<Data<RelayView>, ApiError> {
    carry_out(&state, relay, terms, RelayChange::Deactivate).await
}

async fn reactivate(
    state: ApiState,
    relay: RelayAccess,
    terms: (RequestTrace, IfMatch, Wait),
) -> Result<Data<RelayView>, ApiError> {
    let asked_by = relay.asked_by();
    carry_out(&state, relay, terms, RelayChange::Activate(asked_by)).await
}

/// Removes a relay for good. 200 once zooid has confirmed that it has no file of it, 202 before.
async fn remove(
    state: ApiState,
    access: OperatorAccess,
    (PathParam(id), trace, wait): (PathParam<RelayId>, RequestTrace, Wait),
) -> Result<Data<RelayView>, ApiError> {
    state
        .command()
        .remove_relay(access.acting(trace), id.clone())
        .await?;
    let relay = Box::new(state.query().get_relay(&id).await?);
    after_waiting(&state, wait, relay, |relay| {
        let tag = relay.entity_tag();
        let is_gone = relay.synced_generation == relay.generation.get();
        let url = state.url_of(&format!("/relays/{}/sync", relay.id));
        let now = RelayView::Now(relay);
        let answer = if is_gone {
            Data::ok(now)
        } else {
            Data::accepted(now, &url)
        };
        answer.tagged(&tag)
    })
    .await
}

/// Changes a relay. zooid is asked for its members only where the plan would allow fewer than now, and while nothing is
/// being written; with the number known, the change is tried once more.
async fn carry_out(
    state: &ApiState,
    relay: RelayAccess,
    (RequestTrace(trace), IfMatch(version), wait): (RequestTrace, IfMatch, Wait),
    change: RelayChange,
) -> Result<Data<RelayView>, ApiError> {
    let id = relay.into_id();
    let command = state.command();
    let mut terms = ChangeTerms {
        version,
        members: None,
    };
    loop {
        let changed = command
            .change_relay(trace.clone(), id.clone(), change.clone(), terms.clone())
            .await?;
        match changed {
            Changed::Relay(relay) => {
                return after_waiting(state, wait, relay, RelayView::now).await;
            }
            Changed::MembersWanted(relay) => {
                let members = state.members().of(&relay).await?.len();
                terms.members = Some(members.try_into().unwrap_or(u64::MAX));
            }
        }
    }
}

/// Answers as `done` does, at once or when zooid has accepted the relay's generation or refused it for good. When neither
/// happens in time, or too many wait already: 202, with where to look.
async fn after_waiting(
    state: &ApiState,
    wait: Wait,
    relay: Box<Relay>,
    done: impl Fn(Box<Relay>) -> Data<RelayView>,
) -> Result<Data<RelayView>, ApiError> {
    let Some(waiting) = wait.begin(state.limits(), &relay.tenant_pubkey) else {
        return Ok(done(relay));
    };
    let patience = waiting.patience;
    let (id, generation) = (relay.id, relay.generation.get());
    let is_settled = state.following().settled(&id, generation, patience).await?;
    let relay = Box::new(state.query().get_relay(&id).await?);
    let answer = if is_settled {
        done(relay)
    } else {
        let url = state.url_of(&format!("/relays/{id}/sync"));
        let tag = relay.entity_tag();
        Data::accepted(RelayView::Now(relay), &url).tagged(&tag)
    };
    Ok(answer.with(PREFERENCE_APPLIED, format!("wait={}", patience.as_secs())))
}

#[derive(Serialize)]
struct ActivityLog {
    activity: Vec<Activity>,
}

/// What happened to the relay, newest first.
async fn activity(
    state: ApiState,
    relay: RelayAccess,
    (query, filters): (PageQuery, Filters),
) -> Result<Data<ActivityLog>, ApiError> {
    let mut wanted = query.read(&filters, NEWEST_FIRST)?;
    wanted.page.limit.get_or_insert(ACTIVITY_MAX);
    let activity = state
        .query()
        .list_activity_for_relay(&relay.into_id(), &wanted.page)
        .await?;
    let page = wanted.answer(&state, activity, |activity| activity.seq.to_string());
    Ok(page.map(|activity| ActivityLog { activity }))
}
