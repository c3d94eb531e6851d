//! Brings the schema up to date at start: apalis's tables first, then ours, under a lock between processes.
//!
//! Operators' commands run beside programs at work, and change no schema under them: they only look whether it is theirs.
//!
//! The lock is a file beside the database, so ten processes that start at once on an empty folder come up one after the
//! other. apalis keeps its own record of migrations: both would otherwise claim `_sqlx_migrations`.

use std::{fs::File, path::PathBuf};

use apalis_sqlite::SqliteStorage;
use sqlx::{
    Connection,
    migrate::{Migrate as _, Migrator},
};

use super::{
    advisory_lock::beside,
    connect::{self, Create, DatabaseOptions, OpenError},
};

/// Our migrations, compiled in.
static MIGRATIONS: Migrator = sqlx::migrate!("../migrations");
/// Where sqlx records which of ours have run.
const RECORD: &str = "_sqlx_migrations";

/// Creates the folder and file where missing and runs every migration that has not run yet.
pub(super) async fn migrate(options: &DatabaseOptions) -> Result<(), OpenError> {
    let lock_path = beside(&options.path, "migrate");
    let _lock = wait_for_lock(options, lock_path).await?;
    let mut connection = connect::writer(options, Create::IfMissing).await?;

    let mut apalis = SqliteStorage::<()>::migrations();
    apalis.dangerous_set_table_name("_apalis_migrations");
    let migrated = async {
        apalis.run(&mut connection).await?;
        MIGRATIONS.run(&mut connection).await
    }
    .await;
    migrated.map_err(|source| OpenError::Migrate {
        path: options.path.clone(),
        source,
    })?;
    connection.close().await.map_err(|source| OpenError::Open {
        path: options.path.clone(),
        source,
    })
}

/// Whether every migration has run, and none that this program does not know. Changes nothing.
pub(super) async fn check(options: &DatabaseOptions) -> Result<(), OpenError> {
    let mut connection = connect::writer(options, Create::Never).await?;
    // A database without that table was never Caravel's.
    let applied = connection
        .list_applied_migrations(RECORD)
        .await
        .unwrap_or_default();
    let known = MIGRATIONS
        .iter()
        .map(|migration| (migration.version, &migration.checksum));
    if !known.eq(applied
        .iter()
        .map(|migration| (migration.version, &migration.checksum)))
    {
        return Err(OpenError::OtherVersion {
            path: options.path.clone(),
        });
    }
    connection.close().await.map_err(|source| OpenError::Open {
        path: options.path.clone(),
        source,
    })
}

async fn wait_for_lock(options: &DatabaseOptions, lock_path: PathBuf) -> Result<File, OpenError> {
    let folder = options.path.parent().map(ToOwned::to_owned);
    let in_error = lock_path.clone();
    tokio::task::spawn_blocking(move || {
        if let Some(folder) = folder {
            std::fs::create_dir_all(folder)?;
        }
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(lock_path)?;
        file.lock()?;
        Ok(file)
    })
    .await
    .map_err(std::io::Error::other)
    .flatten()
    .map_err(|source| OpenError::Io {
        path: in_error,
        source,
    })
}
