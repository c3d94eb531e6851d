//! How a worker stops.

use shared::db::Db;
use zooid_sim::{Effect, Fault, Phase};

use crate::installation::{Installation, create_relays, number};
use crate::process::{Process, Signal};
use crate::wait::until;

/// A worker with one slot, in the middle of a call that hangs, and two more relays that wait.
async fn worker_in_a_call() -> (Installation, Db, Process) {
    let installation = Installation::new()
        .await
        .with("WORKER_CONCURRENCY", "1")
        // Longer than anybody here waits for anything: by itself, the call does not end.
        .with("ZOOID_TIMEOUT_MS", "300000")
        .with("WORKER_LEASE_SECONDS", "600");
    let hang = Effect::Hang {
        cap_ms: 600_000,
        phase: Phase::Before,
    };
    installation.sim.inject(Fault::new(hang)).unwrap();
    let db = installation.db().await;
    create_relays(&installation, &db, 3).await;
    let worker = installation.worker().await;
    until("a call", async || installation.sim.totals().in_flight == 1).await;
    (installation, db, worker)
}

#[tokio::test]
async fn a_signal_lets_the_call_under_way_end_and_leaves_the_rest_to_others() {
    for signal in [Signal::Terminate, Signal::Interrupt] {
        let (installation, db, mut worker) = worker_in_a_call().await;

        worker.signal(signal);
        worker.logged("stopping").await;
        installation.sim.clear_faults();
        let (status, _) = worker.ended().await;

        assert_eq!(status.code(), Some(0), "{signal:?}");
        let accepted = "SELECT count(*) FROM sync_attempt WHERE outcome = 'accepted'";
        assert_eq!(number(&db, accepted).await, 1);
        let untouched = "SELECT count(*) FROM Jobs WHERE status = 'Pending' AND attempts = 0 AND lock_by IS NULL";
        assert_eq!(number(&db, untouched).await, 2);
        let running = "SELECT count(*) FROM Jobs WHERE status = 'Running'";
        assert_eq!(number(&db, running).await, 0);
        let signed_off = "SELECT count(*) FROM worker_heartbeat WHERE stopped_at IS NOT NULL";
        assert_eq!(number(&db, signed_off).await, 1);
    }
}

#[tokio::test]
async fn a_second_signal_stops_at_once() {
    let (_installation, db, mut worker) = worker_in_a_call().await;

    worker.signal(Signal::Terminate);
    worker.logged("stopping").await;
    worker.signal(Signal::Interrupt);
    let (status, _) = worker.ended().await;

    assert_eq!(status.code(), Some(130));
    let open = "SELECT count(*) FROM sync_attempt WHERE finished_at IS NULL";
    assert_eq!(number(&db, open).await, 1, "the call was not waited for");
}

#[tokio::test]
async fn api_and_worker_in_one_process_stop_together() {
    let installation = Installation::new().await;
    let (process, client) = installation.serve().await;
    let relay = client.create("last-minute").await;

    process.signal(Signal::Terminate);
    let (status, _) = process.ended().await;

    assert_eq!(status.code(), Some(0));
    let db = installation.db().await;
    let running = "SELECT count(*) FROM Jobs WHERE status = 'Running'";
    assert_eq!(number(&db, running).await, 0, "{relay}");
}
