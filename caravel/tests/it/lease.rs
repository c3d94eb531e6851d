//! Who counts as dead, who does not, and what becomes of what the dead come back with.

use std::time::Duration;

use shared::db::Db;
use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;
use zooid_sim::{Effect, Fault, Phase};

use crate::installation::{Installation, create_relays, number, until_in_step};
use crate::process::Signal;
use crate::wait::{SOON, until};

/// The lease, in seconds: short, and yet longer than a busy machine keeps a process from beating.
const LEASE: u64 = 8;

/// How long somebody holds the write lock: several leases.
const STALL: Duration = Duration::from_secs(3 * LEASE);

/// An installation whose workers are taken for dead soon.
async fn impatient() -> Installation {
    Installation::new()
        .await
        .with("WORKER_LEASE_SECONDS", &LEASE.to_string())
        .with("ZOOID_TIMEOUT_MS", "5000")
        .with("SYNC_RECONCILE_SECONDS", "1")
}

const BEATS: &str = "SELECT sum(counter) FROM worker_heartbeat";
const DEAD: &str = "SELECT count(*) FROM worker_heartbeat WHERE dead_at IS NOT NULL";
const LOST: &str = "SELECT count(*) FROM sync_attempt WHERE outcome = 'lost'";

#[tokio::test]
async fn a_stall_of_all_workers_is_nobodys_death() {
    let installation = impatient().await;
    let db = installation.db().await;
    create_relays(&installation, &db, 20).await;
    let slow = Effect::Delay {
        ms: 300,
        phase: Phase::Before,
    };
    installation.sim.inject(Fault::new(slow)).unwrap();
    let _workers = [installation.worker().await, installation.worker().await];
    until("calls", async || installation.sim.totals().in_flight > 0).await;

    // Somebody forgets a transaction in a shell.
    let shell = SqliteConnectOptions::new().filename(installation.database());
    let mut shell = shell.busy_timeout(SOON).connect().await.unwrap();
    sqlx::query("BEGIN IMMEDIATE")
        .execute(&mut shell)
        .await
        .unwrap();
    let before = number(&db, BEATS).await;
    tokio::time::sleep(STALL).await;
    let after = number(&db, BEATS).await;
    sqlx::query("ROLLBACK").execute(&mut shell).await.unwrap();
    until_in_step(&db, 20).await;

    assert_eq!(before, after, "somebody wrote during the stall");
    assert_eq!(number(&db, DEAD).await, 0);
    assert_eq!(number(&db, LOST).await, 0);
    assert_eq!(number(&db, "SELECT max(crashes) FROM relay_sync").await, 0);
    assert_eq!(installation.sim.max_overlap(), 1);
}

#[tokio::test]
async fn a_worker_that_returns_from_beyond_its_lease_is_refused_and_its_relay_converges() {
    for _ in 0..5 {
        if returns_late().await {
            return;
        }
    }
    panic!("it always stood still in the middle of a write");
}

/// Answers false if the worker stood still in the middle of a write: then nobody can write, and nobody is dead.
async fn returns_late() -> bool {
    let installation = impatient().await;
    let db = installation.db().await;
    let relay = create_relays(&installation, &db, 1).await.remove(0);
    let relay = relay.id.as_str();

    // It has zooid's answer in its hands, and has told nobody.
    let mut late = installation.doomed_worker("sync.after_answer", "stop", relay);
    late.printed("step sync.after_answer").await;
    if !is_writable(&installation).await {
        return false;
    }
    let _successor = installation.worker().await;
    until("the late worker to be taken for dead", async || {
        number(&db, LOST).await == 1
    })
    .await;
    until_in_step(&db, 1).await;
    let before = generation(&db).await;
    late.signal(Signal::Continue);
    // What it sent may have arrived after its successor's call, so the relay is sent once more.
    until("a newer generation", async || {
        generation(&db).await > before
    })
    .await;
    until_in_step(&db, 1).await;

    let kept = "SELECT count(*) FROM sync_attempt WHERE number = 1 AND outcome = 'lost' AND kind = 'worker_lost'";
    assert_eq!(number(&db, kept).await, 1);
    let logged = "SELECT count(*) FROM activity WHERE activity_type = 'complete_relay_sync'";
    let accepted = "SELECT count(*) FROM sync_attempt WHERE outcome = 'accepted'";
    assert_eq!(number(&db, logged).await, number(&db, accepted).await);
    assert_eq!(number(&db, "SELECT crashes FROM relay_sync").await, 0);
    assert_eq!(installation.sim.max_overlap(), 1);
    true
}

async fn is_writable(installation: &Installation) -> bool {
    let shell = SqliteConnectOptions::new().filename(installation.database());
    let shell = shell.busy_timeout(Duration::from_secs(LEASE));
    let mut shell = shell.connect().await.unwrap();
    sqlx::raw_sql("BEGIN IMMEDIATE; ROLLBACK")
        .execute(&mut shell)
        .await
        .is_ok()
}

async fn generation(db: &Db) -> i64 {
    number(db, "SELECT generation FROM relay").await
}
