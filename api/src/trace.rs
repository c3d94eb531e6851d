//! The id and the span of a request: what makes one click findable, from the browser to the worker's log.
//!
//! Invariant: neither headers nor bodies are logged, only verb, route pattern, status and duration.

use std::convert::Infallible;

use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method};
use serde_json::json;
use shared::command::Trace;
use shared::metrics;
use tracing::field::Empty;
use tracing::{Instrument as _, info_span};
use ulid::Ulid;

use crate::description::{Input, Operation};
use crate::state::ApiState;

/// The header that carries the request's id, both ways.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longest id that is taken over from the client: it ends up in rows and log lines.
const ID_MAX_BYTES: usize = 64;

/// The id of the request, as a handler takes it.
#[derive(Debug)]
pub struct RequestTrace(pub Trace);

impl<S: Sync> FromRequestParts<S> for RequestTrace {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let trace = parts.extensions.get::<Trace>().cloned();
        Ok(Self(trace.unwrap_or_default()))
    }
}

impl Input for RequestTrace {
    fn describe(operation: &mut Operation<'_>) {
        let comment = "An id that goes along into the logs and the job; one is made up without it.";
        let schema = json!({"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"});
        operation.takes_header(&REQUEST_ID, comment, &schema);
    }
}

/// Gives the request its id and its span, and the log one line about it.
pub async fn observe(State(state): State<ApiState>, mut request: Request, next: Next) -> Response {
    let started = state.clock().monotonic();
    let id = taken_over(&request).unwrap_or_else(|| fresh(&state));
    let route = request.extensions().get::<MatchedPath>();
    let matched = route.map_or("none", MatchedPath::as_str).to_owned();
    let method = known_method(request.method());
    let span = info_span!(
        "http.request",
        http.method = %request.method(),
        http.route = route.map_or("", MatchedPath::as_str),
        http.status = Empty,
        duration_ms = Empty,
        request.id = id,
    );
    request.extensions_mut().insert(Trace::new(id.clone()));
    let answered = async {
        let mut response = next.run(request).await;
        let duration = state.clock().monotonic().saturating_sub(started);
        let counted = metrics::Request {
            method,
            route: matched,
            status: response.status().as_u16(),
        };
        metrics::observe_request(&counted, duration);
        let span = tracing::Span::current();
        span.record("http.status", response.status().as_u16());
        span.record(
            "duration_ms",
            u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
        );
        tracing::info!("answered");
        if let Ok(id) = HeaderValue::from_str(&id) {
            response.headers_mut().insert(REQUEST_ID, id);
        }
        tracing::trace!(target: "caravel::step", step = "api.before_answer");
        response
    };
    answered.instrument(span).await
}

/// The verb as a label: clients may make up others, and each would be a series of its own.
fn known_method(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

/// The id that the client, or a proxy before us, has given; nothing that could forge a log line.
fn taken_over(request: &Request) -> Option<String> {
    let id = request.headers().get(REQUEST_ID)?.to_str().ok()?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let is_usable = (1..=ID_MAX_BYTES).contains(&id.len()) && id.bytes().all(is_plain);
    is_usable.then(|| id.to_owned())
}

fn fresh(state: &ApiState) -> String {
    let now_ms = state.clock().now().timestamp_millis().unsigned_abs();
    Ulid::from_parts(now_ms, rand::random())
        .to_string()
        .to_ascii_lowercase()
}
