//! Where a client that follows a stream left off.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use http::HeaderName;
use http::request::Parts;
use serde_json::json;

use crate::description::{Input, Operation};

/// What a browser sends that comes back to a stream
/// (<https://html.spec.whatwg.org/multipage/server-sent-events.html#the-last-event-id-header>).
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// The `id` of the last event that the client has seen, if it says so.
#[derive(Debug)]
pub struct LastEventId(pub Option<String>);

impl<S: Sync> FromRequestParts<S> for LastEventId {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let id = parts.headers.get(LAST_EVENT_ID);
        Ok(Self(id.and_then(|id| id.to_str().ok()).map(str::to_owned)))
    }
}

impl Input for LastEventId {
    fn describe(operation: &mut Operation<'_>) {
        let comment = "The `id` of the last event that the client has seen.";
        operation.takes_header(&LAST_EVENT_ID, comment, &json!({"type": "string"}));
    }
}
