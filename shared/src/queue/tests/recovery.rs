//! Failures, lost workers and unreadable jobs: what comes back, when, and at whose cost.

use std::sync::Arc;

use super::*;
use crate::{
    clock::ManualClock,
    command::{Command, Context, Entropy},
    crypto::{Sealer, SecretsKey},
    domain::ActivityType,
    queue::{liveness::Observer, outcome::Run},
};

async fn observe_until_dead(db: &Db, now: DateTime<Utc>, crash_budget: u32) {
    db.write(async move |tx: &mut WriteTx| -> Outcome {
        let mut observer = Observer::new(Duration::from_secs(10));
        let me = worker_id("observer");
        for look in 0..=4 {
            let monotonic = Duration::from_millis(2500) * look;
            liveness::beat(tx, now, &me, 100, 0).await?;
            liveness::observe(
                tx,
                now,
                monotonic,
                &me,
                &mut observer,
                &POLICY,
                crash_budget,
            )
            .await?;
        }
        Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn ten_orphaned_jobs_some_with_a_waiting_twin_are_recovered_in_one_sweep() {
    let (_folder, db) = database().await;
    populate(&db, 10, &["lost", "observer"]).await;
    enqueue_relays(&db, 10).await;
    assert_eq!(claim_all(&db, at(1), "lost", 100).await.len(), 10);
    db.write(async move |tx: &mut WriteTx| -> Outcome {
        for number in [0, 3, 7] {
            edit(tx, at(2), &relay_id(number)).await?;
        }
        Ok(())
    })
    .await
    .unwrap();

    observe_until_dead(&db, at(12), 3).await;

    let rows = jobs(&db).await;
    let superseded = rows.iter().filter(|row| row.as_str() == "Done|1|-").count();
    let waiting = rows
        .iter()
        .filter(|row| row.starts_with("Pending|0|"))
        .count();
    assert_eq!((superseded, waiting, rows.len()), (3, 10, 13), "{rows:?}");
    let lost: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM sync_attempt WHERE outcome = 'lost' AND kind = 'worker_lost'",
    )
    .fetch_one(db.readers())
    .await
    .unwrap();
    assert_eq!(lost, 10);
    // One at a time: any of them may have been what the worker died of.
    for _ in 0..10 {
        let claimed = claim_all(&db, at(14), "observer", 100).await;
        assert_eq!(claimed.len(), 1);
        record(&db, at(14), vec![accepted(&claimed[0])]).await;
    }
}

#[tokio::test]
async fn a_relay_that_keeps_losing_workers_is_quarantined_and_its_neighbour_is_not() {
    let (_folder, db) = database().await;
    populate(&db, 2, &["a", "b", "observer"]).await;
    enqueue_relays(&db, 2).await;
    let first = claim_all(&db, at(1), "a", 2).await;
    observe_until_dead(&db, at(12), 2).await;
    db.write(async move |tx: &mut WriteTx| -> Outcome {
        Ok(liveness::beat(tx, at(20), &worker_id("b"), 100, 0).await?)
    })
    .await
    .unwrap();
    let again = claim_all(&db, at(20), "b", 1).await;
    assert_eq!((first.len(), again.len()), (2, 1));
    let poison = again[0].desired.id.clone();

    observe_until_dead(&db, at(32), 2).await;

    let quarantined: Vec<String> =
        sqlx::query_scalar("SELECT relay_id FROM relay_sync WHERE quarantined_at IS NOT NULL")
            .fetch_all(db.readers())
            .await
            .unwrap();
    assert_eq!(quarantined, [poison.as_str()]);
    let enqueued = db
        .write(async move |tx: &mut WriteTx| -> Outcome<_> {
            bump_generation(tx, &poison).await?;
            enqueue_edit(tx, at(33), &poison).await
        })
        .await;
    enqueued.unwrap();
    let left = claim_all(&db, at(60), "observer", 10).await;
    assert_eq!(left.len(), 1, "only the neighbour is left to claim");

    // Its worker was only stalled: the crash that led to the quarantine was none.
    record(&db, at(61), vec![accepted(&again[0])]).await;
    assert_eq!(claim_all(&db, at(62), "observer", 10).await.len(), 1);
}

#[tokio::test]
async fn a_cancelled_run_is_not_taken_over() {
    let (_folder, db) = database().await;
    populate(&db, 1, &["lost", "observer"]).await;
    enqueue_relays(&db, 1).await;
    let claimed = claim_all(&db, at(1), "lost", 1).await;
    run_sql(
        &db,
        "UPDATE relay_sync SET failed_generation = desired_generation",
    )
    .await;

    observe_until_dead(&db, at(12), 3).await;

    assert_eq!(jobs(&db).await, ["Killed|1|-"]);
    // Nor sent again when its worker comes back.
    record(&db, at(20), vec![refused(&claimed[0])]).await;
    assert_eq!(jobs(&db).await, ["Killed|1|-"]);
}

#[tokio::test]
async fn an_outcome_of_a_worker_taken_for_dead_is_refused_and_the_relay_is_sent_again() {
    let (_folder, db) = database().await;
    populate(&db, 1, &["stalled", "observer"]).await;
    enqueue_relays(&db, 1).await;
    let stalled = claim_all(&db, at(1), "stalled", 1).await;
    observe_until_dead(&db, at(12), 3).await;
    let taken = claim_all(&db, at(20), "observer", 1).await;

    record(&db, at(21), vec![accepted(&stalled[0])]).await;

    let state = "SELECT synced_generation, desired_generation, crashes FROM relay_sync";
    let (synced, desired, crashes): (i64, i64, i64) =
        sqlx::query_as(state).fetch_one(db.readers()).await.unwrap();
    assert_eq!(
        (synced, desired, crashes),
        (0, 2, 0),
        "the late answer must not count"
    );
    record(&db, at(22), vec![accepted(&taken[0])]).await;
    let last = claim_all(&db, at(23), "observer", 1).await;
    record(&db, at(24), vec![accepted(&last[0])]).await;
    let (synced, desired, _): (i64, i64, i64) =
        sqlx::query_as(state).fetch_one(db.readers()).await.unwrap();
    assert_eq!((synced, desired), (2, 2));
}

#[tokio::test]
async fn a_failing_relay_waits_by_the_schedule_and_is_given_up_after_its_last_attempt() {
    let (_folder, db) = database().await;
    populate(&db, 1, &["w"]).await;
    enqueue_relays(&db, 1).await;
    let mut now = 1;
    for attempt in 1..=3 {
        let claimed = claim_all(&db, at(now), "w", 10).await;
        assert_eq!(claimed.len(), 1, "attempt {attempt}");
        record(&db, at(now), vec![refused(&claimed[0])]).await;
        assert!(
            claim_all(&db, at(now), "w", 10).await.is_empty(),
            "no retry within the same second"
        );
        now += 10;
    }
    assert_eq!(jobs(&db).await, ["Killed|3|-"]);
    let (failed, error): (i64, String) =
        sqlx::query_as("SELECT failed_generation, sync_error FROM relay_sync")
            .fetch_one(db.readers())
            .await
            .unwrap();
    assert_eq!(failed, 1);
    assert!(error.ends_with('.'), "{error}");
}

#[tokio::test]
async fn a_failure_with_a_newer_edit_waiting_gives_way_to_it() {
    let (_folder, db) = database().await;
    populate(&db, 1, &["w"]).await;
    enqueue_relays(&db, 1).await;
    let claimed = claim_all(&db, at(1), "w", 1).await;
    db.write(async move |tx: &mut WriteTx| edit(tx, at(2), &relay_id(0)).await)
        .await
        .unwrap();
    assert!(
        claim_all(&db, at(2), "w", 1).await.is_empty(),
        "its twin still runs"
    );

    record(&db, at(3), vec![refused(&claimed[0])]).await;

    assert_eq!(jobs(&db).await, ["Done|1|-", "Pending|0|0"]);
    assert_eq!(
        claim_all(&db, at(3), "w", 1).await[0]
            .desired
            .generation
            .get(),
        2
    );
}

#[tokio::test]
async fn a_job_that_was_not_started_goes_back_without_losing_an_attempt() {
    let (_folder, db) = database().await;
    populate(&db, 1, &["w"]).await;
    enqueue_relays(&db, 1).await;
    let claimed = claim_all(&db, at(1), "w", 1).await;
    record(
        &db,
        at(2),
        vec![Finished::new(&claimed[0], End::NotStarted)],
    )
    .await;
    assert_eq!(jobs(&db).await, ["Pending|0|0"]);
    let priority: u8 = sqlx::query_scalar("SELECT priority FROM Jobs")
        .fetch_one(db.readers())
        .await
        .unwrap();
    assert_eq!(
        priority,
        Priority::Edit.number(),
        "a person still waits for it"
    );
    let again = claim_all(&db, at(2), "w", 1).await;
    assert_eq!(again[0].attempts, 1);
}

#[tokio::test]
async fn a_retry_after_holds_back_the_edit_that_waits_behind_it() {
    let (_folder, db) = database().await;
    populate(&db, 1, &["w"]).await;
    enqueue_relays(&db, 1).await;
    let claimed = claim_all(&db, at(1), "w", 1).await;
    db.write(async move |tx: &mut WriteTx| edit(tx, at(2), &relay_id(0)).await)
        .await
        .unwrap();
    let mut throttled = refused(&claimed[0]);
    if let End::Reported(SyncReport {
        result: Err(failure),
        ..
    }) = &mut throttled.end
    {
        failure.kind = FailureKind::Throttled;
        failure.retry_after = Some(Duration::from_mins(2));
    }

    record(&db, at(3), vec![throttled]).await;

    assert!(claim_all(&db, at(122), "w", 1).await.is_empty());
    assert_eq!(claim_all(&db, at(123), "w", 1).await.len(), 1);
}

#[tokio::test]
async fn an_unreadable_job_ends_alone() {
    let (_folder, db) = database().await;
    populate(&db, 1, &["w"]).await;
    enqueue_relays(&db, 1).await;
    db.write(async move |tx: &mut WriteTx| -> Outcome {
        for (id, job, key) in [("not-a-ulid", "{", Some("x")), ("01J00000000000000000000000", "{}", None)] {
            sqlx::query(
                "INSERT INTO Jobs (id, job, job_type, status, run_at, priority, metadata, idempotency_key)
                 VALUES ($1, $2, 'sync_relay', 'Pending', 0, 99, $3, $4)",
            )
            .bind(id)
            .bind(job.as_bytes())
            .bind(r#"{"target":"relays.example.com"}"#)
            .bind(key)
            .execute(&mut *tx)
            .await?;
        }
        Ok(())
    })
    .await
    .unwrap();

    let claimed = claim_all(&db, at(1), "w", 10).await;

    assert_eq!(claimed.len(), 1);
    let statuses: Vec<String> = sqlx::query_scalar("SELECT status FROM Jobs ORDER BY rowid")
        .fetch_all(db.readers())
        .await
        .unwrap();
    assert_eq!(statuses, ["Running", "Killed", "Killed"]);
}

#[tokio::test]
async fn a_bad_row_is_replaced_by_our_fault_and_its_neighbours_are_recorded() {
    let (_folder, db) = database().await;
    populate(&db, 2, &["w"]).await;
    enqueue_relays(&db, 2).await;
    let claimed = claim_all(&db, at(1), "w", 2).await;
    let mut bad = accepted(&claimed[0]);
    if let End::Reported(report) = &mut bad.end {
        // The CHECK on relay_sync.accepted refuses it.
        report.result = Ok("no json".to_owned());
    }

    let (refused, neighbour) = (bad.clone(), accepted(&claimed[1]));
    let together = db
        .write(async move |tx: &mut WriteTx| -> Outcome {
            let both = [refused, neighbour];
            outcome::record(tx, at(2), &POLICY, &both, Care::Together).await?;
            Ok(())
        })
        .await;
    assert!(together.is_err(), "together, one refusal refuses the write");

    record(&db, at(2), vec![bad, accepted(&claimed[1])]).await;

    let kinds: Vec<(String, Option<String>)> =
        sqlx::query_as("SELECT outcome, kind FROM sync_attempt ORDER BY id")
            .fetch_all(db.readers())
            .await
            .unwrap();
    assert_eq!(
        kinds,
        [
            ("failed".to_owned(), Some("our_fault".to_owned())),
            ("accepted".to_owned(), None)
        ]
    );
    assert_eq!(jobs(&db).await, ["Pending|1|0", "Done|1|-"]);
}

#[tokio::test]
async fn reconcile_finds_what_no_job_covers_once_per_period() {
    let (_folder, db) = database().await;
    populate(&db, 3, &["w"]).await;
    let reconcile_at = |seconds| {
        let db = db.clone();
        async move {
            db.write(async move |tx: &mut WriteTx| -> Outcome<_> {
                Ok(crate::queue::reconcile(tx, at(seconds), Duration::from_secs(30), 3).await?)
            })
            .await
            .unwrap()
        }
    };
    assert_eq!(reconcile_at(0).await, 3);
    sqlx::query("SELECT 1").execute(db.readers()).await.unwrap();
    db.write(async move |tx: &mut WriteTx| -> Outcome {
        sqlx::query("DELETE FROM Jobs").execute(&mut *tx).await?;
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!(reconcile_at(29).await, 0, "another worker has just looked");
    assert_eq!(reconcile_at(30).await, 3);
    assert_eq!(reconcile_at(60).await, 0, "all are covered");
}

#[tokio::test]
async fn the_sync_commands_record_and_log_what_became_of_a_run() {
    let (_folder, db) = database().await;
    populate(&db, 1, &["w"]).await;
    enqueue_relays(&db, 1).await;
    let command = Command::new(
        db.clone(),
        Context {
            clock: Arc::new(ManualClock::new(at(1))),
            sealer: Sealer::new(SecretsKey::from_bytes(&[7; 32]), Vec::new()),
            entropy: Entropy::seeded(1),
            max_attempts: POLICY.max_attempts,
        },
    );
    let mut announced = command.notify.subscribe();

    let run = Run::from(&claim_all(&db, at(1), "w", 1).await[0]);
    let failure = SyncFailure {
        kind: FailureKind::TargetDisk,
        status: Some(500),
        message: "zooid could not write".to_owned(),
        excerpt: None,
        retry_after: None,
        taken: None,
    };
    command
        .fail_relay_sync(POLICY, run, Some(Verb::Post), failure)
        .await
        .unwrap();
    assert_eq!(
        announced.try_recv().unwrap().activity_type,
        ActivityType::FailRelaySync
    );
    assert_eq!(
        jobs(&db).await,
        ["Pending|0|0"],
        "the target's disk is no fault of the relay's"
    );
    let run = Run::from(&claim_all(&db, at(10), "w", 1).await[0]);
    command
        .complete_relay_sync(run, Verb::Post, 201, "{}".to_owned())
        .await
        .unwrap();

    assert_eq!(
        announced.try_recv().unwrap().activity_type,
        ActivityType::CompleteRelaySync
    );
    assert_eq!(jobs(&db).await, ["Done|1|-"]);
    let state: (i64, String) =
        sqlx::query_as("SELECT synced_generation, sync_error FROM relay_sync")
            .fetch_one(db.readers())
            .await
            .unwrap();
    assert_eq!(state, (1, String::new()));
}
