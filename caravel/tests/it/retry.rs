//! A relay that fails is tried again when its row says so, whichever worker is there by then.

use shared::db::Db;
use zooid_sim::Fault;

use crate::installation::{Installation, create_relays, number, until_in_step};
use crate::process::Signal;
use crate::wait::until;

#[tokio::test]
async fn a_failed_relay_is_retried_on_schedule_after_its_worker_was_killed() {
    retried_on_schedule_after(Signal::Kill).await;
}

#[tokio::test]
async fn a_failed_relay_is_retried_on_schedule_after_its_worker_was_stopped() {
    retried_on_schedule_after(Signal::Terminate).await;
}

async fn retried_on_schedule_after(signal: Signal) {
    let installation = Installation::new()
        .await
        .with("WORKER_CONCURRENCY", "1")
        // Long enough to change workers meanwhile, however slow the machine.
        .with("SYNC_BACKOFF_BASE_SECONDS", "15")
        // Nothing but its schedule brings the relay back in time.
        .with("SYNC_RECONCILE_SECONDS", "3600");
    let db = installation.db().await;
    let relays = create_relays(&installation, &db, 2).await;
    let failing = relays[0].id.as_str();
    installation
        .sim
        .inject(Fault::status(503).on_relay(failing).for_calls(1))
        .unwrap();

    let worker = installation.worker().await;
    // The only slot is free for the other relay while the failed one waits.
    until_in_step(&db, 1).await;
    until("the failure", async || failures(&db).await == 1).await;
    let run_at = number(&db, "SELECT run_at FROM Jobs WHERE status = 'Pending'").await;
    worker.signal(signal);
    worker.ended().await;
    let _successor = installation.worker().await;
    until_in_step(&db, 2).await;

    let second = number(&db, "SELECT started_at FROM sync_attempt WHERE number = 2").await;
    assert!(
        second >= run_at * 1000,
        "{second} is before its time, {run_at}"
    );
    let schedule =
        "SELECT run_at FROM Jobs WHERE id = (SELECT job_id FROM sync_attempt WHERE number = 2)";
    assert_eq!(number(&db, schedule).await, run_at, "it was put off");
    let by_successor = "SELECT count(*)
         FROM sync_attempt AS first
         INNER JOIN sync_attempt AS second ON second.job_id = first.job_id
         WHERE first.number = 1
           AND second.number = 2
           AND second.worker_id <> first.worker_id";
    assert_eq!(
        number(&db, by_successor).await,
        1,
        "the same job, another worker"
    );
    assert_eq!(failures(&db).await, 1);
    assert_eq!(installation.sim.calls(failing).len(), 2);
}

async fn failures(db: &Db) -> i64 {
    number(
        db,
        "SELECT count(*) FROM sync_attempt WHERE outcome = 'failed'",
    )
    .await
}
