//! Following relays on their way to zooid: for those who wait for a write to arrive, and for event streams.
//!
//! Invariant: however many follow, one task reads the log of activities, and only while somebody follows. What it misses,
//! because it is no activity or because a hint was lost, followers find by looking again each second.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use shared::db::{Db, WakeKind, WakeListener};
use shared::domain::RelayId;
use shared::query::{Query, QueryError};
use tokio::sync::broadcast;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

/// How often followers look although nobody told them to.
const TICK: Duration = Duration::from_secs(1);

/// Changes that a slow follower may lag behind before it looks for itself.
const BACKLOG: usize = 256;

/// Activities read at once.
const BATCH: u32 = 500;

/// Where relays are followed. One for each process.
pub struct Following {
    db: Db,
    query: Query,
    hub: Mutex<Weak<Hub>>,
    closing: CancellationToken,
}

/// The task that reads the log, while somebody holds on to it.
struct Hub {
    changes: broadcast::Sender<RelayId>,
    task: AbortHandle,
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One who follows a relay.
pub struct Follower {
    relay: RelayId,
    changes: broadcast::Receiver<RelayId>,
    closing: CancellationToken,
    _hub: Arc<Hub>,
}

/// Whether it is worth looking on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Something may have changed.
    Look,
    /// The program ends.
    Closing,
}

impl Following {
    /// On `db`, for nobody yet.
    pub fn new(db: &Db) -> Self {
        Self {
            db: db.clone(),
            query: Query::new(db),
            hub: Mutex::new(Weak::new()),
            closing: CancellationToken::new(),
        }
    }

    /// Begins to follow `relay`. What changes from now on is noticed.
    pub fn follow(&self, relay: RelayId) -> Follower {
        let hub = self.hub();
        Follower {
            relay,
            changes: hub.changes.subscribe(),
            closing: self.closing.clone(),
            _hub: hub,
        }
    }

    /// Lets all followers go: the program ends.
    pub fn close(&self) {
        self.closing.cancel();
    }

    /// Waits until zooid has accepted the generation of the relay, or it was given up. Answers whether either happened
    /// within `patience`.
    ///
    /// # Errors
    /// When the relay cannot be read.
    pub async fn settled(
        &self,
        relay: &RelayId,
        generation: i64,
        patience: Duration,
    ) -> Result<bool, QueryError> {
        let deadline = Instant::now() + patience;
        let mut follower = self.follow(relay.clone());
        loop {
            let sync = self.query.get_sync(relay).await?;
            let is_given_up = |failed: i64| failed >= generation;
            if sync.synced_generation >= generation
                || sync.failed_generation.is_some_and(is_given_up)
            {
                return Ok(true);
            }
            match timeout_at(deadline, follower.next()).await {
                Ok(Next::Look) => {}
                Ok(Next::Closing) | Err(_) => return Ok(false),
            }
        }
    }

    fn hub(&self) -> Arc<Hub> {
        let mut current = self.hub.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(hub) = current.upgrade() {
            return hub;
        }
        let (changes, _) = broadcast::channel(BACKLOG);
        let reading = read(self.db.clone(), self.query.clone(), changes.clone());
        let task = tokio::spawn(reading).abort_handle();
        let hub = Arc::new(Hub { changes, task });
        *current = Arc::downgrade(&hub);
        hub
    }
}

impl Follower {
    /// Waits until it is worth looking at the relay again. Cancel-safe.
    pub async fn next(&mut self) -> Next {
        let changed = async {
            loop {
                match self.changes.recv().await {
                    Ok(relay) if relay != self.relay => {}
                    Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => return,
                    // The reader ended: the tick remains.
                    Err(broadcast::error::RecvError::Closed) => sleep(TICK).await,
                }
            }
        };
        tokio::select! {
            () = self.closing.cancelled() => Next::Closing,
            _ = timeout(TICK, changed) => Next::Look,
        }
    }
}

impl fmt::Debug for Following {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Following").finish_non_exhaustive()
    }
}

/// Tells of every relay that something happens to, in this process or another.
async fn read(db: Db, query: Query, changes: broadcast::Sender<RelayId>) {
    let mut own = db.notify().subscribe();
    // Without a socket, the tick tells of other processes.
    let others = db.listen(WakeKind::Follower).ok();
    let mut seq = None;
    loop {
        match news(&query, seq, &changes).await {
            Ok(last) => seq = Some(last),
            Err(error) => tracing::warn!(%error, "cannot read the activities that are followed"),
        }
        tokio::select! {
            _ = own.recv() => {}
            () = woken(others.as_ref()) => {}
            () = sleep(TICK) => {}
        }
    }
}

/// Tells what came after `seq` and answers the position of the last of it; nothing is told where nobody has begun yet.
async fn news(
    query: &Query,
    seq: Option<i64>,
    changes: &broadcast::Sender<RelayId>,
) -> Result<i64, QueryError> {
    let Some(mut seq) = seq else {
        return query.last_activity_seq().await;
    };
    loop {
        let activities = query.list_activity_after(seq, BATCH).await?;
        let Some(last) = activities.last() else {
            return Ok(seq);
        };
        seq = last.seq;
        for activity in &activities {
            if let Ok(relay) = activity.resource_id.parse() {
                // Nobody listens between the last follower and the end of this task.
                let _ = changes.send(relay);
            }
        }
    }
}

async fn woken(listener: Option<&WakeListener>) {
    match listener {
        Some(listener) => {
            if listener.woken().await.is_err() {
                sleep(TICK).await;
            }
        }
        None => std::future::pending().await,
    }
}
