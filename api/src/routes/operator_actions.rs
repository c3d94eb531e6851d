//! `POST /operator/...`: what operators do. Each is one command, which leaves its line in the record.

use serde::Serialize;
use shared::command::operator::{Acted, QueueAction, TargetAction};
use shared::domain::{
    BulkInput, PreviewInput, ReconcileInput, RelayAction, RelayId, RetryInput, ZooidDomain,
};
use shared::repositories::relay_sync::RelaySync;
use utoipa::ToSchema;

use crate::access::{Operator, OperatorAccess};
use crate::body::Json;
use crate::data::Data;
use crate::error::{
    ApiError, BULK_CHANGED, BULK_TOKEN_INVALID, RELAY_IN_STEP, RELAY_QUARANTINED, TARGET_UNKNOWN,
};
use crate::path::PathParam;
use crate::route::Route;
use crate::state::ApiState;
use crate::trace::RequestTrace;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::post(
            "/operator/relays/{id}/retry",
            Operator,
            |state, access, input| send_again(state, access, input, RelayAction::Retry),
        )
        .refusing(&[RELAY_IN_STEP, RELAY_QUARANTINED]),
        Route::post(
            "/operator/relays/{id}/sync",
            Operator,
            |state, access, input| send_again(state, access, input, RelayAction::Sync),
        )
        .refusing(&[RELAY_QUARANTINED]),
        Route::post(
            "/operator/relays/{id}/cancel",
            Operator,
            |state, access, input| act_on_relay(state, access, input, RelayAction::Cancel),
        ),
        Route::post(
            "/operator/relays/{id}/pause",
            Operator,
            |state, access, input| act_on_relay(state, access, input, RelayAction::Pause),
        ),
        Route::post(
            "/operator/relays/{id}/resume",
            Operator,
            |state, access, input| act_on_relay(state, access, input, RelayAction::Resume),
        ),
        Route::post(
            "/operator/relays/{id}/release",
            Operator,
            |state, access, input| act_on_relay(state, access, input, RelayAction::Release),
        ),
        Route::post(
            "/operator/targets/{name}/pause",
            Operator,
            |state, access, input| act_on_target(state, access, input, TargetAction::Pause),
        )
        .refusing(&[TARGET_UNKNOWN]),
        Route::post(
            "/operator/targets/{name}/resume",
            Operator,
            |state, access, input| act_on_target(state, access, input, TargetAction::Resume),
        )
        .refusing(&[TARGET_UNKNOWN]),
        Route::post(
            "/operator/targets/{name}/probe",
            Operator,
            |state, access, input| act_on_target(state, access, input, TargetAction::Probe),
        )
        .refusing(&[TARGET_UNKNOWN]),
        Route::post("/operator/queue/pause", Operator, |state, access, input| {
            act_on_queue(state, access, input, QueueAction::Pause)
        }),
        Route::post(
            "/operator/queue/resume",
            Operator,
            |state, access, input| act_on_queue(state, access, input, QueueAction::Resume),
        ),
        Route::post("/operator/bulk/preview", Operator, preview_bulk),
        Route::post("/operator/bulk", Operator, run_bulk)
            .refusing(&[BULK_TOKEN_INVALID, BULK_CHANGED]),
        Route::post("/operator/reconcile", Operator, reconcile),
    ]
}

/// What an action came to.
#[derive(Serialize, ToSchema)]
struct ActionView {
    /// How many relays it touched, or 1 for a target or the queue; 0 when there was nothing to do.
    affected: u64,
    /// Its line in the record; null when there was nothing to do.
    action_id: Option<String>,
}

impl From<Acted> for ActionView {
    fn from(acted: Acted) -> Self {
        Self {
            affected: acted.affected,
            action_id: acted.action_id,
        }
    }
}

/// What an action on one relay came to, and where the relay stands now.
#[derive(Serialize, ToSchema)]
struct RelayActionView {
    #[serde(flatten)]
    action: ActionView,
    /// Unix seconds: until when zooid asked us to wait, which is kept; null when there is no such pause.
    not_before: Option<i64>,
    /// Where the relay stands now.
    sync: RelaySync,
}

/// What an action on all that match would do.
#[derive(Serialize, ToSchema)]
struct PreviewView {
    /// How many relays it would touch now.
    affected: u64,
    /// What carries it out.
    token: String,
    /// Up to five of these relays.
    sample: Vec<RelaySync>,
}

/// Sends a relay again, unless more has happened than the caller saw.
async fn send_again(
    state: ApiState,
    access: OperatorAccess,
    (relay, trace, Json(input)): (PathParam<RelayId>, RequestTrace, Json<RetryInput>),
    action: RelayAction,
) -> Result<Data<RelayActionView>, ApiError> {
    let seen = Some(input.seen_attempt);
    relay_action(&state, access, (relay, trace), action, seen).await
}

async fn act_on_relay(
    state: ApiState,
    access: OperatorAccess,
    request: (PathParam<RelayId>, RequestTrace),
    action: RelayAction,
) -> Result<Data<RelayActionView>, ApiError> {
    relay_action(&state, access, request, action, None).await
}

async fn relay_action(
    state: &ApiState,
    access: OperatorAccess,
    (PathParam(id), trace): (PathParam<RelayId>, RequestTrace),
    action: RelayAction,
    seen_attempt: Option<i64>,
) -> Result<Data<RelayActionView>, ApiError> {
    let by = access.acting(trace);
    let acted = state
        .command()
        .act_on_relay(by, id.clone(), action, seen_attempt)
        .await?;
    Ok(Data::ok(RelayActionView {
        not_before: acted.not_before,
        action: acted.into(),
        sync: state.query().get_sync(&id).await?,
    }))
}

async fn act_on_target(
    state: ApiState,
    access: OperatorAccess,
    (PathParam(target), trace): (PathParam<ZooidDomain>, RequestTrace),
    action: TargetAction,
) -> Result<Data<ActionView>, ApiError> {
    let by = access.acting(trace);
    let acted = state.command().act_on_target(by, target, action).await?;
    Ok(Data::ok(acted.into()))
}

async fn act_on_queue(
    state: ApiState,
    access: OperatorAccess,
    trace: RequestTrace,
    action: QueueAction,
) -> Result<Data<ActionView>, ApiError> {
    let by = access.acting(trace);
    let acted = state.command().act_on_queue(by, action).await?;
    Ok(Data::ok(acted.into()))
}

async fn preview_bulk(
    state: ApiState,
    _: OperatorAccess,
    Json(request): Json<PreviewInput>,
) -> Result<Data<PreviewView>, ApiError> {
    let preview = state.command().preview_bulk(request).await?;
    let mut sample = Vec::with_capacity(preview.sample.len());
    for relay in &preview.sample {
        sample.push(state.query().get_sync(relay).await?);
    }
    Ok(Data::ok(PreviewView {
        affected: preview.affected,
        token: preview.token,
        sample,
    }))
}

async fn run_bulk(
    state: ApiState,
    access: OperatorAccess,
    (trace, Json(request)): (RequestTrace, Json<BulkInput>),
) -> Result<Data<ActionView>, ApiError> {
    let by = access.acting(trace);
    let acted = state.command().run_bulk(by, request).await?;
    Ok(Data::ok(acted.into()))
}

async fn reconcile(
    state: ApiState,
    access: OperatorAccess,
    (trace, Json(which)): (RequestTrace, Json<ReconcileInput>),
) -> Result<Data<ActionView>, ApiError> {
    let by = access.acting(trace);
    let acted = state.command().reconcile(by, which).await?;
    Ok(Data::ok(acted.into()))
}
