//! The queue against a real database file: its keys, its recovery, and what its statements cost.

mod circuit;
mod hours;
mod machine;
mod observation;
mod plans;
mod policies;
mod pruning;
mod recovery;
mod removal;

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::Row;

use super::{
    Enqueue, Priority, RetryPolicy,
    claim::{self, ClaimedSync, Suspects},
    enqueue, liveness,
    outcome::{self, Care, End, Finished},
};
use crate::{
    db::{DatabaseOptions, Db, Role, Synchronous, WriteError, WriteTx},
    domain::{FailureKind, RelayId, SyncFailure, SyncReport, Verb, WorkerId, ZooidDomain},
    repositories::relay::bump_generation,
};

const OWNER: &str = "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
const POLICY: RetryPolicy = RetryPolicy {
    max_attempts: 3,
    base: Duration::from_secs(1),
    cap: Duration::from_secs(8),
    call_deadline: Duration::from_secs(5),
    settle_after: Duration::from_mins(1),
};

#[derive(Debug, thiserror::Error)]
enum TestError {
    #[error(transparent)]
    Sql(#[from] sqlx::Error),
    #[error(transparent)]
    Write(#[from] WriteError),
}

type Outcome<T = ()> = Result<T, TestError>;

fn target() -> ZooidDomain {
    "relays.example.com".parse().unwrap()
}

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
}

fn relay_id(number: usize) -> RelayId {
    format!("01j00000000000000000{number:06}").parse().unwrap()
}

fn worker_id(name: &str) -> WorkerId {
    name.parse().unwrap()
}

async fn database() -> (tempfile::TempDir, Db) {
    let folder = tempfile::tempdir().unwrap();
    let options = DatabaseOptions {
        path: folder.path().join("queue.db"),
        synchronous: Synchronous::Full,
        role: Role::Background,
    };
    (folder, Db::open(options).await.unwrap())
}

/// Adds relays `0..count`, none of them with a job, and workers of the given names.
async fn populate(db: &Db, count: usize, workers: &[&str]) {
    let workers: Vec<WorkerId> = workers.iter().map(|name| worker_id(name)).collect();
    db.write(async move |tx: &mut WriteTx| -> Outcome {
        sqlx::query("INSERT INTO tenant (pubkey, created_at, updated_at) VALUES ($1, 0, 0)")
            .bind(OWNER)
            .execute(&mut *tx)
            .await?;
        for number in 0..count {
            sqlx::query(
                "INSERT INTO relay (
                     id, tenant_pubkey, subdomain, zooid_domain, schema, secret, plan_id, policy_public_read,
                     policy_public_write, policy_public_join, policy_strip_signatures, groups_enabled,
                     management_enabled, members_can_invite, push_enabled, blossom_enabled, livekit_enabled,
                     created_at, updated_at
                 )
                 VALUES ($1, $2, $3, $4, 's_' || $3, 'v1.0123abcd.' || printf('%.80c', 'A'), 'free', 0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0)",
            )
            .bind(relay_id(number).as_str())
            .bind(OWNER)
            .bind(format!("r{number}"))
            .bind(target().as_str())
            .execute(&mut *tx)
            .await?;
        }
        for worker in &workers {
            liveness::register(tx, at(0), worker, 100).await?;
        }
        Ok(())
    })
    .await
    .unwrap();
}

async fn edit(tx: &mut WriteTx, now: DateTime<Utc>, relay: &RelayId) -> Outcome {
    bump_generation(tx, relay).await?;
    enqueue_edit(tx, now, relay).await
}

async fn enqueue_edit(tx: &mut WriteTx, now: DateTime<Utc>, relay: &RelayId) -> Outcome {
    let job = Enqueue {
        relay,
        target: &target(),
        priority: Priority::Edit,
        max_attempts: POLICY.max_attempts,
        trace: "click",
    };
    enqueue(tx, now, job).await?;
    Ok(())
}

fn accepted(sync: &ClaimedSync) -> Finished {
    let report = SyncReport {
        verb: Some(Verb::Patch),
        status: Some(200),
        result: Ok("{}".to_owned()),
    };
    Finished::new(sync, End::Reported(report))
}

fn refused(sync: &ClaimedSync) -> Finished {
    failed(sync, failure(FailureKind::ServerError, Some(500)))
}

fn failure(kind: FailureKind, status: Option<u16>) -> SyncFailure {
    SyncFailure {
        kind,
        status,
        message: format!("{kind}: what zooid said"),
        excerpt: None,
        retry_after: None,
        taken: None,
    }
}

fn failed(sync: &ClaimedSync, failure: SyncFailure) -> Finished {
    let report = SyncReport {
        verb: Some(Verb::Patch),
        status: failure.status,
        result: Err(failure),
    };
    Finished::new(sync, End::Reported(report))
}

async fn enqueue_relays(db: &Db, count: usize) {
    db.write(async move |tx: &mut WriteTx| -> Outcome {
        for number in 0..count {
            enqueue_edit(tx, at(0), &relay_id(number)).await?;
        }
        Ok(())
    })
    .await
    .unwrap();
}

async fn run_sql(db: &Db, sql: &'static str) {
    db.write(async move |tx: &mut WriteTx| -> Outcome {
        sqlx::query(sql).execute(&mut *tx).await?;
        Ok(())
    })
    .await
    .unwrap();
}

/// The only row and column that `sql` answers, as text.
async fn one(db: &Db, sql: &'static str) -> String {
    let text: Option<String> =
        sqlx::query_scalar(sqlx::AssertSqlSafe(format!("SELECT CAST(({sql}) AS TEXT)")))
            .fetch_one(db.readers())
            .await
            .unwrap();
    text.unwrap_or_else(|| "NULL".to_owned())
}

async fn claim_all(db: &Db, now: DateTime<Utc>, worker: &str, slots: usize) -> Vec<ClaimedSync> {
    let worker = worker_id(worker);
    db.write(async move |tx: &mut WriteTx| -> Outcome<_> {
        Ok(claim::claim(tx, now, &worker, &[target()], slots, Suspects::One).await?)
    })
    .await
    .unwrap()
}

async fn record(db: &Db, now: DateTime<Utc>, finished: Vec<Finished>) {
    db.write(async move |tx: &mut WriteTx| -> Outcome {
        outcome::record(tx, now, &POLICY, &finished, Care::EachAlone).await?;
        Ok(())
    })
    .await
    .unwrap();
}

/// `status|attempts|key` of every job, oldest first, with the relay's number in the place of its id.
async fn jobs(db: &Db) -> Vec<String> {
    sqlx::query("SELECT status, attempts, idempotency_key FROM Jobs ORDER BY rowid")
        .fetch_all(db.readers())
        .await
        .unwrap()
        .iter()
        .map(|row| {
            let key: Option<String> = row.get(2);
            let key = key.map_or("-".to_owned(), |key| {
                let (id, state) = key.split_at(26);
                format!(
                    "{}{state}",
                    id.trim_start_matches("01j").parse::<usize>().unwrap()
                )
            });
            format!("{}|{}|{key}", row.get::<String, _>(0), row.get::<i64, _>(1))
        })
        .collect()
}
