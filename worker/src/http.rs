//! What a worker that runs alone answers over HTTP: how it is, for supervisors and monitoring.
//!
//! The same routes, codes and envelope as the API's, on an address that is meant for the operator's network only.

use std::io;

use axum::{
    Router,
    extract::State,
    http::{
        HeaderMap, StatusCode,
        header::{AUTHORIZATION, CONTENT_TYPE},
    },
    response::{IntoResponse as _, Response},
    routing::get,
};
use serde_json::json;
use shared::{
    clock::SharedClock,
    crypto::SecretText,
    db::Db,
    watch::{self, Health, is_bearer, metrics_text},
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// What the answers are made from.
#[derive(Debug, Clone)]
pub struct Watched {
    /// What the metrics are read from.
    pub db: Db,
    /// What time it is.
    pub clock: SharedClock,
    /// Whether the worker is ready.
    pub health: Health,
    /// What whoever wants the metrics must know, if anything.
    pub metrics_token: Option<SecretText>,
}

/// Answers on `listener` until `stop`.
///
/// # Errors
/// When the listener cannot be used.
pub async fn serve(
    listener: TcpListener,
    watched: Watched,
    stop: CancellationToken,
) -> io::Result<()> {
    let router = Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .fallback(not_found)
        .with_state(watched);
    axum::serve(listener, router)
        .with_graceful_shutdown(stop.cancelled_owned())
        .await
}

async fn healthz() -> Response {
    ok("ok")
}

async fn readyz(State(watched): State<Watched>) -> Response {
    match watched.health.check().await {
        Ok(()) => ok("ready"),
        Err(unready) => {
            let code = unready.code();
            tracing::warn!(
                error = &unready as &dyn std::error::Error,
                error.code = code,
                "not ready"
            );
            let status = StatusCode::SERVICE_UNAVAILABLE;
            failed(status, code, &format!("Not ready: {unready}."))
        }
    }
}

async fn metrics(State(watched): State<Watched>, headers: HeaderMap) -> Response {
    if let Some(token) = &watched.metrics_token {
        let given = headers.get(AUTHORIZATION);
        if !is_bearer(token, given.map(axum::http::HeaderValue::as_bytes)) {
            return not_found().await;
        }
    }
    match metrics_text(&watched.db, &watched.clock).await {
        Ok(text) => ([(CONTENT_TYPE, watch::CONTENT_TYPE)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "cannot write the metrics");
            failed(
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal",
                "Something went wrong on our side.",
            )
        }
    }
}

async fn not_found() -> Response {
    failed(
        StatusCode::NOT_FOUND,
        "not-found",
        "There is no such route.",
    )
}

fn ok(status: &str) -> Response {
    axum::Json(json!({"data": {"status": status}, "code": "ok"})).into_response()
}

fn failed(status: StatusCode, code: &str, sentence: &str) -> Response {
    (status, axum::Json(json!({"error": sentence, "code": code}))).into_response()
}
