//! What changes anywhere, told to every event stream of this process.
//!
//! Invariants: one look at the database serves all streams, and none is taken while there are none; a stream misses nothing
//! from its first moment on. Commits of other processes are noticed by their datagrams, and within a second without them.

use std::sync::Arc;
use std::time::Duration;

use shared::db::{Db, WakeKind, WakeListener};
use shared::query::{News, Position, Query, QueryError};
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, broadcast};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

/// Most streams at a time. Each holds a connection.
const STREAMS_MAX: usize = 128;

/// The pause after a look: streams tell at most four times a second, however much happens.
const PAUSE: Duration = Duration::from_millis(250);

/// How late a commit is noticed whose datagram was lost.
const TICK: Duration = Duration::from_secs(1);

/// How many looks a slow stream may lag behind. After more it is told that everything may have changed.
const LAG_MAX: usize = 16;

/// The source of all event streams.
#[derive(Debug)]
pub struct Feed {
    query: Query,
    news: broadcast::Sender<Arc<News>>,
    /// Up to where the streams have been told. `None` while there are none.
    told: Mutex<Option<Position>>,
    streams: Arc<Semaphore>,
    closing: CancellationToken,
}

/// One stream's part.
#[derive(Debug)]
pub struct Subscription {
    /// The position of the activity log from which on it is told everything.
    pub seq: i64,
    /// What it is told.
    pub news: broadcast::Receiver<Arc<News>>,
    /// Cancelled when the server stops.
    pub closing: CancellationToken,
    /// Its place among the streams.
    _place: OwnedSemaphorePermit,
}

impl Feed {
    /// A feed that tells nothing before it [runs](Self::run).
    pub fn new(query: Query) -> Self {
        let (news, _) = broadcast::channel(LAG_MAX);
        Self {
            query,
            news,
            told: Mutex::new(None),
            streams: Arc::new(Semaphore::new(STREAMS_MAX)),
            closing: CancellationToken::new(),
        }
    }

    /// Begins a stream; `None` when there are too many.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn subscribe(&self) -> Result<Option<Subscription>, QueryError> {
        let Ok(place) = Arc::clone(&self.streams).try_acquire_owned() else {
            return Ok(None);
        };
        // While this is locked nothing is told, so nothing falls between the position and the subscription.
        let mut told = self.told.lock().await;
        let seq = if let Some(position) = &mut *told {
            self.tell(position).await?;
            position.seq()
        } else {
            told.insert(self.query.position().await?).seq()
        };
        Ok(Some(Subscription {
            seq,
            news: self.news.subscribe(),
            closing: self.closing.clone(),
            _place: place,
        }))
    }

    /// Tells the streams what changes, until `stop`, which ends them.
    pub async fn run(&self, db: &Db, stop: &CancellationToken) {
        let mut listener = match db.listen(WakeKind::Follower) {
            Ok(listener) => Some(listener),
            Err(error) => {
                tracing::warn!(%error, "cannot hear of commits; looking each second");
                None
            }
        };
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !stop.is_cancelled() {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = tick.tick() => {}
                heard = woken(listener.as_ref()) => if let Err(error) = heard {
                    tracing::warn!(%error, "cannot hear of commits any more; looking each second");
                    listener = None;
                },
            }
            if let Err(error) = self.look().await {
                tracing::warn!(%error, "cannot look for news");
            }
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
        self.closing.cancel();
    }

    async fn look(&self) -> Result<(), QueryError> {
        let mut told = self.told.lock().await;
        if self.news.receiver_count() == 0 {
            *told = None;
            return Ok(());
        }
        match &mut *told {
            Some(position) => self.tell(position).await,
            None => Ok(()),
        }
    }

    /// Tells what is new since `position`, which moves on to now.
    async fn tell(&self, position: &mut Position) -> Result<(), QueryError> {
        let news = self.query.news(position).await?;
        if !news.activities.is_empty() || !news.changed.is_nothing() {
            // The last stream may have just ended.
            let _ = self.news.send(Arc::new(news));
        }
        Ok(())
    }
}

async fn woken(listener: Option<&WakeListener>) -> std::io::Result<()> {
    match listener {
        Some(listener) => listener.woken().await,
        None => std::future::pending().await,
    }
}
