//! The fault port: the handle's controls as JSON over HTTP, on 127.0.0.1 only.
//!
//! It shows no secrets: bodies come with their credentials blanked out.

use std::io;
use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::faults::{Fault, FaultError};
use crate::recorder::{Call, RelayRecord};
use crate::sim::{Controls, StartError};

/// Fields of a configuration that are shown to nobody.
const SECRET_FIELDS: [&str; 5] = [
    "secret",
    "access_key",
    "secret_key",
    "api_key",
    "api_secret",
];

/// Serves the fault port until `stop`.
pub(crate) async fn serve(listener: TcpListener, controls: Arc<Controls>, stop: CancellationToken) {
    let router = Router::new()
        .route("/calls", get(calls).delete(forget_calls))
        .route("/overlaps", get(overlaps))
        .route("/relays", get(relays))
        .route(
            "/relays/{id}",
            axum::routing::delete(remove_file).patch(patch_file),
        )
        .route("/relays/{id}/break", post(break_file))
        .route("/relays/{id}/members", put(set_members))
        .route("/faults", get(list_faults).post(inject).delete(clear))
        .route("/faults/release", post(release))
        .route("/down", post(down))
        .route("/up", post(up))
        .with_state(controls);
    tokio::select! {
        () = stop.cancelled() => {}
        result = axum::serve(listener, router).into_future() => {
            if let Err(error) = result {
                tracing::error!(%error, "the fault port closed");
            }
        }
    }
}

/// What the fault port could not do.
enum Failure {
    Fault(FaultError),
    File(io::Error),
    Start(StartError),
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let (status, error) = match self {
            Self::Fault(error) => (StatusCode::UNPROCESSABLE_ENTITY, error.to_string()),
            Self::File(error) if error.kind() == io::ErrorKind::NotFound => {
                (StatusCode::NOT_FOUND, error.to_string())
            }
            Self::File(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
            Self::Start(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
        };
        (status, Json(json!({ "error": error }))).into_response()
    }
}

#[derive(Deserialize)]
struct OfRelay {
    relay: Option<String>,
}

async fn calls(State(controls): State<Arc<Controls>>, Query(of): Query<OfRelay>) -> Json<Value> {
    let recorder = &controls.app.recorder;
    Json(match of.relay {
        Some(id) => record_json(&recorder.relay(&id)),
        None => recorder
            .relays()
            .iter()
            .map(|(id, record)| (id.clone(), record_json(record)))
            .collect(),
    })
}

async fn forget_calls(State(controls): State<Arc<Controls>>) -> StatusCode {
    controls.app.recorder.forget();
    StatusCode::NO_CONTENT
}

async fn overlaps(State(controls): State<Arc<Controls>>) -> Json<Value> {
    let recorder = &controls.app.recorder;
    let relays: serde_json::Map<String, Value> = recorder
        .relays()
        .into_iter()
        .map(|(id, record)| (id, record.max_overlap.into()))
        .collect();
    Json(json!({ "totals": recorder.totals(), "max_overlap_by_relay": relays }))
}

async fn relays(State(controls): State<Arc<Controls>>) -> Result<Json<Value>, Failure> {
    let store = &controls.app.store;
    let relays: Vec<Value> = store
        .ids()
        .map_err(Failure::File)?
        .into_iter()
        .map(|id| match store.read(&id) {
            Ok(config) => json!({
                "id": id,
                "readable": true,
                "host": config.host,
                "schema": config.schema,
                "inactive": config.inactive,
                "serving": store.serving(&config.host).is_some_and(|relay| relay.id == id),
            }),
            Err(_) => json!({ "id": id, "readable": false }),
        })
        .collect();
    Ok(Json(json!({ "relays": relays })))
}

async fn remove_file(
    State(controls): State<Arc<Controls>>,
    Path(id): Path<String>,
) -> Result<StatusCode, Failure> {
    controls.remove_file(&id).map_err(Failure::File)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn patch_file(
    State(controls): State<Arc<Controls>>,
    Path(id): Path<String>,
    Json(patch): Json<Map<String, Value>>,
) -> Result<StatusCode, Failure> {
    controls.patch_file(&id, patch).map_err(Failure::File)?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Break {
    #[serde(default)]
    kept_bytes: u64,
}

async fn break_file(
    State(controls): State<Arc<Controls>>,
    Path(id): Path<String>,
    Json(body): Json<Break>,
) -> Result<StatusCode, Failure> {
    controls
        .break_file(&id, body.kept_bytes)
        .map_err(Failure::File)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn set_members(
    State(controls): State<Arc<Controls>>,
    Path(id): Path<String>,
    Json(members): Json<Vec<String>>,
) -> StatusCode {
    controls.app.store.set_members(&id, members);
    StatusCode::NO_CONTENT
}

async fn list_faults(State(controls): State<Arc<Controls>>) -> Json<Value> {
    Json(json!({ "faults": controls.app.faults.list() }))
}

async fn inject(
    State(controls): State<Arc<Controls>>,
    Json(fault): Json<Fault>,
) -> Result<StatusCode, Failure> {
    controls.app.faults.inject(fault).map_err(Failure::Fault)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn clear(State(controls): State<Arc<Controls>>) -> StatusCode {
    controls.app.faults.clear();
    StatusCode::NO_CONTENT
}

async fn release(State(controls): State<Arc<Controls>>) -> StatusCode {
    controls.app.faults.release();
    StatusCode::NO_CONTENT
}

async fn down(State(controls): State<Arc<Controls>>) -> StatusCode {
    controls.server.down().await;
    StatusCode::NO_CONTENT
}

async fn up(State(controls): State<Arc<Controls>>) -> Result<StatusCode, Failure> {
    controls.up().await.map_err(Failure::Start)?;
    Ok(StatusCode::NO_CONTENT)
}

fn record_json(record: &RelayRecord) -> Value {
    json!({
        "calls": record.calls.iter().map(call_json).collect::<Vec<_>>(),
        "forgotten": record.forgotten,
        "max_overlap": record.max_overlap,
    })
}

fn call_json(call: &Call) -> Value {
    json!({
        "verb": call.verb,
        "status": call.status,
        "started_ms": call.started.as_secs_f64() * 1000.0,
        "ended_ms": call.ended.map(|ended| ended.as_secs_f64() * 1000.0),
        "body": redacted(&call.body),
    })
}

/// The body as JSON without its secrets; null if it is no JSON, for then a secret could be anywhere in it.
fn redacted(body: &str) -> Value {
    let mut value = serde_json::from_str(body).unwrap_or(Value::Null);
    redact(&mut value);
    value
}

fn redact(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                if SECRET_FIELDS.contains(&name.as_str()) {
                    *field = "[redacted]".into();
                } else {
                    redact(field);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(redact),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
