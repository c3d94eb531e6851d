//! What reads cost: each finds its rows by an index, whatever the tables hold.

use chrono::DateTime;
use sqlx::{Row as _, sqlite::SqliteRow};
use tempfile::TempDir;

use super::{
    FindById as _, List as _, Pagination,
    activity::{self, ActivityFilter},
    relay::{RelayFilter, desired_states},
    relay_domain,
    tenant::TenantFilter,
};
use crate::{
    db::{DatabaseOptions, Db, Role, SqlError, Synchronous, WriteError, WriteTx},
    domain::{Activity, Pubkey, Relay, RelayId, Tenant},
};

#[derive(Debug, thiserror::Error)]
enum TestError {
    #[error(transparent)]
    Sql(#[from] SqlError),
    #[error(transparent)]
    Write(#[from] WriteError),
}

pub(super) async fn database() -> (TempDir, Db) {
    let folder = tempfile::tempdir().unwrap();
    let options = DatabaseOptions {
        path: folder.path().join("plans.db"),
        synchronous: Synchronous::Full,
        role: Role::Interactive,
    };
    let db = Db::open(options).await.unwrap();
    (folder, db)
}

/// The text of every read, as they run.
async fn reads(db: &Db) -> Vec<String> {
    db.write(async move |tx: &mut WriteTx| -> Result<_, TestError> {
        let relay: RelayId = "01j00000000000000000000000".parse().unwrap();
        let tenant: Pubkey = "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"
            .parse()
            .unwrap();
        Tenant::find_by_id(&mut *tx, &tenant).await?;
        Tenant::list(&mut *tx, &TenantFilter::default(), &Pagination::all()).await?;
        Relay::find_by_id(&mut *tx, &relay).await?;
        desired_states(tx, std::slice::from_ref(&relay)).await?;
        for tenant in [None, Some(tenant)] {
            let filter = RelayFilter {
                tenant,
                ..RelayFilter::default()
            };
            Relay::list(&mut *tx, &filter, &Pagination::all()).await?;
        }
        Activity::list(
            &mut *tx,
            &ActivityFilter::of(relay.clone()),
            &Pagination::all(),
        )
        .await?;
        activity::list_since(&mut *tx, 0, 1).await?;
        activity::list_after(&mut *tx, 0, 1).await?;
        activity::max_created_at(&mut *tx).await?;
        relay_domain::find(&mut *tx, &relay).await?;
        relay_domain::any_due(&mut *tx, DateTime::UNIX_EPOCH).await?;
        Ok(tx.ran.iter().cloned().collect())
    })
    .await
    .unwrap()
}

/// The steps of the plan that read a table from end to end, or sort what they have read.
pub(super) async fn detours(db: &Db, sql: &str) -> Vec<String> {
    sqlx::query(sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}")))
        .fetch_all(db.readers())
        .await
        .unwrap()
        .iter()
        .map(|row: &SqliteRow| row.get::<String, _>("detail"))
        .filter(|step| step.starts_with("SCAN") || step.starts_with("USE TEMP B-TREE"))
        .filter(|step| !step.starts_with("SCAN wanted"))
        .collect()
}

#[tokio::test]
async fn every_read_goes_by_an_index_in_the_order_it_answers_in() {
    let (_folder, db) = database().await;

    let reads = reads(&db).await;

    assert_eq!(reads.len(), 12);
    for read in reads {
        assert_eq!(detours(&db, &read).await, Vec::<String>::new(), "{read}");
    }
    // The probe itself can tell.
    let detour = "SELECT id FROM relay ORDER BY info_name";
    assert_eq!(detours(&db, detour).await.len(), 2);
}
