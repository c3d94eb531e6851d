//! Answers that go on: server-sent events (<https://html.spec.whatwg.org/multipage/server-sent-events.html>).
//!
//! Invariant: a stream ends with the server, and after an hour at the latest. Whoever follows comes back, and is asked again
//! who they are.

use std::convert::Infallible;
use std::marker::PhantomData;
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream::{Stream, StreamExt as _};
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::Value;

use crate::data::{Answer, event_stream};
use crate::description::Operation;
use crate::limits::StreamPlace;
use crate::state::ApiState;

/// How often a stream says that it lives when nothing happens: proxies end what is silent for a minute.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// How long a stream lasts.
const STREAM_MAX: Duration = Duration::from_hours(1);

/// Keeps nginx from holding events back.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// What a kind of stream sends.
pub trait Events {
    /// The schema of each event's data, by the event's name.
    fn describe(operation: &mut Operation<'_>) -> Value;
}

/// An answer that goes on, and what it sends.
#[derive(Debug)]
pub struct EventStream<E>(Response, PhantomData<E>);

impl<E> EventStream<E> {
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
        Self(response, PhantomData)
    }
}

impl<E: Events> Answer for EventStream<E> {
    fn describe(operation: &mut Operation<'_>) {
        let events = E::describe(operation);
        operation.succeeds(StatusCode::OK, event_stream(&events));
    }
}

impl<E> IntoResponse for EventStream<E> {
    fn into_response(self) -> Response {
        self.0
    }
}
