//! Answers that go on: server-sent events (<https://html.spec.whatwg.org/multipage/server-sent-events.html>).
//!
//! Invariant: a stream ends with the server, and after an hour at the latest. Whoever follows comes back, and is asked again
//! who they are.

use std::convert::Infallible;
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream::{Stream, StreamExt as _};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::data::Answer;
use crate::limits::StreamPlace;
use crate::state::ApiState;

/// How often a stream says that it lives when nothing happens: proxies end what is silent for a minute.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// How long a stream lasts.
const STREAM_MAX: Duration = Duration::from_hours(1);

/// What a browser that comes back has seen: the `id` of its last event.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Keeps nginx from holding events back.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// An answer that goes on.
#[derive(Debug)]
pub struct EventStream(Response);

impl EventStream {
    /// Sends `events` for as long as they and the stream's time last, and holds its `place` until then.
    pub fn new(
        state: &ApiState,
        place: StreamPlace,
        events: impl Stream<Item = Event> + Send + 'static,
    ) -> Self {
        let clock = state.clock();
        let events = events
            .take_until(state.closing().clone().cancelled_owned())
            .take_until(clock.sleep_until(clock.now() + STREAM_MAX))
            .map(move |event| {
                let _held = &place;
                Ok::<_, Infallible>(event)
            });
        let keep_alive = KeepAlive::new().interval(KEEP_ALIVE);
        let mut response = Sse::new(events).keep_alive(keep_alive).into_response();
        response
            .headers_mut()
            .insert(X_ACCEL_BUFFERING, HeaderValue::from_static("no"));
        Self(response)
    }
}

impl Answer for EventStream {}

impl IntoResponse for EventStream {
    fn into_response(self) -> Response {
        self.0
    }
}

/// What a client that comes back has seen.
pub fn last_event_id(headers: &HeaderMap) -> Option<&str> {
    headers.get(LAST_EVENT_ID)?.to_str().ok()
}
