//! `/relays/{id}/sync` and `/relays/{id}/events`: for its tenant, where a relay stands on its way to zooid.

use std::convert::Infallible;
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream::{self, BoxStream, StreamExt as _};
use http::StatusCode;
use serde::Serialize;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use shared::domain::{RelayId, SyncState};
use shared::query::QueryError;
use shared::repositories::relay_sync::RelaySync;
use utoipa::ToSchema;

use crate::access::{OwnerOrAdmin, RelayAccess};
use crate::data::{Answer, Data, event_stream};
use crate::description::Operation;
use crate::error::ApiError;
use crate::following::{Follower, Next};
use crate::last_event_id::LastEventId;
use crate::route::Route;
use crate::state::ApiState;

/// How often a stream without news says that it is alive: proxies close connections that are silent for a minute.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/relays/{id}/sync", OwnerOrAdmin, show),
        Route::get("/relays/{id}/events", OwnerOrAdmin, follow),
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

/// The events of a relay, until the client or the program goes away.
struct SyncEvents(BoxStream<'static, Result<Event, Infallible>>);

impl Answer for SyncEvents {
    fn describe(operation: &mut Operation<'_>) {
        let sync = operation.schemas.answer::<RelaySyncView>();
        operation.succeeds(StatusCode::OK, event_stream(&json!({ "sync": sync })));
    }
}

impl IntoResponse for SyncEvents {
    fn into_response(self) -> Response {
        let keep_alive = KeepAlive::new().interval(KEEP_ALIVE);
        Sse::new(self.0).keep_alive(keep_alive).into_response()
    }
}

/// Begins with where the relay stands now, unless that is what the client saw last.
async fn follow(
    state: ApiState,
    relay: RelayAccess,
    LastEventId(last_seen): LastEventId,
) -> Result<SyncEvents, ApiError> {
    let id = relay.into_id();
    let watcher = Watcher {
        follower: state.following().follow(id.clone()),
        id,
        last_seen,
        looked: false,
        state,
    };
    let events = stream::unfold(watcher, |mut watcher| async {
        let event = watcher.next_event().await?;
        Some((Ok(event), watcher))
    });
    Ok(SyncEvents(events.boxed()))
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
