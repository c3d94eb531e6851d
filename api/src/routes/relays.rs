//! `/relays`: the desired state of each relay, and what became of it.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{ETAG, LOCATION};
use serde::Serialize;
use serde_json::Value;
use shared::command::{ChangeTerms, Changed, CreateTerms, Created, RelayChange};
use shared::domain::{
    Activity, ActivityType, CreateRelayInput, Relay, RelayId, UpdateRelayInput, ValidationError,
};
use shared::repositories::activity::ActivityFilter;
use shared::repositories::relay::RelayFilter;
use utoipa::ToSchema;

use crate::access::{
    Admin, AdminAccess, Caller, Operator, OperatorAccess, OwnerOrAdmin, RelayAccess, Signed,
};
use crate::body::Json;
use crate::conditions::{IfMatch, Keyed};
use crate::data::{Answer, Data, Paged};
use crate::description::Operation;
use crate::error::{
    ApiError, CUSTOM_DOMAIN_EXISTS, FORBIDDEN, MEMBERS_UNAVAILABLE, PLAN_MEMBERS, RELAY_DELINQUENT,
    RELAY_LIMIT, RELAY_REMOVED, SUBDOMAIN_EXISTS, TENANT_UNKNOWN,
};
use crate::filters::Filters;
use crate::page::{NEWEST_FIRST, OLDEST_FIRST, PageQuery};
use crate::path::PathParam;
use crate::prefer::{PREFERENCE_APPLIED, Wait};
use crate::query::{Query, QueryInput, Unknown};
use crate::route::Route;
use crate::state::ApiState;
use crate::trace::RequestTrace;

/// Activities of a relay that are shown at most, the newest: a relay that fails for weeks must not make a page of megabytes.
const ACTIVITY_MAX: u32 = 1000;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/relays", Admin, list),
        Route::post("/relays", Signed, create).refusing(&[
            FORBIDDEN,
            TENANT_UNKNOWN,
            SUBDOMAIN_EXISTS,
            CUSTOM_DOMAIN_EXISTS,
            RELAY_LIMIT,
        ]),
        Route::get("/relays/{id}", OwnerOrAdmin, show),
        Route::put("/relays/{id}", OwnerOrAdmin, update).refusing(&[
            SUBDOMAIN_EXISTS,
            CUSTOM_DOMAIN_EXISTS,
            PLAN_MEMBERS,
            MEMBERS_UNAVAILABLE,
            RELAY_REMOVED,
        ]),
        Route::delete("/relays/{id}", Operator, remove),
        Route::post("/relays/{id}/deactivate", OwnerOrAdmin, deactivate).refusing(&[RELAY_REMOVED]),
        Route::post("/relays/{id}/reactivate", OwnerOrAdmin, reactivate)
            .refusing(&[RELAY_DELINQUENT, RELAY_REMOVED]),
        Route::get("/relays/{id}/activity", OwnerOrAdmin, activity),
    ]
}

async fn list(
    state: ApiState,
    _: AdminAccess,
    (page, Query(filter)): (PageQuery, Query<RelayFilter>),
) -> Result<Paged<Vec<Relay>>, ApiError> {
    list_of(&state, &filter, &page).await
}

/// The relays of a page that pass a filter.
pub(super) async fn list_of(
    state: &ApiState,
    filter: &RelayFilter,
    page: &PageQuery,
) -> Result<Paged<Vec<Relay>>, ApiError> {
    let wanted = page.read(OLDEST_FIRST)?;
    let relays = state.query().list_relays(filter, &wanted.page).await?;
    Ok(wanted.answer(state, relays, |relay| relay.id.to_string()))
}

impl QueryInput for RelayFilter {
    const UNKNOWN: Unknown = Unknown::Ignored;

    fn read(filters: &mut Filters) -> Result<Self, ValidationError> {
        let OfOneTenant(filter) = OfOneTenant::read(filters)?;
        Ok(Self {
            tenant: filters.get("tenant")?,
            removed: filters.flag("removed")?.unwrap_or_default(),
            ..filter
        })
    }
}

/// Which relays of a tenant to list, whom the path names.
#[derive(ToSchema)]
pub(super) struct OfOneTenant(pub(super) RelayFilter);

impl QueryInput for OfOneTenant {
    const UNKNOWN: Unknown = Unknown::Ignored;

    fn read(filters: &mut Filters) -> Result<Self, ValidationError> {
        Ok(Self(RelayFilter {
            tenant: None,
            zooid_domain: filters.get("zooid_domain")?,
            status: filters.get("status")?,
            sync_state: filters.get("sync_state")?,
            plan_id: filters.get("plan_id")?,
            removed: false,
        }))
    }
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

/// A relay with the tag of its representation.
struct TaggedRelay(Data<RelayView>);

impl IntoResponse for TaggedRelay {
    fn into_response(self) -> Response {
        self.0.into_response()
    }
}

impl Answer for TaggedRelay {
    fn describe(operation: &mut Operation<'_>) {
        operation.succeeds_with::<Relay>(StatusCode::OK);
        operation.tells(&ETAG, "For `If-Match`.");
    }
}

/// A relay that was created, now or by an earlier request with the same idempotency key.
struct CreatedRelay(Data<RelayView>);

impl IntoResponse for CreatedRelay {
    fn into_response(self) -> Response {
        self.0.into_response()
    }
}

impl Answer for CreatedRelay {
    fn describe(operation: &mut Operation<'_>) {
        operation.succeeds_with::<Relay>(StatusCode::CREATED);
        operation.tells(&ETAG, "For `If-Match`.");
        operation.tells(&LOCATION, "Where the relay is.");
    }
}

/// Creates a relay, once for each idempotency key of the signer. Admins create beyond the limit of a tenant.
async fn create(
    state: ApiState,
    caller: Caller,
    (RequestTrace(trace), wait, keyed): (RequestTrace, Wait, Keyed<CreateRelayInput>),
) -> Result<CreatedRelay, ApiError> {
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
            let answer = after_waiting(&state, wait, relay, created).await?;
            Ok(CreatedRelay(answer))
        }
        Created::Before(json) => {
            let then: Value = serde_json::from_str(&json).map_err(ApiError::Encode)?;
            let id = then["id"].as_str().unwrap_or_default();
            let url = state.url_of(&format!("/relays/{id}"));
            Ok(CreatedRelay(Data::created(RelayView::Then(then), &url)))
        }
    }
}

async fn show(_: ApiState, relay: RelayAccess, (): ()) -> Result<TaggedRelay, ApiError> {
    Ok(TaggedRelay(RelayView::now(Box::new(relay.into_relay()))))
}

/// Changes the fields that the body names and no others: clients send one toggle a request, several at a time.
async fn update(
    state: ApiState,
    relay: RelayAccess,
    (trace, version, wait, Json(input)): (RequestTrace, IfMatch, Wait, Json<UpdateRelayInput>),
) -> Result<TaggedRelay, ApiError> {
    let patch = input.validate(state.rules())?;
    let change = RelayChange::Update(patch);
    carry_out(&state, relay, (trace, version, wait), change).await
}

async fn deactivate(
    state: ApiState,
    relay: RelayAccess,
    terms: (RequestTrace, IfMatch, Wait),
) -> Result<TaggedRelay, ApiError> {
    carry_out(&state, relay, terms, RelayChange::Deactivate).await
}

async fn reactivate(
    state: ApiState,
    relay: RelayAccess,
    terms: (RequestTrace, IfMatch, Wait),
) -> Result<TaggedRelay, ApiError> {
    let asked_by = relay.asked_by();
    carry_out(&state, relay, terms, RelayChange::Activate(asked_by)).await
}

/// Removes a relay for good. 200 once zooid has confirmed that it has no file of it, 202 before.
async fn remove(
    state: ApiState,
    access: OperatorAccess,
    (PathParam(id), trace, wait): (PathParam<RelayId>, RequestTrace, Wait),
) -> Result<TaggedRelay, ApiError> {
    state
        .command()
        .remove_relay(access.acting(trace), id.clone())
        .await?;
    let relay = Box::new(state.query().get_relay(&id).await?);
    let answer = after_waiting(&state, wait, relay, |relay| {
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
    .await?;
    Ok(TaggedRelay(answer))
}

/// Changes a relay. zooid is asked for its members only where the plan would allow fewer than now, and while nothing is
/// being written; with the number known, the change is tried once more.
async fn carry_out(
    state: &ApiState,
    relay: RelayAccess,
    (RequestTrace(trace), IfMatch(version), wait): (RequestTrace, IfMatch, Wait),
    change: RelayChange,
) -> Result<TaggedRelay, ApiError> {
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
                let answer = after_waiting(state, wait, relay, RelayView::now).await?;
                return Ok(TaggedRelay(answer));
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

/// What happened to a relay.
#[derive(Serialize, ToSchema)]
struct ActivityLog {
    /// Newest first, unless `sort` says otherwise.
    activity: Vec<Activity>,
}

/// What happened to the relay, newest first.
async fn activity(
    state: ApiState,
    relay: RelayAccess,
    (page, Query(of_type)): (PageQuery, Query<OfType>),
) -> Result<Paged<ActivityLog>, ApiError> {
    let mut wanted = page.read(NEWEST_FIRST)?;
    wanted.page.limit.get_or_insert(ACTIVITY_MAX);
    let filter = ActivityFilter {
        relay: relay.into_id(),
        types: of_type.activity_type,
    };
    let activity = state
        .query()
        .list_activity_for_relay(&filter, &wanted.page)
        .await?;
    let page = wanted.answer(&state, activity, |activity| activity.seq.to_string());
    Ok(page.map(|activity| ActivityLog { activity }))
}

/// Which activities of a relay to list.
#[derive(ToSchema)]
struct OfType {
    /// What happened: one of these.
    activity_type: Vec<ActivityType>,
}

impl QueryInput for OfType {
    const UNKNOWN: Unknown = Unknown::Ignored;

    fn read(filters: &mut Filters) -> Result<Self, ValidationError> {
        Ok(Self {
            activity_type: filters.all("activity_type")?,
        })
    }
}
