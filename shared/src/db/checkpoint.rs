//! Keeps the write-ahead log from growing without end.
//!
//! SQLite itself writes the log back about every 4 MiB, at the end of some commit, as far as no reader still needs it, and
//! starts the log over once all of it is written back and nobody reads from it. Under constant load that moment may never
//! come, and while one reader sits on an old snapshot it cannot. The log then grows, reads get slower, and a disk fills.
//!
//! Looks at the file are cheap and need no turn-taking. The work is done on a connection of its own: the writer's task
//! stays free to gather what comes next, and its own connection keeps its long patience, while this one must give up soon.
//! It stands in line for the write lock like every other writer, so that a waiting commit is not overtaken.

use std::{ffi::OsString, io::ErrorKind, path::PathBuf, time::Duration};

use sqlx::Connection;

use super::{
    Db,
    advisory_lock::{AdvisoryLock, beside},
    connect::{self, OpenError},
    writer::PATIENCE,
};

/// Above this the log is written back as far as it goes, which blocks nobody: eight times what SQLite lets gather.
const SOFT_LIMIT: u64 = 32 << 20;
/// Above this it is written back and cut to nothing, which holds commits up meanwhile: twice what SQLite leaves of the file
/// after it has started over (`journal_size_limit`).
const HARD_LIMIT: u64 = 128 << 20;
/// How long the cut waits for readers, and commits for it.
const CUT_PATIENCE: Duration = Duration::from_millis(250);

/// When the log is written back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WalLimits {
    /// Bytes of the file above which it is written back, as far as readers let it.
    pub soft: u64,
    /// Bytes above which it is cut to nothing.
    pub hard: u64,
}

impl Default for WalLimits {
    fn default() -> Self {
        Self {
            soft: SOFT_LIMIT,
            hard: HARD_LIMIT,
        }
    }
}

/// What a look at the log came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WalState {
    /// It is short.
    Short,
    /// All of it was written back, or it was cut.
    WrittenBack {
        /// Bytes of the file now.
        bytes: u64,
    },
    /// A reader sits on an old snapshot: what came after it must stay in the log.
    Pinned {
        /// Bytes of the file now.
        bytes: u64,
    },
}

/// Why the log could not be written back.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The size of the file cannot be learnt.
    #[error("cannot look at the write-ahead log")]
    Look(#[source] std::io::Error),
    /// The file to line up on cannot be opened.
    #[error("cannot line up for writing the log back")]
    LineUp(#[source] std::io::Error),
    /// No connection to be had.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// SQLite refused.
    #[error("cannot write the write-ahead log back")]
    Checkpoint(#[from] sqlx::Error),
}

impl Db {
    /// Bytes of the write-ahead log's file; 0 when there is none.
    ///
    /// # Errors
    /// When the file system does not say.
    pub fn wal_bytes(&self) -> std::io::Result<u64> {
        let mut name = OsString::from(self.path());
        name.push("-wal");
        match std::fs::metadata(PathBuf::from(name)) {
            Ok(metadata) => Ok(metadata.len()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// Looks at the write-ahead log and writes it back when it is long
    /// (<https://sqlite.org/pragma.html#pragma_wal_checkpoint>).
    ///
    /// # Errors
    /// When the file cannot be looked at, or SQLite refuses for another reason than a reader in the way.
    pub async fn check_wal(&self, limits: WalLimits) -> Result<WalState, CheckpointError> {
        let bytes = self.wal_bytes().map_err(CheckpointError::Look)?;
        if bytes <= limits.soft {
            return Ok(WalState::Short);
        }
        let mut connection = connect::checkpointer(&self.inner.options, CUT_PATIENCE).await?;
        let state = if bytes <= limits.hard {
            checkpoint(&mut connection, "PRAGMA wal_checkpoint(PASSIVE)").await
        } else {
            // In this order everywhere, as the writer does.
            let lane = self.line("lane")?;
            let lane = lane.acquire(PATIENCE).await;
            let ticket = self.line("ticket")?;
            let ticket = ticket.acquire(PATIENCE).await;
            let cut = checkpoint(&mut connection, "PRAGMA wal_checkpoint(TRUNCATE)").await;
            drop((ticket, lane));
            cut
        };
        connection.close().await?;
        let bytes = self.wal_bytes().map_err(CheckpointError::Look)?;
        Ok(match state? {
            Checkpointed::All => WalState::WrittenBack { bytes },
            Checkpointed::Part => WalState::Pinned { bytes },
        })
    }

    fn line(&self, suffix: &str) -> Result<AdvisoryLock, CheckpointError> {
        AdvisoryLock::open(&beside(self.path(), suffix)).map_err(CheckpointError::LineUp)
    }
}

/// How far a checkpoint came.
enum Checkpointed {
    All,
    Part,
}

async fn checkpoint(
    connection: &mut sqlx::SqliteConnection,
    pragma: &'static str,
) -> Result<Checkpointed, sqlx::Error> {
    let (busy, frames, written): (i64, i64, i64) =
        sqlx::query_as(pragma).fetch_one(connection).await?;
    Ok(if busy == 0 && frames == written {
        Checkpointed::All
    } else {
        Checkpointed::Part
    })
}

#[cfg(test)]
mod tests {
    use sqlx::Executor as _;

    use super::*;
    use crate::db::{DatabaseOptions, Role, Synchronous, WriteError, WriteTx};

    const SMALL: WalLimits = WalLimits {
        soft: 64 << 10,
        hard: 256 << 10,
    };

    #[derive(Debug, thiserror::Error)]
    enum TestError {
        #[error(transparent)]
        Sql(#[from] sqlx::Error),
        #[error(transparent)]
        Write(#[from] WriteError),
    }

    async fn database() -> (tempfile::TempDir, Db) {
        let folder = tempfile::tempdir().unwrap();
        let options = DatabaseOptions {
            path: folder.path().join("wal.db"),
            synchronous: Synchronous::Normal,
            role: Role::Background,
        };
        (folder, Db::open(options).await.unwrap())
    }

    /// Writes until the log's file has this many bytes.
    async fn grow(db: &Db, bytes: u64) {
        while db.wal_bytes().unwrap() < bytes {
            db.write(async move |tx: &mut WriteTx| -> Result<(), TestError> {
                sqlx::query(
                    "INSERT INTO maintenance (name, last_run_at)
                     VALUES (hex(randomblob(4)) || printf('%.20000c', 'x'), 0)",
                )
                .execute(&mut *tx)
                .await?;
                Ok(())
            })
            .await
            .unwrap();
        }
    }

    #[tokio::test]
    async fn a_short_log_is_left_alone() {
        let (_folder, db) = database().await;
        let before = db.wal_bytes().unwrap();

        assert_eq!(
            db.check_wal(WalLimits::default()).await.unwrap(),
            WalState::Short
        );

        assert_eq!(db.wal_bytes().unwrap(), before);
    }

    #[tokio::test]
    async fn a_longer_log_is_written_back_and_its_file_used_again() {
        let (_folder, db) = database().await;
        grow(&db, SMALL.soft + 1).await;
        let bytes = db.wal_bytes().unwrap();

        assert_eq!(
            db.check_wal(SMALL).await.unwrap(),
            WalState::WrittenBack { bytes }
        );
    }

    #[tokio::test]
    async fn a_long_log_is_cut_to_nothing() {
        let (_folder, db) = database().await;
        grow(&db, SMALL.hard + 1).await;

        assert_eq!(
            db.check_wal(SMALL).await.unwrap(),
            WalState::WrittenBack { bytes: 0 }
        );
    }

    #[tokio::test]
    async fn a_log_that_a_reader_pins_is_told_of_and_cut_once_the_reader_is_gone() {
        let (_folder, db) = database().await;
        let mut reader = db.readers().acquire().await.unwrap();
        reader
            .execute("BEGIN; SELECT * FROM maintenance")
            .await
            .unwrap();
        grow(&db, SMALL.hard + 1).await;

        let pinned = db.check_wal(SMALL).await.unwrap();
        // Nobody is left waiting: the next commit goes through.
        grow(&db, db.wal_bytes().unwrap() + 1).await;
        reader.execute("COMMIT").await.unwrap();
        let freed = db.check_wal(SMALL).await.unwrap();

        assert!(
            matches!(pinned, WalState::Pinned { bytes } if bytes > SMALL.hard),
            "{pinned:?}"
        );
        assert_eq!(freed, WalState::WrittenBack { bytes: 0 });
    }
}
