//! The database: one SQLite file, one writer per process, a pool of readers.
//!
//! Invariants: every connection has WAL, foreign keys and a busy timeout; every writing one has `synchronous` as
//! configured (FULL unless an operator says otherwise); readers cannot write. All writes go through [`Db::write`].

mod advisory_lock;
mod backup;
mod checkpoint;
mod connect;
mod guard;
mod migrate;
mod wake;
mod watchdog;
mod write_tx;
mod writer;

use std::{path::Path, sync::Arc};

use sqlx::SqlitePool;
use tokio::sync::broadcast;

/// What a statement inside a write closure failed with; named here so that callers need not know the driver.
pub use sqlx::Error as SqlError;

pub use crate::config::Synchronous;
pub use backup::{BackupError, back_up};
pub use checkpoint::{CheckpointError, WalLimits, WalState};
pub use connect::{DatabaseOptions, FileIdentity, OpenError, Role};
pub use wake::{WakeKind, WakeListener};
pub use watchdog::DatabaseLost;
pub use write_tx::{Nested, WriteTx};
pub use writer::{WriteError, WriteFn};

use crate::domain::Activity;

/// How many activities a slow follower may lag before it has to read them from the database.
const NOTIFY_CAPACITY: usize = 1024;

/// A handle on the open database; clones share the writer and the readers.
#[derive(Debug, Clone)]
pub struct Db {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    options: DatabaseOptions,
    identity: FileIdentity,
    readers: SqlitePool,
    writer: writer::Writer,
    notify: broadcast::Sender<Activity>,
}

impl Db {
    /// Opens the database for a program's start: creates the file and its folder where they are missing, brings the
    /// schema up to date under a lock that other starting processes wait for, and starts the writer.
    ///
    /// # Errors
    /// When the folder or file cannot be made, is no SQLite database, or a migration fails.
    pub async fn open(options: DatabaseOptions) -> Result<Self, OpenError> {
        migrate::migrate(&options).await?;
        Self::start(options).await
    }

    /// Opens the database beside the programs that work on it: it must be there, and its schema must be this program's.
    ///
    /// # Errors
    /// When there is no database, another version of Caravel made its schema, or SQLite refuses to open it.
    pub async fn join(options: DatabaseOptions) -> Result<Self, OpenError> {
        migrate::check(&options).await?;
        Self::start(options).await
    }

    async fn start(options: DatabaseOptions) -> Result<Self, OpenError> {
        let identity = FileIdentity::of(&options.path)?;
        let readers = connect::readers(&options).await?;
        let (notify, _) = broadcast::channel(NOTIFY_CAPACITY);
        let writer = writer::Writer::start(&options, notify.clone()).await?;
        Ok(Self {
            inner: Arc::new(Inner {
                options,
                identity,
                readers,
                writer,
                notify,
            }),
        })
    }

    /// Runs `f` inside a write transaction and answers once that transaction is durable.
    ///
    /// The closure gets a savepoint of its own in a `BEGIN IMMEDIATE` transaction that other callers may share; it must
    /// touch nothing but its transaction: no network, no other lock, no timer. An `Err` or a panic undoes this closure
    /// alone. A caller that goes away does not cancel its write.
    ///
    /// # Errors
    /// The closure's own error, or a [`WriteError`] when the transaction as a whole was lost.
    ///
    /// # Panics
    /// Resumes the closure's panic in its caller.
    pub async fn write<T, E, F>(&self, f: F) -> Result<T, E>
    where
        F: for<'t> WriteFn<'t, T, E> + Send + 'static,
        T: Send + 'static,
        E: From<WriteError> + Send + 'static,
    {
        self.inner.writer.write(f).await
    }

    /// The pool of read-only connections.
    #[must_use]
    pub fn readers(&self) -> &SqlitePool {
        &self.inner.readers
    }

    /// Where committed activities are announced, in the order of their commits.
    #[must_use]
    pub fn notify(&self) -> &broadcast::Sender<Activity> {
        &self.inner.notify
    }

    /// The database file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.inner.options.path
    }

    /// Whether the path still leads to the file that was opened. A replaced or unlinked database must end the process:
    /// it would keep accepting writes that nobody will ever see.
    #[must_use]
    pub fn is_same_file(&self) -> bool {
        FileIdentity::of(&self.inner.options.path).is_ok_and(|now| now == self.inner.identity)
    }

    /// Starts listening for other processes' commits.
    ///
    /// # Errors
    /// When the socket cannot be made; callers then rely on their tick.
    pub fn listen(&self, kind: WakeKind) -> std::io::Result<WakeListener> {
        WakeListener::bind(self.path(), kind)
    }

    /// Ends the writer after the writes it has already taken, and closes the readers.
    pub async fn close(&self) {
        self.inner.writer.close().await;
        self.inner.readers.close().await;
    }
}
