//! Whether this process can do what it is there for.
//!
//! Liveness is that it answers at all; this is readiness. The checks go from what breaks everything to what is merely late,
//! and the first that fails is told: the database file is still the one that was opened, a commit goes through, the worker
//! beats, and no due job has waited for longer than the objective.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use tokio::{sync::Mutex, task::JoinHandle};

use crate::{
    clock::SharedClock,
    db::{Db, SqlError, WriteError, WriteTx},
    domain::{WorkerId, ZooidDomain},
    queue,
};

/// How long a commit proves that commits go through: whoever asks more often costs nothing.
const GOOD_FOR: Duration = Duration::from_secs(1);
/// How long the database may take to answer. Whoever asks gives up not much later.
const PATIENCE: Duration = Duration::from_secs(2);

/// The readiness of a process. Clones are handles on the same.
#[derive(Debug, Clone)]
pub struct Health(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    db: Db,
    clock: SharedClock,
    commit: Mutex<LastCommit>,
    worker: OnceLock<WatchedWorker>,
}

/// The worker in this process, and what is asked of it.
#[derive(Debug, Clone)]
pub struct WatchedWorker {
    /// Which it is.
    pub id: WorkerId,
    /// Whose jobs it takes.
    pub targets: Vec<ZooidDomain>,
    /// How long it may be silent.
    pub lease: Duration,
    /// How long a due job may wait.
    pub max_due: Duration,
}

#[derive(Debug, Default)]
struct LastCommit {
    /// When the last one went through, on the monotonic clock.
    at: Option<Duration>,
    /// One that nobody has seen the end of: a database that hangs is not asked twice.
    pending: Option<JoinHandle<Result<(), CommitError>>>,
}

/// Why a process is not ready.
#[derive(Debug, thiserror::Error)]
pub enum Unready {
    /// The path leads to another file than the one that is open, or to none.
    #[error("the database file was replaced or removed")]
    DatabaseReplaced,
    /// A commit does not go through.
    #[error("the database takes no writes")]
    DatabaseUnwritable(#[source] CommitError),
    /// A read is not answered.
    #[error("the database answers no reads")]
    DatabaseUnreadable(#[source] ReadError),
    /// The worker has not beaten for a lease, or was found dead.
    #[error("the worker is silent")]
    WorkerSilent,
    /// A due job has waited for too long.
    #[error("the oldest due job has waited for {} s", .0.as_secs())]
    QueueLate(Duration),
}

/// Why a commit did not go through.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// The statement was refused.
    #[error("cannot write the row that readiness writes")]
    Sql(#[from] SqlError),
    /// The group was lost.
    #[error("cannot commit the row that readiness writes")]
    Write(#[from] WriteError),
    /// It takes too long: somebody holds the write lock, or the disk hangs.
    #[error("no commit within {} s", PATIENCE.as_secs())]
    Slow,
    /// Its task panicked.
    #[error("the task that commits broke")]
    Broken(#[source] tokio::task::JoinError),
}

/// Why a read was not answered.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The statement was refused.
    #[error("cannot read the state of the worker")]
    Sql(#[from] SqlError),
    /// It takes too long.
    #[error("no answer within {} s", PATIENCE.as_secs())]
    Slow(#[from] tokio::time::error::Elapsed),
}

impl Unready {
    /// The stable code of the check that failed.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::DatabaseReplaced => "database-replaced",
            Self::DatabaseUnwritable(_) => "database-unwritable",
            Self::DatabaseUnreadable(_) => "database-unreadable",
            Self::WorkerSilent => "worker-silent",
            Self::QueueLate(_) => "queue-late",
        }
    }
}

impl Health {
    /// The readiness of a process with this database.
    #[must_use]
    pub fn new(db: Db, clock: SharedClock) -> Self {
        Self(Arc::new(Inner {
            db,
            clock,
            commit: Mutex::default(),
            worker: OnceLock::new(),
        }))
    }

    /// From now on, the process is ready only when this worker is. Of several, the first counts.
    pub fn watch(&self, worker: WatchedWorker) {
        // A process runs one worker.
        let _ = self.0.worker.set(worker);
    }

    /// Asks everything.
    ///
    /// # Errors
    /// The first check that fails.
    pub async fn check(&self) -> Result<(), Unready> {
        if !self.0.db.is_same_file() {
            return Err(Unready::DatabaseReplaced);
        }
        tokio::time::timeout(PATIENCE, self.check_commit())
            .await
            .unwrap_or(Err(CommitError::Slow))
            .map_err(Unready::DatabaseUnwritable)?;
        match self.0.worker.get() {
            Some(worker) => self.check_worker(worker).await,
            None => Ok(()),
        }
    }

    async fn check_commit(&self) -> Result<(), CommitError> {
        let mut last = self.0.commit.lock().await;
        let now = self.0.clock.monotonic();
        if last.at.is_some_and(|at| now.saturating_sub(at) < GOOD_FOR) {
            return Ok(());
        }
        let pending = last.pending.get_or_insert_with(|| {
            let (db, at) = (self.0.db.clone(), self.0.clock.now());
            tokio::spawn(async move {
                db.write(async move |tx: &mut WriteTx| {
                    queue::touch(tx, at).await.map_err(CommitError::from)
                })
                .await
            })
        });
        let ended = pending.await;
        last.pending = None;
        ended.map_err(CommitError::Broken)??;
        last.at = Some(now);
        Ok(())
    }

    async fn check_worker(&self, worker: &WatchedWorker) -> Result<(), Unready> {
        let (db, now) = (&self.0.db, self.0.clock.now());
        let looks = async {
            let beat = queue::last_beat(db, &worker.id).await?;
            let due = queue::oldest_due(db, now, &worker.targets).await?;
            Ok::<_, SqlError>((beat, due))
        };
        let (beat, due) = tokio::time::timeout(PATIENCE, looks)
            .await
            .map_err(ReadError::from)
            .and_then(|looked| looked.map_err(ReadError::from))
            .map_err(Unready::DatabaseUnreadable)?;
        if beat.is_none_or(|beat| beat + worker.lease < now) {
            return Err(Unready::WorkerSilent);
        }
        if due > worker.max_due {
            return Err(Unready::QueueLate(due));
        }
        Ok(())
    }
}
