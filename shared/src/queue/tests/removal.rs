//! Relays that were removed: their syncs, and when their names are free.

use super::*;
use crate::{domain::ABSENT, queue::settle::settle};

const NAMES: &str = "SELECT coalesce(gone_at - 1800000000, 'taken') FROM relay WHERE id LIKE '%0'";

async fn remove(db: &Db, now: DateTime<Utc>) {
    db.write(async move |tx: &mut WriteTx| -> Outcome {
        sqlx::query("UPDATE relay SET removed_at = $1 WHERE id LIKE '%0'")
            .bind(now.timestamp())
            .execute(&mut *tx)
            .await?;
        edit(tx, now, &relay_id(0)).await
    })
    .await
    .unwrap();
}

fn deleted(sync: &ClaimedSync) -> Finished {
    assert!(sync.desired.is_removed);
    let report = SyncReport {
        verb: Some(Verb::Delete),
        status: Some(404),
        result: Ok(ABSENT.to_owned()),
    };
    Finished::new(sync, End::Reported(report))
}

async fn claim_one(db: &Db, now: DateTime<Utc>) -> ClaimedSync {
    let mut claimed = claim_all(db, now, "w", 1).await;
    claimed.remove(0)
}

async fn settle_at(db: &Db, now: DateTime<Utc>) {
    db.write(async move |tx: &mut WriteTx| -> Outcome { Ok(settle(tx, now, 3).await?) })
        .await
        .unwrap();
}

async fn one_relay() -> (tempfile::TempDir, Db) {
    let (folder, db) = database().await;
    populate(&db, 1, &["w"]).await;
    enqueue_relays(&db, 1).await;
    (folder, db)
}

#[tokio::test]
async fn the_names_of_a_removed_relay_are_free_when_zooid_has_confirmed() {
    let (_folder, db) = one_relay().await;
    let first = claim_one(&db, at(1)).await;
    remove(&db, at(2)).await;

    // What was on its way before is accepted: that is no answer to the removal.
    record(&db, at(3), vec![accepted(&first)]).await;
    assert_eq!(one(&db, NAMES).await, "taken");
    let sync = claim_one(&db, at(4)).await;
    record(&db, at(5), vec![deleted(&sync)]).await;

    assert_eq!(one(&db, NAMES).await, "5");
    let attempt =
        "SELECT verb || ' ' || http_status || ' ' || outcome FROM sync_attempt WHERE number = 2";
    assert_eq!(one(&db, attempt).await, "DELETE 404 accepted");
    assert_eq!(one(&db, "SELECT state FROM relay_sync").await, "synced");
    assert_eq!(
        one(&db, "SELECT sum(relays) FROM standing_count").await,
        "0"
    );
}

#[tokio::test]
async fn nothing_holds_a_relay_back_that_is_gone() {
    let (_folder, db) = one_relay().await;
    remove(&db, at(1)).await;
    let sync = claim_one(&db, at(2)).await;
    run_sql(
        &db,
        "UPDATE relay_sync SET paused_at = 1, quarantined_at = 1",
    )
    .await;

    record(&db, at(3), vec![deleted(&sync)]).await;

    assert_eq!(one(&db, NAMES).await, "3");
    assert_eq!(one(&db, "SELECT state FROM relay_sync").await, "synced");
    assert_eq!(
        one(&db, "SELECT sum(relays) FROM standing_count").await,
        "0"
    );
}

#[tokio::test]
async fn the_names_stay_taken_while_an_earlier_call_may_still_bring_the_relay_back() {
    let (_folder, db) = one_relay().await;
    let first = claim_one(&db, at(1)).await;
    let unknown = failure(FailureKind::OutcomeUnknown, None);
    record(&db, at(2), vec![failed(&first, unknown)]).await;
    remove(&db, at(3)).await;

    let sync = claim_one(&db, at(10)).await;
    record(&db, at(11), vec![deleted(&sync)]).await;
    assert_eq!(one(&db, "SELECT state FROM relay_sync").await, "synced");
    assert_eq!(one(&db, NAMES).await, "taken");

    settle_at(&db, at(62)).await;
    let again = claim_one(&db, at(63)).await;
    record(&db, at(64), vec![deleted(&again)]).await;

    assert_eq!(one(&db, NAMES).await, "64");
}

#[tokio::test]
async fn a_removal_whose_answer_was_lost_is_sent_again_and_once_more() {
    let (_folder, db) = one_relay().await;
    remove(&db, at(1)).await;
    let unanswered = claim_one(&db, at(2)).await;
    let unknown = failure(FailureKind::OutcomeUnknown, None);
    record(&db, at(3), vec![failed(&unanswered, unknown)]).await;

    let again = claim_one(&db, at(20)).await;
    record(&db, at(21), vec![deleted(&again)]).await;
    assert_eq!(one(&db, NAMES).await, "taken");
    settle_at(&db, at(100)).await;
    let last = claim_one(&db, at(101)).await;
    record(&db, at(102), vec![deleted(&last)]).await;

    assert_eq!(one(&db, NAMES).await, "102");
}

#[tokio::test]
async fn a_removed_relay_has_left_its_host_when_another_one_was_refused_for_it_meanwhile() {
    let (_folder, db) = database().await;
    populate(&db, 2, &["w"]).await;
    run_sql(
        &db,
        "UPDATE relay_sync
         SET synced_generation = 1, synced_at = 1, accepted = '{\"host\":\"wanted.example.com\"}'
         WHERE relay_id LIKE '%0'",
    )
    .await;
    run_sql(
        &db,
        "UPDATE relay
         SET custom_domain = 'wanted.example.com', custom_domain_verified = 1
         WHERE id LIKE '%1'",
    )
    .await;
    remove(&db, at(0)).await;
    db.write(async move |tx: &mut WriteTx| edit(tx, at(0), &relay_id(1)).await)
        .await
        .unwrap();
    let claimed = claim_all(&db, at(1), "w", 2).await;
    let of = |number| {
        let of = claimed
            .iter()
            .find(|sync| sync.desired.id == relay_id(number));
        of.unwrap()
    };
    let refused = SyncFailure {
        taken: Some(crate::domain::Taken::Host),
        ..failure(FailureKind::Conflict, Some(409))
    };

    record(&db, at(2), vec![deleted(of(0))]).await;
    record(&db, at(2), vec![failed(of(1), refused)]).await;

    let state = "SELECT state FROM relay_sync WHERE relay_id LIKE '%1'";
    assert_eq!(one(&db, state).await, "retrying");
}
