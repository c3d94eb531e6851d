//! What each kind of failure costs, and when the relay is sent again.

use super::*;
use crate::domain::Taken;

/// Claims the only due job at `now` and fails it with `failure`.
async fn fail_one(db: &Db, now: i64, failure: SyncFailure) {
    let claimed = claim_all(db, at(now), "w", 1).await;
    assert_eq!(claimed.len(), 1, "a job is due at {now}");
    record(db, at(now), vec![failed(&claimed[0], failure)]).await;
}

/// Seconds from `now` to the next run of the only waiting job, and the attempts it has used.
async fn next(db: &Db, now: i64) -> (i64, i64) {
    let (run_at, attempts): (i64, i64) =
        sqlx::query_as("SELECT run_at, attempts FROM Jobs WHERE status = 'Pending'")
            .fetch_one(db.readers())
            .await
            .unwrap();
    (run_at - at(now).timestamp(), attempts)
}

async fn one_relay() -> (tempfile::TempDir, Db) {
    let (folder, db) = database().await;
    populate(&db, 1, &["w"]).await;
    enqueue_relays(&db, 1).await;
    (folder, db)
}

#[tokio::test]
async fn a_refused_configuration_is_final_until_an_edit() {
    for kind in [FailureKind::Invalid, FailureKind::Conflict] {
        let (_folder, db) = one_relay().await;

        fail_one(&db, 1, failure(kind, Some(400))).await;

        assert_eq!(jobs(&db).await, ["Killed|1|-"]);
        assert_eq!(one(&db, "SELECT state FROM relay_sync").await, "failed");
        db.write(async move |tx: &mut WriteTx| edit(tx, at(2), &relay_id(0)).await)
            .await
            .unwrap();
        assert_eq!(one(&db, "SELECT state FROM relay_sync").await, "pending");
        assert_eq!(claim_all(&db, at(2), "w", 1).await.len(), 1);
    }
}

#[tokio::test]
async fn an_ambiguous_call_is_repeated_after_its_deadline_and_once_more_after_it_was_accepted() {
    let (_folder, db) = one_relay().await;

    fail_one(&db, 1, failure(FailureKind::OutcomeUnknown, None)).await;

    let (pause, attempts) = next(&db, 1).await;
    assert_eq!((pause, attempts), (5, 1), "the deadline of a call");
    let claimed = claim_all(&db, at(6), "w", 1).await;
    record(&db, at(6), vec![accepted(&claimed[0])]).await;
    assert!(beat(&db, 60).await.is_empty(), "too early to be settled");
    let settled = beat(&db, 61).await;
    assert_eq!(settled.len(), 1);
    assert_eq!(settled[0].desired.generation.get(), 2);
    record(&db, at(62), vec![accepted(&settled[0])]).await;
    assert!(beat(&db, 500).await.is_empty(), "once is enough");
}

#[tokio::test]
async fn an_attempt_that_starts_later_settles_the_ambiguous_call_as_well() {
    let (_folder, db) = one_relay().await;
    fail_one(&db, 1, failure(FailureKind::OutcomeUnknown, None)).await;

    let claimed = claim_all(&db, at(100), "w", 1).await;
    record(&db, at(101), vec![accepted(&claimed[0])]).await;

    assert_eq!(one(&db, "SELECT settle_at FROM relay_sync").await, "NULL");
    assert!(beat(&db, 500).await.is_empty());
}

/// One turn of the only worker that beats and claims at `now`.
async fn beat(db: &Db, now: i64) -> Vec<ClaimedSync> {
    db.write(async move |tx: &mut WriteTx| -> Outcome {
        Ok(crate::queue::settle::settle(tx, at(now), POLICY.max_attempts).await?)
    })
    .await
    .unwrap();
    claim_all(db, at(now), "w", 10).await
}

#[tokio::test]
async fn a_retry_after_is_kept_to_the_second_and_costs_no_attempt() {
    let (_folder, db) = one_relay().await;
    let mut asked = failure(FailureKind::Throttled, Some(500));
    for (retry_after, pause) in [(1, 1), (90, 90), (86_400, 3_600)] {
        asked.retry_after = Some(Duration::from_secs(retry_after));
        let now = one(&db, "SELECT run_at FROM Jobs WHERE status = 'Pending'").await;
        let now = now.parse::<i64>().unwrap() - at(0).timestamp();

        fail_one(&db, now, asked.clone()).await;

        assert_eq!(next(&db, now).await, (pause, 0));
    }
}

#[tokio::test]
async fn a_target_that_asks_for_a_pause_gets_it_from_all_its_relays() {
    for status in [429, 503] {
        let (_folder, db) = database().await;
        populate(&db, 2, &["w"]).await;
        enqueue_relays(&db, 2).await;
        let mut asked = failure(FailureKind::Throttled, Some(status));
        asked.retry_after = Some(Duration::from_secs(30));

        fail_one(&db, 1, asked).await;

        assert!(claim_all(&db, at(30), "w", 10).await.is_empty());
        assert_eq!(claim_all(&db, at(31), "w", 10).await.len(), 2);
    }
}

#[tokio::test]
async fn the_third_fault_of_our_own_in_a_row_quarantines_the_relay() {
    let (_folder, db) = one_relay().await;
    let ours = || failure(FailureKind::OurFault, None);
    fail_one(&db, 10, ours()).await;
    fail_one(&db, 20, failure(FailureKind::ServerError, Some(500))).await;
    // Beyond the job's own budget: an edit starts it over, the faults are still in a row only since the answer.
    enqueue_relays(&db, 1).await;
    fail_one(&db, 30, ours()).await;
    fail_one(&db, 40, ours()).await;
    assert_eq!(one(&db, "SELECT state FROM relay_sync").await, "retrying");

    fail_one(&db, 50, ours()).await;

    assert_eq!(
        one(&db, "SELECT state FROM relay_sync").await,
        "quarantined"
    );
    assert!(claim_all(&db, at(10_000), "w", 1).await.is_empty());
}

/// Relay 1 wants the host that relay 0 has in zooid.
async fn wants_the_host_of_another() -> (tempfile::TempDir, Db) {
    let (folder, db) = database().await;
    populate(&db, 2, &["w"]).await;
    run_sql(
        &db,
        "UPDATE relay_sync
         SET synced_generation = 1, synced_at = 1, accepted = '{\"host\":\"r1.relays.example.com\"}'
         WHERE relay_id LIKE '%0'",
    )
    .await;
    db.write(async move |tx: &mut WriteTx| enqueue_edit(tx, at(0), &relay_id(1)).await)
        .await
        .unwrap();
    (folder, db)
}

fn host_in_use() -> SyncFailure {
    SyncFailure {
        taken: Some(Taken::Host),
        ..failure(FailureKind::Conflict, Some(409))
    }
}

#[tokio::test]
async fn a_relay_waits_for_the_one_that_is_about_to_leave_its_host() {
    let (_folder, db) = wants_the_host_of_another().await;

    fail_one(&db, 1, host_in_use()).await;

    assert_eq!(next(&db, 1).await, (8, 0), "no attempt is spent");
    let blocked = "SELECT state || ' ' || failure_kind FROM relay_sync WHERE relay_id LIKE '%1'";
    assert_eq!(one(&db, blocked).await, "held blocked");
    // The other one moves: whoever waited for it is due at once.
    db.write(async move |tx: &mut WriteTx| edit(tx, at(2), &relay_id(0)).await)
        .await
        .unwrap();
    let leaving = claim_all(&db, at(2), "w", 10).await;
    assert_eq!(leaving.len(), 1);
    record(&db, at(3), vec![accepted(&leaving[0])]).await;
    let follows = claim_all(&db, at(3), "w", 10).await;
    assert_eq!(follows.len(), 1);
    assert_eq!(follows[0].desired.id, relay_id(1));
}

#[tokio::test]
async fn a_refusal_over_a_host_that_was_left_meanwhile_is_no_reason_to_give_up() {
    for same_turn in [true, false] {
        let (_folder, db) = wants_the_host_of_another().await;
        db.write(async move |tx: &mut WriteTx| edit(tx, at(0), &relay_id(0)).await)
            .await
            .unwrap();
        let claimed = claim_all(&db, at(1), "w", 10).await;
        let of = |number| {
            let sync = claimed
                .iter()
                .find(|sync| sync.desired.id == relay_id(number));
            sync.unwrap()
        };
        let left = SyncReport {
            verb: Some(Verb::Patch),
            status: Some(200),
            result: Ok(r#"{"host":"r0.relays.example.com"}"#.to_owned()),
        };
        let left = Finished::new(of(0), End::Reported(left));
        let refused = failed(of(1), host_in_use());

        if same_turn {
            db.write(async move |tx: &mut WriteTx| -> Outcome {
                outcome::record(tx, at(2), &POLICY, &[left, refused], Care::Together).await?;
                Ok(())
            })
            .await
            .unwrap();
        } else {
            record(&db, at(2), vec![left]).await;
            record(&db, at(2), vec![refused]).await;
        }

        assert_eq!(next(&db, 2).await, (0, 0), "{same_turn}");
        let state = "SELECT state FROM relay_sync WHERE relay_id LIKE '%1'";
        assert_eq!(one(&db, state).await, "retrying", "{same_turn}");
    }
}

#[tokio::test]
async fn a_host_whose_holder_stays_is_a_conflict_that_names_it() {
    let (_folder, db) = wants_the_host_of_another().await;
    run_sql(
        &db,
        "UPDATE relay_sync
         SET accepted = '{\"host\":\"r0.relays.example.com\"}'
         WHERE relay_id LIKE '%0'",
    )
    .await;
    run_sql(
        &db,
        "UPDATE relay
         SET custom_domain = 'r0.relays.example.com', custom_domain_verified = 1
         WHERE id LIKE '%1'",
    )
    .await;

    fail_one(&db, 1, host_in_use()).await;

    let failed = "SELECT state || ' ' || failure_kind FROM relay_sync WHERE relay_id LIKE '%1'";
    assert_eq!(one(&db, failed).await, "failed conflict");
    let message = one(&db, "SELECT message FROM sync_attempt").await;
    assert!(message.contains(relay_id(0).as_str()), "{message}");
}

#[tokio::test]
async fn two_relays_that_wait_for_one_another_are_a_conflict() {
    let (_folder, db) = wants_the_host_of_another().await;
    run_sql(
        &db,
        "UPDATE relay_sync
         SET blocked_by = (SELECT id FROM relay WHERE id LIKE '%1')
         WHERE relay_id LIKE '%0'",
    )
    .await;

    fail_one(&db, 1, host_in_use()).await;

    let failed = "SELECT state || ' ' || failure_kind FROM relay_sync WHERE relay_id LIKE '%1'";
    assert_eq!(one(&db, failed).await, "failed conflict");
}

#[tokio::test]
async fn a_run_that_was_cancelled_meanwhile_is_not_repeated() {
    let (_folder, db) = one_relay().await;
    let claimed = claim_all(&db, at(1), "w", 1).await;
    run_sql(
        &db,
        "UPDATE relay_sync SET failed_generation = desired_generation",
    )
    .await;

    record(&db, at(2), vec![refused(&claimed[0])]).await;

    assert_eq!(jobs(&db).await, ["Killed|1|-"]);
}

#[tokio::test]
async fn a_cancelled_run_is_not_repeated_when_it_never_started_either() {
    let (_folder, db) = one_relay().await;
    let claimed = claim_all(&db, at(1), "w", 1).await;
    run_sql(
        &db,
        "UPDATE relay_sync
         SET failed_generation = desired_generation, failure_kind = 'cancelled', sync_error = 'Stopped.'",
    )
    .await;

    record(
        &db,
        at(2),
        vec![Finished::new(&claimed[0], End::NotStarted)],
    )
    .await;

    assert_eq!(jobs(&db).await, ["Killed|1|-"]);
    assert_eq!(
        one(&db, "SELECT sync_error FROM relay_sync").await,
        "Stopped."
    );
}

#[tokio::test]
async fn a_relay_that_is_given_up_promises_nothing_and_keeps_the_first_reason() {
    let (_folder, db) = one_relay().await;
    for now in [10, 20, 30] {
        fail_one(&db, now, failure(FailureKind::ServerError, Some(500))).await;
    }

    assert_eq!(one(&db, "SELECT state FROM relay_sync").await, "failed");
    let sentence = one(&db, "SELECT sync_error FROM relay_sync").await;
    assert!(!sentence.contains("try again"), "{sentence}");
}

#[tokio::test]
async fn a_relay_that_gets_in_step_while_it_is_paused_is_out_of_step_no_more() {
    let (_folder, db) = one_relay().await;
    let claimed = claim_all(&db, at(1), "w", 1).await;
    run_sql(&db, "UPDATE relay_sync SET paused_at = 1").await;

    record(&db, at(2), vec![accepted(&claimed[0])]).await;

    assert_eq!(one(&db, "SELECT dirty_since FROM relay_sync").await, "NULL");
}

#[tokio::test]
async fn a_retry_after_of_nothing_leaves_the_schedule_as_it_is() {
    let (_folder, db) = one_relay().await;
    let mut asked = failure(FailureKind::Throttled, Some(500));
    asked.retry_after = Some(Duration::ZERO);
    let mut now = 1;
    for _ in 0..6 {
        fail_one(&db, now, asked.clone()).await;
        now += 10;
    }

    assert!(
        next(&db, now - 10).await.0 >= 4,
        "the pauses grow up to the cap of 8 s"
    );
}

#[tokio::test]
async fn failures_of_one_cause_are_one_group_that_empties_as_relays_recover() {
    let (_folder, db) = database().await;
    populate(&db, 3, &["w"]).await;
    enqueue_relays(&db, 3).await;
    let claimed = claim_all(&db, at(1), "w", 3).await;
    let failures = claimed
        .iter()
        .map(|sync| {
            let mut failure = failure(FailureKind::ServerError, Some(500));
            failure.message = format!("zooid stumbled over {}", sync.desired.id);
            failed(sync, failure)
        })
        .collect();

    record(&db, at(1), failures).await;

    let group = "SELECT group_concat(relays || ' of ' || attempts) FROM failure_group";
    assert_eq!(one(&db, group).await, "3 of 3");
    let again = claim_all(&db, at(10), "w", 3).await;
    record(&db, at(10), again[..2].iter().map(accepted).collect()).await;
    assert_eq!(one(&db, group).await, "1 of 3");
}

#[tokio::test]
async fn the_lag_is_counted_from_the_first_commit_that_zooid_did_not_know() {
    let (_folder, db) = one_relay().await;
    let claimed = claim_all(&db, at(1), "w", 1).await;
    db.write(async move |tx: &mut WriteTx| edit(tx, at(2), &relay_id(0)).await)
        .await
        .unwrap();
    record(&db, at(3), vec![accepted(&claimed[0])]).await;
    assert_eq!(
        one(&db, "SELECT count(*) FROM sync_lag").await,
        "0",
        "still out of step"
    );
    let claimed = claim_all(&db, at(4), "w", 1).await;

    record(&db, at(4), vec![accepted(&claimed[0])]).await;

    assert_eq!(
        one(&db, "SELECT upper_ms || 'x' || syncs FROM sync_lag").await,
        "4000x1"
    );
    assert_eq!(one(&db, "SELECT dirty_since FROM relay_sync").await, "NULL");
    let counts = "SELECT group_concat(state || ' ' || relays) FROM relay_count WHERE relays > 0";
    assert_eq!(one(&db, counts).await, "synced 1");
}
