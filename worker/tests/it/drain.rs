//! Stopping: what runs is finished and recorded, what waits is left as it was; and what cannot go on ends by itself.

use std::{sync::Arc, time::Duration};

use tokio::sync::Semaphore;
use worker::Ended;

use crate::fixture::{Fixture, SYNCED, accepted};

#[tokio::test]
async fn a_drain_finishes_what_runs_and_claims_nothing_more() {
    let fixture = Fixture::new().await;
    fixture.create("running").await;
    fixture.create("waiting").await;
    let (started, gate) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let (starting, open) = (Arc::clone(&started), Arc::clone(&gate));
    let worker = fixture
        .start(1, Duration::from_secs(30), move |_| {
            let (started, gate) = (Arc::clone(&starting), Arc::clone(&open));
            async move {
                started.add_permits(1);
                gate.acquire().await.unwrap().forget();
                accepted()
            }
        })
        .await;
    started.acquire().await.unwrap().forget();

    worker.drain();
    gate.add_permits(10);

    assert_eq!(worker.ended().await.unwrap(), Ended::Drained);
    assert_eq!(fixture.count(SYNCED).await, 1);
    let untouched =
        "SELECT count(*) FROM Jobs WHERE status = 'Pending' AND attempts = 0 AND lock_by IS NULL";
    assert_eq!(fixture.count(untouched).await, 1);
    let signed_off =
        "SELECT count(*) FROM worker_heartbeat WHERE stopped_at IS NOT NULL AND dead_at IS NULL";
    assert_eq!(fixture.count(signed_off).await, 1);
}

#[tokio::test]
async fn a_drain_that_takes_too_long_is_cut_short_and_leaves_the_job_to_others() {
    let fixture = Fixture::new().await;
    fixture.create("hanging").await;
    let started = Arc::new(Semaphore::new(0));
    let starting = Arc::clone(&started);
    let worker = fixture
        .start(1, Duration::from_millis(50), move |_| {
            starting.add_permits(1);
            std::future::pending()
        })
        .await;
    started.acquire().await.unwrap().forget();

    worker.drain();

    assert_eq!(worker.ended().await.unwrap(), Ended::CutShort);
    let left = "SELECT count(*) FROM Jobs JOIN worker_heartbeat ON lock_by = worker_id WHERE stopped_at IS NULL";
    assert_eq!(fixture.count(left).await, 1, "others must find it silent");
}

#[tokio::test]
async fn a_worker_whose_database_was_replaced_ends_by_itself() {
    let fixture = Fixture::new().await;
    let worker = fixture
        .start(1, Duration::from_secs(30), async |_| accepted())
        .await;
    fixture.create("first").await;
    fixture.until(1, SYNCED).await;

    let path = fixture.db.path();
    std::fs::rename(path, path.with_extension("moved")).unwrap();
    fixture.clock.advance(Duration::from_secs(3));

    let ended = tokio::time::timeout(Duration::from_secs(30), worker.ended()).await;
    assert_eq!(ended.unwrap().unwrap(), Ended::Broken);
}
