//! Brings the schema up to date at start: apalis's tables first, then ours, under a lock between processes.
//!
//! Operators' commands run beside programs at work, and change no schema under them: they only look whether it is theirs.
//!
//! The lock is a file beside the database, so ten processes that start at once on an empty folder come up one after the
//! other. apalis keeps its own record of migrations: both would otherwise claim `_sqlx_migrations`.

use std::{fs::File, path::PathBuf};

use apalis_sqlite::SqliteStorage;
use sqlx::{
    Connection, SqliteConnection,
    migrate::{Migrate as _, MigrateError, Migrator},
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

    let migrated = run(&mut connection, &MIGRATIONS).await;
    migrated.map_err(|source| OpenError::Migrate {
        path: options.path.clone(),
        source,
    })?;
    connection.close().await.map_err(|source| OpenError::Open {
        path: options.path.clone(),
        source,
    })
}

/// Runs apalis's migrations, then `ours`.
async fn run(connection: &mut SqliteConnection, ours: &Migrator) -> Result<(), MigrateError> {
    let mut apalis = SqliteStorage::<()>::migrations();
    apalis.dangerous_set_table_name("_apalis_migrations");
    apalis.run(&mut *connection).await?;
    ours.run(connection).await
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::{Role, Synchronous};

    /// The migration that rebuilds `operator_action`.
    const REBUILT: i64 = 20_261_121_000_020;

    #[tokio::test]
    async fn the_record_of_operators_actions_survives_that_its_table_is_rebuilt() {
        let folder = tempfile::tempdir().unwrap();
        let options = DatabaseOptions {
            path: folder.path().join("caravel.db"),
            synchronous: Synchronous::Normal,
            role: Role::Interactive,
        };
        let mut connection = connect::writer(&options, Create::IfMissing).await.unwrap();
        let earlier = MIGRATIONS.iter().filter(|each| each.version < REBUILT);
        let earlier = Migrator::with_migrations(earlier.cloned().collect());
        run(&mut connection, &earlier).await.unwrap();
        let acted = "INSERT INTO operator_action (seq, id, acted_at, actor, action, resource_type, resource_id, affected, detail)
             VALUES (3, 'a', 1, 'shell', 'pause', 'queue', '', 1, '{}'), (7, 'b', 2, 'shell', 'retry', 'relays', '', 9, '{\"token\":\"t\"}')";
        sqlx::query(acted).execute(&mut connection).await.unwrap();
        let record = "SELECT json_group_array(json_array(seq, id, acted_at, actor, action, resource_type, resource_id, affected, detail)) FROM operator_action";
        let read = sqlx::query_scalar(record).fetch_one(&mut connection);
        let before: String = read.await.unwrap();

        run(&mut connection, &MIGRATIONS).await.unwrap();

        let read = sqlx::query_scalar(record).fetch_one(&mut connection);
        let after: String = read.await.unwrap();
        assert_eq!(after, before);
        let insert = |detail: &'static str| {
            sqlx::query_scalar(
                "INSERT INTO operator_action (id, acted_at, actor, action, resource_type, affected, detail)
                 VALUES (hex(randomblob(8)), 3, 'shell', 'set_past_due', iif($1 = '{}', 'tenant', 'relays'), 1, $1)
                 RETURNING seq",
            )
            .bind(detail)
        };
        let next: i64 = insert("{}").fetch_one(&mut connection).await.unwrap();
        assert_eq!(next, 8, "no place in the record is given twice");
        let repeated: Result<i64, _> = insert("{\"token\":\"t\"}").fetch_one(&mut connection).await;
        assert!(repeated.is_err(), "a token stands for one action");
    }
}
