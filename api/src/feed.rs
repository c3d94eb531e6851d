//! What changes anywhere, told to everybody in this process who follows it.
//!
//! Invariants: one look at the database serves all followers of a feed, and none is taken while there are none; a follower
//! misses nothing from its first moment on. Commits of other processes are noticed by their datagrams, and within a second
//! without them.

use std::sync::Arc;
use std::time::Duration;

use shared::db::{Db, WakeKind, WakeListener};
use shared::domain::Activity;
use shared::query::{News, Position, Query, QueryError};
use tokio::sync::{Mutex, broadcast};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// How late a commit is noticed whose datagram was lost.
pub const TICK: Duration = Duration::from_secs(1);

/// How many looks a slow follower may lag behind. After more it is told that everything may have changed.
const LAG_MAX: usize = 16;

/// A source of news.
#[derive(Debug)]
pub struct Feed {
    query: Query,
    /// How long nothing is told after something was.
    pause: Duration,
    news: broadcast::Sender<Arc<News>>,
    /// Up to where the followers have been told. `None` while there are none.
    told: Mutex<Option<Position>>,
}

/// One follower's part.
#[derive(Debug)]
pub struct Subscription {
    /// The position of the activity log from which on it is told everything.
    pub seq: i64,
    /// What it is told.
    pub news: broadcast::Receiver<Arc<News>>,
}

impl Feed {
    /// A feed that tells nothing before it [runs](Self::run), and then no more often than once in each `pause`.
    pub fn new(query: Query, pause: Duration) -> Self {
        let (news, _) = broadcast::channel(LAG_MAX);
        Self {
            query,
            pause,
            news,
            told: Mutex::new(None),
        }
    }

    /// Begins to follow.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn subscribe(&self) -> Result<Subscription, QueryError> {
        // While this is locked nothing is told, so nothing falls between the position and the subscription.
        let mut told = self.told.lock().await;
        let seq = if let Some(position) = &mut *told {
            self.tell(position).await?;
            position.seq()
        } else {
            told.insert(self.query.position().await?).seq()
        };
        Ok(Subscription {
            seq,
            news: self.news.subscribe(),
        })
    }

    /// Tells its followers what changes, until `stop`.
    pub async fn run(&self, db: &Db, stop: &CancellationToken) {
        let telling = async {
            let mut commits = Commits::of(db);
            loop {
                commits.heard().await;
                if let Err(error) = self.look().await {
                    tracing::warn!(%error, "cannot look for news");
                }
                sleep(self.pause).await;
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = telling => {}
        }
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
            // The last follower may have just gone.
            let _ = self.news.send(Arc::new(news));
        }
        Ok(())
    }
}

/// How commits are heard of: by datagrams from all processes, or without a socket from this one alone.
struct Commits {
    socket: Option<WakeListener>,
    own: broadcast::Receiver<Activity>,
}

impl Commits {
    fn of(db: &Db) -> Self {
        let own = db.notify().subscribe();
        let socket = db.listen(WakeKind::Follower);
        let socket = socket.inspect_err(|error| {
            tracing::warn!(%error, "cannot hear of other processes' commits; looking each second");
        });
        Self {
            socket: socket.ok(),
            own,
        }
    }

    /// Waits for the next, or for [`TICK`].
    async fn heard(&mut self) {
        let heard = async {
            if let Some(socket) = &self.socket {
                let Err(error) = socket.woken().await else {
                    return;
                };
                tracing::warn!(%error, "cannot hear of other processes' commits any more; looking each second");
                self.socket = None;
            }
            // Whatever it was, and however many.
            let _ = self.own.recv().await;
        };
        let _ = timeout(TICK, heard).await;
    }
}
