//! A copy of the database, made while programs work on it.
//!
//! Invariant: the file named is there only when it is whole: copied from one snapshot, found sound, and on the disk.
//!
//! The copy is made by `VACUUM INTO` (<https://sqlite.org/lang_vacuum.html#vacuuminto>). It reads one snapshot, so writers
//! go on; the WAL alone grows meanwhile, as it does behind any long read. SQLite's online backup API starts over whenever
//! another process commits (<https://sqlite.org/backup.html>) and need never end on a busy system. The copy has no free
//! pages and no WAL: one file is all of it.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

use sqlx::{ConnectOptions as _, Connection as _, sqlite::SqliteConnectOptions};
use tempfile::{NamedTempFile, PersistError};

use super::connect::{self, Create, DatabaseOptions, OpenError};

/// What the unfinished copy is called, before it gets its name: what a process that was killed leaves behind.
const UNFINISHED: &str = ".caravel-backup-";

/// Why there is no backup. Nothing was written under its name.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The database cannot be read.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// There is a file already, which may be an earlier backup.
    #[error("cannot back up to {path}: there is a file already")]
    Taken {
        /// The file asked for.
        path: PathBuf,
    },
    /// The copy could not be written.
    #[error("cannot write the backup {path}")]
    Io {
        /// The file asked for.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// SQLite could not copy the database, or not read the copy.
    #[error("cannot copy the database to {path}")]
    Copy {
        /// The file asked for.
        path: PathBuf,
        /// What SQLite said.
        #[source]
        source: sqlx::Error,
    },
    /// The copy fails SQLite's integrity check, and so would the database.
    #[error("the database is damaged, and so would be its backup: {finding}")]
    Damaged {
        /// The first rule that is broken.
        finding: String,
    },
}

/// Copies the database to `path`, which must not exist, readable by its owner alone. Answers its size in bytes.
///
/// The folder needs room for the copy, and keeps nothing of one that fails.
///
/// # Errors
/// When the database cannot be read, there is a file at `path`, or a whole and sound copy cannot be written there.
pub async fn back_up(database: &DatabaseOptions, path: &Path) -> Result<u64, BackupError> {
    let path = std::path::absolute(path).map_err(|source| cannot_write(path, source))?;
    // Told at once, not after the copying. What decides is `keep`.
    if path.symlink_metadata().is_ok() {
        return Err(BackupError::Taken { path });
    }
    let unfinished = start(&path).map_err(|source| cannot_write(&path, source))?;
    let failed = |source| BackupError::Copy {
        path: path.clone(),
        source,
    };
    copy(database, unfinished.path(), failed).await?;
    let findings = findings(unfinished.path()).await.map_err(failed)?;
    if let Some(finding) = findings.into_iter().next() {
        return Err(BackupError::Damaged { finding });
    }
    let name = path.clone();
    tokio::task::spawn_blocking(move || keep(unfinished, &name))
        .await
        .map_err(io::Error::other)
        .flatten()
        .map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => BackupError::Taken { path: path.clone() },
            _ => cannot_write(&path, source),
        })
}

/// An empty file in the folder of `path`, which goes away with its handle.
fn start(path: &Path) -> io::Result<NamedTempFile> {
    let folder = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    tempfile::Builder::new()
        .prefix(UNFINISHED)
        .tempfile_in(folder)
}

/// SQLite takes an empty file as one that does not exist.
async fn copy(
    database: &DatabaseOptions,
    to: &Path,
    failed: impl Fn(sqlx::Error) -> BackupError,
) -> Result<(), BackupError> {
    let to = to
        .to_str()
        .ok_or_else(|| failed(sqlx::Error::Configuration("the path is not UTF-8".into())))?;
    // Not a reader's connection: VACUUM INTO counts as writing there, although it writes to the copy alone.
    let mut connection = connect::writer(database, Create::Never).await?;
    sqlx::query("VACUUM INTO $1")
        .bind(to)
        .execute(&mut connection)
        .await
        .map_err(&failed)?;
    connection.close().await.map_err(failed)
}

/// What is wrong with the database file at `path`: nothing, if it is sound.
async fn findings(path: &Path) -> Result<Vec<String>, sqlx::Error> {
    let mut copy = SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .disable_statement_logging()
        .connect()
        .await?;
    let findings = sqlx::query_scalar(
        "SELECT integrity_check
         FROM pragma_integrity_check
         WHERE integrity_check <> 'ok'",
    )
    .fetch_all(&mut copy)
    .await?;
    copy.close().await?;
    Ok(findings)
}

/// Gives the copy its name, unless the name is taken, and makes both durable. Answers its size.
fn keep(unfinished: NamedTempFile, path: &Path) -> io::Result<u64> {
    unfinished.as_file().sync_all()?;
    let file = unfinished
        .persist_noclobber(path)
        .map_err(|PersistError { error, .. }| error)?;
    if let Some(folder) = path.parent() {
        File::open(folder)?.sync_all()?;
    }
    Ok(file.metadata()?.len())
}

fn cannot_write(path: &Path, source: io::Error) -> BackupError {
    BackupError::Io {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::Synchronous,
        db::{Db, Role, WriteError, WriteTx},
    };

    async fn database(folder: &Path) -> (Db, DatabaseOptions) {
        let options = DatabaseOptions {
            path: folder.join("caravel.db"),
            synchronous: Synchronous::Full,
            role: Role::Interactive,
        };
        (Db::open(options.clone()).await.unwrap(), options)
    }

    fn files(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[tokio::test]
    async fn a_backup_is_one_file_with_the_same_rows_that_only_its_owner_reads() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let (db, options) = database(folder.path()).await;
        db.write(async move |tx: &mut WriteTx| -> Result<_, WriteError> {
            let paused = sqlx::query("UPDATE queue SET paused_at = 7")
                .execute(&mut *tx)
                .await;
            assert_eq!(paused.unwrap().rows_affected(), 1);
            Ok(())
        })
        .await
        .unwrap();
        let backups = tempfile::tempdir().unwrap();
        let path = backups.path().join("it's a backup.db");

        let bytes = back_up(&options, &path).await.unwrap();

        let metadata = std::fs::metadata(&path).unwrap();
        assert_eq!(metadata.len(), bytes);
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
        assert_eq!(files(backups.path()), ["it's a backup.db"]);
        let restored = Db::open(DatabaseOptions { path, ..options }).await.unwrap();
        let paused_at: i64 = sqlx::query_scalar("SELECT paused_at FROM queue")
            .fetch_one(restored.readers())
            .await
            .unwrap();
        assert_eq!(paused_at, 7);
    }

    #[tokio::test]
    async fn a_file_that_is_there_is_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let (_db, options) = database(folder.path()).await;
        let backups = tempfile::tempdir().unwrap();
        let path = backups.path().join("backup.db");
        std::fs::write(&path, "precious").unwrap();

        let early = back_up(&options, &path).await;
        // One that appears while the copy is made is found as late as its name is given.
        let late = keep(start(&path).unwrap(), &path);

        assert!(matches!(early, Err(BackupError::Taken { .. })));
        assert_eq!(late.unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
        assert_eq!(files(backups.path()), ["backup.db"]);
    }

    #[tokio::test]
    async fn a_damaged_database_gives_no_backup() {
        let folder = tempfile::tempdir().unwrap();
        let (_db, options) = database(folder.path()).await;
        let backups = tempfile::tempdir().unwrap();
        let mut careless = SqliteConnectOptions::new()
            .filename(&options.path)
            .pragma("writable_schema", "ON")
            .connect()
            .await
            .unwrap();
        sqlx::query(
            "UPDATE sqlite_schema
             SET sql = replace(sql, 'paused_at INTEGER', 'paused_at INTEGER NOT NULL')
             WHERE name = 'queue'",
        )
        .execute(&mut careless)
        .await
        .unwrap();

        let backup = back_up(&options, &backups.path().join("backup.db")).await;

        let error = backup.unwrap_err().to_string();
        assert!(error.ends_with("NULL value in queue.paused_at"), "{error}");
        assert_eq!(files(backups.path()), Vec::<String>::new());
    }

    #[tokio::test]
    async fn a_database_that_is_not_there_is_not_made() {
        let folder = tempfile::tempdir().unwrap();
        let options = DatabaseOptions {
            path: folder.path().join("caravel.db"),
            synchronous: Synchronous::Full,
            role: Role::Interactive,
        };

        let backup = back_up(&options, &folder.path().join("backup.db")).await;

        assert!(matches!(
            backup,
            Err(BackupError::Open(OpenError::Absent { .. }))
        ));
        assert_eq!(files(folder.path()), Vec::<String>::new());
    }
}
