//! Following single relays on their way to zooid: for those who wait for a write to arrive, and for their event streams.
//!
//! Invariant: however many follow, one look at the database serves them all. What it misses, because a hint was lost or
//! because time alone changed it, followers find by looking again each second.

use std::time::Duration;

use shared::db::Db;
use shared::domain::RelayId;
use shared::query::{Query, QueryError};
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::feed::{Feed, Subscription, TICK};

/// The pause after a look: nobody notices it, and however much happens there are no more than fifty a second.
const PAUSE: Duration = Duration::from_millis(20);

/// Where relays are followed. One for each process.
#[derive(Debug)]
pub struct Following {
    query: Query,
    feed: Feed,
    closing: CancellationToken,
}

/// One who follows a relay.
#[derive(Debug)]
pub struct Follower {
    relay: RelayId,
    subscription: Subscription,
    closing: CancellationToken,
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
    /// For nobody yet. `closing` lets all followers go: the program ends.
    pub fn new(query: Query, closing: CancellationToken) -> Self {
        Self {
            feed: Feed::new(query.clone(), PAUSE),
            query,
            closing,
        }
    }

    /// Tells followers when to look, until `stop`.
    pub async fn run(&self, db: &Db, stop: &CancellationToken) {
        self.feed.run(db, stop).await;
    }

    /// Begins to follow `relay`. What changes from now on is noticed.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn follow(&self, relay: RelayId) -> Result<Follower, QueryError> {
        Ok(Follower {
            relay,
            subscription: self.feed.subscribe().await?,
            closing: self.closing.clone(),
        })
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
        let mut follower = self.follow(relay.clone()).await?;
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
}

impl Follower {
    /// Waits until it is worth looking at the relay again. Cancel-safe.
    pub async fn next(&mut self) -> Next {
        let changed = async {
            loop {
                match self.subscription.news.recv().await {
                    Ok(news) if !news.concerns(&self.relay) => {}
                    Ok(_) | Err(RecvError::Lagged(_)) => return,
                    // Nobody tells any more: the tick remains.
                    Err(RecvError::Closed) => sleep(TICK).await,
                }
            }
        };
        tokio::select! {
            () = self.closing.cancelled() => Next::Closing,
            _ = timeout(TICK, changed) => Next::Look,
        }
    }
}
