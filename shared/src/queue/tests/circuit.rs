//! Circuits, pauses and suspects: what is held, for how long, and what it costs everybody else.

use super::*;

const STATE: &str = "SELECT circuit_state FROM target";

async fn fail_claimed(db: &Db, now: i64, slots: usize, kind: FailureKind) -> usize {
    let claimed = claim_all(db, at(now), "w", slots).await;
    let failures = claimed.iter().map(|sync| failed(sync, failure(kind, None)));
    let failures: Vec<Finished> = failures.collect();
    let count = failures.len();
    record(db, at(now), failures).await;
    count
}

#[tokio::test]
async fn one_bad_relay_alone_never_opens_the_circuit() {
    let (_folder, db) = database().await;
    populate(&db, 2, &["w"]).await;
    enqueue_relays(&db, 1).await;
    for round in 1..=20 {
        assert_eq!(
            fail_claimed(&db, round * 100, 1, FailureKind::Unreachable).await,
            1
        );
    }
    assert_eq!(one(&db, STATE).await, "closed");
    assert_eq!(jobs(&db).await, ["Pending|0|0"], "and it spends nothing");

    // The second relay that meets it is one too many.
    db.write(async move |tx: &mut WriteTx| enqueue_edit(tx, at(2001), &relay_id(1)).await)
        .await
        .unwrap();
    fail_claimed(&db, 2001, 1, FailureKind::Unreachable).await;
    assert_eq!(one(&db, STATE).await, "open");
}

#[tokio::test]
async fn the_fifth_failure_in_a_row_opens_it_and_an_answer_in_between_starts_over() {
    let (_folder, db) = database().await;
    populate(&db, 10, &["w"]).await;
    enqueue_relays(&db, 10).await;
    fail_claimed(&db, 1, 4, FailureKind::Unreachable).await;
    let answered = claim_all(&db, at(1), "w", 1).await;
    record(&db, at(1), vec![refused(&answered[0])]).await;
    fail_claimed(&db, 1, 4, FailureKind::TargetDisk).await;
    assert_eq!(one(&db, STATE).await, "closed");

    fail_claimed(&db, 1, 1, FailureKind::Unreachable).await;

    assert_eq!(one(&db, STATE).await, "open");
    assert!(claim_all(&db, at(100_000), "w", 10).await.is_empty());
}

#[tokio::test]
async fn refused_credentials_open_it_at_once() {
    for kind in [FailureKind::CredentialsRefused, FailureKind::KeyNotAllowed] {
        let (_folder, db) = database().await;
        populate(&db, 1, &["w"]).await;
        enqueue_relays(&db, 1).await;

        fail_claimed(&db, 1, 1, kind).await;

        assert_eq!(one(&db, STATE).await, "open");
        assert_eq!(jobs(&db).await, ["Pending|0|0"]);
    }
}

#[tokio::test]
async fn a_held_target_or_queue_hides_its_jobs_from_peek_and_claim() {
    for hold in [
        "UPDATE target SET paused_at = 1",
        "UPDATE target SET circuit_state = 'open', next_probe_at = 1",
        "UPDATE queue SET paused_at = 1",
    ] {
        let (_folder, db) = database().await;
        populate(&db, 1, &["w"]).await;
        enqueue_relays(&db, 1).await;
        run_sql(
            &db,
            "INSERT INTO target (name, circuit_since) VALUES ('relays.example.com', 0)",
        )
        .await;
        run_sql(&db, hold).await;

        let due = claim::next_due(db.readers(), at(1), &[target()], Suspects::One).await;

        assert_eq!(due.unwrap(), None, "{hold}");
        assert!(claim_all(&db, at(1), "w", 1).await.is_empty(), "{hold}");
    }
}

#[tokio::test]
async fn a_worker_takes_one_suspect_at_a_time() {
    let (_folder, db) = database().await;
    populate(&db, 4, &["w"]).await;
    enqueue_relays(&db, 4).await;
    run_sql(
        &db,
        "UPDATE relay_sync SET crashes = 1 WHERE relay_id NOT LIKE '%0'",
    )
    .await;

    let claimed = claim_all(&db, at(1), "w", 10).await;

    let suspects = claimed.iter().filter(|sync| sync.is_suspect).count();
    assert_eq!((claimed.len(), suspects), (2, 1));
    let worker = worker_id("w");
    let more = db
        .write(async move |tx: &mut WriteTx| -> Outcome<_> {
            Ok(claim::claim(tx, at(1), &worker, &[target()], 10, Suspects::None).await?)
        })
        .await
        .unwrap();
    assert!(more.is_empty());
    let due = claim::next_due(db.readers(), at(1), &[target()], Suspects::None).await;
    assert_eq!(due.unwrap(), None, "and does not spin for the others");
}

#[tokio::test]
async fn one_target_that_is_held_delays_no_other() {
    let (_folder, db) = database().await;
    populate(&db, 1, &["w"]).await;
    enqueue_relays(&db, 1).await;
    let other: ZooidDomain = "other.example.com".parse().unwrap();
    run_sql(
        &db,
        "INSERT INTO target (name, circuit_since, circuit_state, next_probe_at) VALUES ('other.example.com', 0, 'open', 1)",
    )
    .await;
    let worker = worker_id("w");

    let claimed = db
        .write(async move |tx: &mut WriteTx| -> Outcome<_> {
            let targets = [other, target()];
            Ok(claim::claim(tx, at(1), &worker, &targets, 1, Suspects::One).await?)
        })
        .await
        .unwrap();

    assert_eq!(claimed.len(), 1);
}
