//! `GET /events`: what changes, as server-sent events (<https://html.spec.whatwg.org/multipage/server-sent-events.html>).
//!
//! Invariant: nothing that changed after `hello` goes unmentioned. What is mentioned too much costs its reader a read.

use std::collections::VecDeque;

use axum::response::sse::Event;
use futures::stream::{self, Stream};
use serde::Serialize;
use serde_json::{Value, json};
use shared::domain::{Activity, ResourceType};
use shared::query::{Changed, News};
use tokio::sync::broadcast::error::RecvError;
use utoipa::ToSchema;

use crate::access::{OperatorRead, OperatorReadAccess};
use crate::description::Operation;
use crate::error::{ApiError, STREAMS_FULL};
use crate::feed::Subscription;
use crate::last_event_id::LastEventId;
use crate::route::Route;
use crate::state::ApiState;
use crate::stream::{EventStream, Events};

pub(super) fn routes() -> Vec<Route> {
    vec![Route::get("/events", OperatorRead, follow).refusing(&[STREAMS_FULL])]
}

async fn follow(
    state: ApiState,
    _: OperatorReadAccess,
    LastEventId(seen): LastEventId,
) -> Result<EventStream<OperatorEvents>, ApiError> {
    let place = state.limits().operator_stream()?;
    let subscription = state.feed().subscribe().await?;
    let seen = seen.and_then(|id| id.parse::<i64>().ok());
    let first = match seen {
        None => VecDeque::from([hello(subscription.seq, subscription.seq)?]),
        Some(seen) => resume(&state, seen, subscription.seq).await?,
    };
    Ok(EventStream::new(&state, place, events(subscription, first)))
}

/// What operators' streams send.
#[derive(Debug)]
struct OperatorEvents;

impl Events for OperatorEvents {
    fn describe(operation: &mut Operation<'_>) -> Value {
        json!({
            "hello": operation.schemas.answer::<Hello>(),
            "activity": operation.schemas.answer::<ActivityView<'static>>(),
            "changed": operation.schemas.answer::<Changed>(),
        })
    }
}

/// For a follower who comes back: the activities between what they saw and `seq`. What else changed is in no log, so
/// everything is to be read again.
async fn resume(state: &ApiState, seen: i64, seq: i64) -> Result<VecDeque<Event>, ApiError> {
    let mut first = VecDeque::from([hello(seen.min(seq), seq)?]);
    let missed = state.query().missed_activity(seen).await?;
    for activity in missed.iter().flatten().filter(|missed| missed.seq <= seq) {
        first.push_back(activity_event(activity)?);
    }
    first.push_back(changed_event(seq, &Changed::everything())?);
    Ok(first)
}

/// What the stream sends: `first`, then what the feed tells.
fn events(subscription: Subscription, first: VecDeque<Event>) -> impl Stream<Item = Event> {
    stream::unfold(
        (subscription, first),
        async |(mut subscription, mut due)| {
            loop {
                if let Some(event) = due.pop_front() {
                    return Some((event, (subscription, due)));
                }
                due = match subscription.news.recv().await {
                    Ok(news) => {
                        subscription.seq = news.seq;
                        told(&news).ok()?
                    }
                    Err(RecvError::Lagged(_)) => {
                        let everything = changed_event(subscription.seq, &Changed::everything());
                        VecDeque::from([everything.ok()?])
                    }
                    Err(RecvError::Closed) => return None,
                };
            }
        },
    )
}

fn told(news: &News) -> Result<VecDeque<Event>, ApiError> {
    let activities = news.activities.iter().map(activity_event);
    let mut events = activities.collect::<Result<VecDeque<_>, _>>()?;
    if !news.changed.is_nothing() {
        events.push_back(changed_event(news.seq, &news.changed)?);
    }
    Ok(events)
}

/// An activity, with its position and, where it is about one, its relay.
#[derive(Serialize, ToSchema)]
struct ActivityView<'a> {
    /// Its position in the log.
    seq: i64,
    /// The relay that it is about; null for a tenant's.
    relay_id: Option<&'a str>,
    #[serde(flatten)]
    #[schema(value_type = Activity)]
    activity: &'a Activity,
}

/// The first event of a stream.
#[derive(Serialize, ToSchema)]
struct Hello {
    /// The position of the log after which everything is told.
    seq: i64,
}

fn hello(id: i64, seq: i64) -> Result<Event, ApiError> {
    event("hello", id, &Hello { seq })
}

fn activity_event(activity: &Activity) -> Result<Event, ApiError> {
    let relay_id = match activity.resource_type {
        ResourceType::Relay => Some(activity.resource_id.as_str()),
        ResourceType::Tenant => None,
    };
    let view = ActivityView {
        seq: activity.seq,
        relay_id,
        activity,
    };
    event("activity", activity.seq, &view)
}

fn changed_event(seq: i64, changed: &Changed) -> Result<Event, ApiError> {
    event("changed", seq, changed)
}

fn event(name: &'static str, id: i64, data: &impl Serialize) -> Result<Event, ApiError> {
    let data = serde_json::to_string(data).map_err(ApiError::Encode)?;
    Ok(Event::default().event(name).id(id.to_string()).data(data))
}
