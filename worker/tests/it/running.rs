//! Claiming and retrying: what runs, when, and how many at once.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::sync::Semaphore;

use crate::fixture::{Fixture, SYNCED, WriteFailed, accepted, unreachable};

const DRAIN: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_commit_of_another_process_wakes_a_sleeping_worker() {
    let fixture = Fixture::new().await;
    fixture.start(4, DRAIN, async |_| accepted()).await;
    fixture.create("first").await;
    fixture.until(1, SYNCED).await;

    // The clock stands still, so no tick can find this one: only the wake can.
    fixture.create("second").await;

    fixture.until(2, SYNCED).await;
}

#[tokio::test]
async fn a_failed_sync_waits_for_its_time_and_no_other_relay_waits_for_it() {
    let fixture = Fixture::new().await;
    let attempts = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&attempts);
    fixture
        .start(1, DRAIN, move |sync| {
            let counted = Arc::clone(&counted);
            async move {
                if sync.desired.settings.subdomain.as_str() == "failing"
                    && counted.fetch_add(1, Ordering::SeqCst) == 0
                {
                    return unreachable();
                }
                accepted()
            }
        })
        .await;
    fixture.create("failing").await;
    fixture
        .until(
            1,
            "SELECT count(*) FROM relay_sync WHERE state = 'retrying' AND failure_streak = 1",
        )
        .await;

    // The only slot is free while the failed relay waits.
    fixture.create("healthy").await;
    fixture.until(1, SYNCED).await;
    assert_eq!(attempts.load(Ordering::SeqCst), 1, "not before its time");
    fixture.clock.advance(Duration::from_secs(61));

    fixture.until(2, SYNCED).await;
    assert_eq!(attempts.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_panicking_sync_is_recorded_and_the_worker_goes_on() {
    let fixture = Fixture::new().await;
    fixture
        .start(2, DRAIN, async |sync| {
            assert_ne!(
                sync.desired.settings.subdomain.as_str(),
                "poison",
                "on purpose"
            );
            accepted()
        })
        .await;
    fixture.create("poison").await;
    fixture.create("healthy").await;

    fixture.until(1, SYNCED).await;
    fixture
        .until(
            1,
            "SELECT count(*) FROM sync_attempt WHERE kind = 'our_fault'",
        )
        .await;
    fixture.create("another").await;
    fixture.until(2, SYNCED).await;
    let quoted = "SELECT count(*) FROM sync_attempt WHERE message LIKE '%on purpose%'";
    assert_eq!(
        fixture.count(quoted).await,
        0,
        "a panic's text may quote a secret"
    );
}

#[tokio::test]
async fn no_more_syncs_run_than_there_are_slots() {
    let fixture = Fixture::new().await;
    for number in 0..12 {
        fixture.create(&format!("r{number}")).await;
    }
    let running = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let gate = Arc::new(Semaphore::new(0));
    let (in_handler, peak, open) = (Arc::clone(&running), Arc::clone(&most), Arc::clone(&gate));
    fixture
        .start(3, DRAIN, move |_| {
            let (running, most, gate) = (
                Arc::clone(&in_handler),
                Arc::clone(&peak),
                Arc::clone(&open),
            );
            async move {
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                gate.acquire().await.unwrap().forget();
                running.fetch_sub(1, Ordering::SeqCst);
                accepted()
            }
        })
        .await;
    let all_started = async {
        while running.load(Ordering::SeqCst) < 3 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DRAIN, all_started).await.unwrap();
    let claimed = "SELECT count(*) FROM Jobs WHERE status = 'Running'";
    for _ in 0..12 {
        assert!(fixture.count(claimed).await <= 3);
        gate.add_permits(1);
    }

    fixture.until(12, SYNCED).await;
    assert_eq!(most.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_relay_that_lost_its_job_is_found_by_the_periodic_look() {
    let fixture = Fixture::new().await;
    fixture.create("forgotten").await;
    fixture
        .db
        .write(
            async move |tx: &mut shared::db::WriteTx| -> Result<(), WriteFailed> {
                sqlx::query("DELETE FROM Jobs").execute(&mut *tx).await?;
                Ok(())
            },
        )
        .await
        .unwrap();

    fixture.start(1, DRAIN, async |_| accepted()).await;

    fixture.until(1, SYNCED).await;
}
