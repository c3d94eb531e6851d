//! `GET /events`: what changes, as server-sent events (<https://html.spec.whatwg.org/multipage/server-sent-events.html>).
//!
//! Invariant: nothing that changed after `hello` goes unmentioned. What is mentioned too much costs its reader a read.

use std::collections::VecDeque;

use axum::response::sse::Event;
use futures::stream::{self, Stream};
use http::HeaderMap;
use serde::Serialize;
use shared::domain::{Activity, ResourceType};
use shared::query::{Changed, News};
use tokio::sync::broadcast::error::RecvError;

use crate::access::{OperatorRead, OperatorReadAccess};
use crate::error::ApiError;
use crate::feed::Subscription;
use crate::route::Route;
use crate::state::ApiState;
use crate::stream::{EventStream, last_event_id};

pub(super) fn routes() -> Vec<Route> {
    vec![Route::get("/events", OperatorRead, follow)]
}

async fn follow(
    state: ApiState,
    _: OperatorReadAccess,
    headers: HeaderMap,
) -> Result<EventStream, ApiError> {
    let place = state.limits().operator_stream()?;
    let subscription = state.feed().subscribe().await?;
    let seen = last_event_id(&headers).and_then(|id| id.parse::<i64>().ok());
    let first = match seen {
        None => VecDeque::from([hello(subscription.seq, subscription.seq)?]),
        Some(seen) => resume(&state, seen, subscription.seq).await?,
    };
    Ok(EventStream::new(&state, place, events(subscription, first)))
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
#[derive(Serialize)]
struct ActivityView<'a> {
    seq: i64,
    relay_id: Option<&'a str>,
    #[serde(flatten)]
    activity: &'a Activity,
}

#[derive(Serialize)]
struct Hello {
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
