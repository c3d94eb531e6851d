//! `/relays/{id}/sync` and `/relays/{id}/events`: for its tenant, where a relay stands on its way to zooid.

use axum::response::sse::Event;
use futures::stream;
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use shared::domain::{RelayId, SyncState};
use shared::query::QueryError;
use shared::repositories::relay_sync::RelaySync;
use utoipa::ToSchema;

use crate::access::{OwnerOrAdmin, RelayAccess};
use crate::client::Client;
use crate::data::Data;
use crate::description::Operation;
use crate::error::{ApiError, STREAMS_FULL};
use crate::following::{Follower, Next};
use crate::last_event_id::LastEventId;
use crate::route::Route;
use crate::state::ApiState;
use crate::stream::{EventStream, Events};

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/relays/{id}/sync", OwnerOrAdmin, show),
        Route::get("/relays/{id}/events", OwnerOrAdmin, follow).refusing(&[STREAMS_FULL]),
    ]
}

/// Where a relay stands, as its tenant reads it.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
struct RelaySyncView {
    /// The version of the desired state.
    generation: i64,
    /// The one that zooid last accepted; 0 for none.
    synced_generation: i64,
    /// Where it stands.
    state: SyncState,
    /// Attempts of the job that runs, waits or made the last attempt; null without one.
    attempts: Option<u32>,
    /// How many it may make.
    max_attempts: Option<u32>,
    /// When the waiting sync is due, in Unix seconds.
    next_attempt_at: Option<i64>,
    /// Since when the newest generation has been seen in effect; null before, and where nobody looks.
    live_at: Option<i64>,
    /// A sentence; null when there is nothing to say.
    failure: Option<String>,
}

impl From<RelaySync> for RelaySyncView {
    fn from(sync: RelaySync) -> Self {
        Self {
            generation: sync.generation,
            synced_generation: sync.synced_generation,
            state: sync.state,
            attempts: sync.attempts,
            max_attempts: sync.max_attempts,
            next_attempt_at: sync.next_attempt_at,
            live_at: sync.live_at,
            failure: Some(sync.sync_error).filter(|sentence| !sentence.is_empty()),
        }
    }
}

async fn show(
    state: ApiState,
    relay: RelayAccess,
    (): (),
) -> Result<Data<RelaySyncView>, ApiError> {
    let sync = state.query().get_sync(&relay.into_id()).await?;
    Ok(Data::ok(sync.into()))
}

/// What a relay's streams send.
#[derive(Debug)]
struct RelayEvents;

impl Events for RelayEvents {
    fn describe(operation: &mut Operation<'_>) -> Value {
        json!({ "sync": operation.schemas.answer::<RelaySyncView>() })
    }
}

/// Begins with where the relay stands now, unless that is what the client saw last.
async fn follow(
    state: ApiState,
    relay: RelayAccess,
    (client, LastEventId(last_seen)): (Client, LastEventId),
) -> Result<EventStream<RelayEvents>, ApiError> {
    let place = state.limits().relay_stream(relay.caller(), client)?;
    let id = relay.into_id();
    let watcher = Watcher {
        follower: state.following().follow(id.clone()).await?,
        id,
        last_seen,
        looked: false,
        state: state.clone(),
    };
    let events = stream::unfold(watcher, async |mut watcher| {
        let event = watcher.next_event().await?;
        Some((event, watcher))
    });
    Ok(EventStream::new(&state, place, events))
}

/// One stream's view of its relay.
struct Watcher {
    state: ApiState,
    id: RelayId,
    follower: Follower,
    /// The id of the last event that the client has.
    last_seen: Option<String>,
    looked: bool,
}

impl Watcher {
    /// The next event that differs from the last; `None` when the stream is to end, and the client to come back.
    async fn next_event(&mut self) -> Option<Event> {
        loop {
            if self.looked {
                match self.follower.next().await {
                    Next::Look => {}
                    Next::Closing => return None,
                }
            }
            self.looked = true;
            let (id, data) = self.read().await.ok()?;
            if self.last_seen.as_ref() != Some(&id) {
                self.last_seen = Some(id.clone());
                return Some(Event::default().event("sync").id(id).data(data));
            }
        }
    }

    /// The data of an event, and the id that tells it from others.
    async fn read(&self) -> Result<(String, String), QueryError> {
        let view = RelaySyncView::from(self.state.query().get_sync(&self.id).await?);
        // Texts and numbers always are JSON.
        let data = serde_json::to_string(&view).unwrap_or_default();
        let hash = Sha256::digest(&data);
        Ok((hex::encode(&hash[..8]), data))
    }
}
