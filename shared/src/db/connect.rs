//! How a connection is opened: the pragmas of every reader and every writer, in one place.

use std::{
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};

use sqlx::{
    ConnectOptions, SqliteConnection, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use crate::config::{DatabaseConfig, Synchronous};

/// How long SQLite itself waits for another process's lock before it answers BUSY; the writer then asks again.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Reader connections of one process: reads are short, and each costs a thread and a page cache.
const READERS: u32 = 4;
/// Page cache of one connection, in KiB (negative is SQLite's notation for KiB, <https://sqlite.org/pragma.html#pragma_cache_size>).
const CACHE_KIB: &str = "-4096";
/// Bytes the WAL file keeps after a checkpoint (<https://sqlite.org/pragma.html#pragma_journal_size_limit>).
const WAL_SIZE_LIMIT: &str = "67108864";

/// What the database is opened with.
#[derive(Debug, Clone)]
pub struct DatabaseOptions {
    /// The database file.
    pub path: PathBuf,
    /// When a commit counts as done.
    pub synchronous: Synchronous,
    /// Which place in the queue of writers this process takes.
    pub role: Role,
}

impl DatabaseOptions {
    /// As configured, for a process in this role.
    #[must_use]
    pub fn new(config: &DatabaseConfig, role: Role) -> Self {
        Self {
            path: config.path.clone(),
            synchronous: config.synchronous,
            role,
        }
    }
}

/// Which place in the queue of writers a process takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Answers people: stands in line for the write lock directly.
    Interactive,
    /// Works through the queue: lines up with the other background processes first, so that at most one of them stands
    /// before a person's commit.
    Background,
}

/// Why the database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder or a file beside the database could not be used.
    #[error("cannot prepare {path} for the database")]
    Io {
        /// The path in question.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// SQLite refused to open the file.
    #[error("cannot open the database {path}")]
    Open {
        /// The database file.
        path: PathBuf,
        /// What SQLite said.
        #[source]
        source: sqlx::Error,
    },
    /// There is no database, and this was not to make one.
    #[error("there is no database {path}")]
    Absent {
        /// Where it should be.
        path: PathBuf,
    },
    /// Another version of Caravel works on the database, or worked on it last.
    #[error("the database {path} has the schema of another version of Caravel than this program")]
    OtherVersion {
        /// The database file.
        path: PathBuf,
    },
    /// A migration failed, or the file was written by a newer version.
    #[error("cannot bring the schema of {path} up to date")]
    Migrate {
        /// The database file.
        path: PathBuf,
        /// Which migration, and why.
        #[source]
        source: sqlx::migrate::MigrateError,
    },
}

/// Device and inode: which file a path leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileIdentity {
    device: u64,
    inode: u64,
}

impl FileIdentity {
    /// Looks at the file behind `path`.
    ///
    /// # Errors
    /// When there is none.
    pub fn of(path: &Path) -> Result<Self, OpenError> {
        let metadata = std::fs::metadata(path).map_err(|source| OpenError::Io {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
        })
    }
}

/// Whether opening may create the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Create {
    IfMissing,
    Never,
}

/// Opens a connection that may write.
pub(super) async fn writer(
    options: &DatabaseOptions,
    create: Create,
) -> Result<SqliteConnection, OpenError> {
    base(options)
        .create_if_missing(create == Create::IfMissing)
        .connect()
        .await
        .map_err(|source| open_error(options, source))
}

/// Opens a connection that writes the log back, and waits no longer than `patience` for whoever is in its way.
pub(super) async fn checkpointer(
    options: &DatabaseOptions,
    patience: Duration,
) -> Result<SqliteConnection, OpenError> {
    base(options)
        .busy_timeout(patience)
        .connect()
        .await
        .map_err(|source| open_error(options, source))
}

/// Opens the pool of connections that cannot write.
pub(super) async fn readers(options: &DatabaseOptions) -> Result<SqlitePool, OpenError> {
    SqlitePoolOptions::new()
        .max_connections(READERS)
        .connect_with(base(options).pragma("query_only", "ON"))
        .await
        .map_err(|source| open_error(options, source))
}

fn base(options: &DatabaseOptions) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(&options.path)
        .create_if_missing(false)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(match options.synchronous {
            Synchronous::Full => SqliteSynchronous::Full,
            Synchronous::Normal => SqliteSynchronous::Normal,
        })
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        .pragma("cache_size", CACHE_KIB)
        .pragma("journal_size_limit", WAL_SIZE_LIMIT)
        .pragma("temp_store", "MEMORY")
        .disable_statement_logging()
}

fn open_error(options: &DatabaseOptions, source: sqlx::Error) -> OpenError {
    let path = options.path.clone();
    match path.try_exists() {
        Ok(false) => OpenError::Absent { path },
        Ok(true) | Err(_) => OpenError::Open { path, source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_connection_that_may_write_syncs_each_commit_and_a_reader_cannot_write() {
        let folder = tempfile::tempdir().unwrap();
        let options = DatabaseOptions {
            path: folder.path().join("caravel.db"),
            synchronous: Synchronous::Full,
            role: Role::Interactive,
        };

        // FULL is 2 (<https://sqlite.org/pragma.html#pragma_synchronous>).
        for create in [Create::IfMissing, Create::Never] {
            let mut writer = writer(&options, create).await.unwrap();
            let synchronous: i64 = sqlx::query_scalar("PRAGMA synchronous")
                .fetch_one(&mut writer)
                .await
                .unwrap();
            assert_eq!(synchronous, 2);
        }
        let readers = readers(&options).await.unwrap();
        let written = sqlx::raw_sql("CREATE TABLE t (a)").execute(&readers).await;
        assert!(written.is_err());
    }
}
