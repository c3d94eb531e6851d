//! Hours in place of their minutes: which are summed, and when.

use std::sync::Arc;

use super::*;
use crate::{
    clock::{ManualClock, SharedClock},
    queue::hours::{self, sum_hours},
};

/// An hour of [`at`], counted from the Unix epoch.
const FIRST: i64 = 500_000;

async fn run(db: &Db, statement: &'static str) {
    db.write(async move |tx: &mut WriteTx| -> Outcome {
        sqlx::query(statement).execute(&mut *tx).await?;
        Ok(())
    })
    .await
    .unwrap();
}

async fn sum_at(db: &Db, seconds: i64) -> u64 {
    let clock: SharedClock = Arc::new(ManualClock::new(at(seconds)));
    sum_hours(db, &clock, Duration::ZERO).await.unwrap()
}

async fn hours(db: &Db) -> Vec<(i64, String, i64, i64, i64)> {
    sqlx::query_as(
        "SELECT hour, target, accepted, failed, lost FROM sync_hour ORDER BY hour, target",
    )
    .fetch_all(db.readers())
    .await
    .unwrap()
}

async fn position(db: &Db) -> i64 {
    sqlx::query_scalar("SELECT position FROM maintenance WHERE name = 'hours'")
        .fetch_one(db.readers())
        .await
        .unwrap()
}

/// Two targets, in the first hour, in the third, and in the one after.
const MINUTES: &str = "INSERT INTO sync_minute (minute, target, accepted, failed, lost)
     VALUES (30000000, 'a', 1, 2, 3), (30000059, 'a', 10, 20, 30), (30000059, 'b', 5, 0, 0),
            (30000120, 'a', 7, 0, 0), (30000180, 'a', 9, 0, 0);
     INSERT INTO sync_lag (minute, target, upper_ms, syncs)
     VALUES (30000000, 'a', 70, 1), (30000059, 'a', 70, 4), (30000059, 'a', 100, 6)";

#[tokio::test]
async fn an_hour_that_has_been_over_for_a_while_is_summed_once() {
    let (_folder, db) = database().await;
    run(&db, MINUTES).await;

    let early = sum_at(&db, 3 * 3600 + 599).await;
    let before = (hours(&db).await, position(&db).await);
    let due = sum_at(&db, 3 * 3600 + 600).await;
    let again = sum_at(&db, 3 * 3600 + 600).await;

    let first = (FIRST, "a".to_owned(), 11, 22, 33);
    let beside = (FIRST, "b".to_owned(), 5, 0, 0);
    assert_eq!(early, 1);
    assert_eq!(
        before,
        (vec![first.clone(), beside.clone()], FIRST + 2),
        "the third hour is not over for long enough"
    );
    assert_eq!((due, again), (1, 0));
    let third = (FIRST + 2, "a".to_owned(), 7, 0, 0);
    assert_eq!(hours(&db).await, [first, beside, third]);
    assert_eq!(position(&db).await, FIRST + 3);
    let lags: Vec<(i64, i64, i64)> =
        sqlx::query_as("SELECT hour, upper_ms, syncs FROM sync_lag_hour ORDER BY upper_ms")
            .fetch_all(db.readers())
            .await
            .unwrap();
    assert_eq!(lags, [(FIRST, 70, 5), (FIRST, 100, 6)]);
}

#[tokio::test]
async fn a_clock_that_was_set_back_sums_nothing_twice() {
    let (_folder, db) = database().await;
    run(&db, MINUTES).await;
    sum_at(&db, 10 * 3600).await;

    let again = sum_at(&db, 2 * 3600).await;

    assert_eq!((again, position(&db).await), (0, FIRST + 9));
    assert_eq!(hours(&db).await.len(), 4);
}

#[tokio::test]
async fn one_worker_sums_at_a_time() {
    let (_folder, db) = database().await;
    let clock: SharedClock = Arc::new(ManualClock::new(at(10 * 3600)));
    let every = Duration::from_mins(10);
    sum_hours(&db, &clock, every).await.unwrap();
    run(&db, "UPDATE maintenance SET position = 0").await;
    run(&db, MINUTES).await;

    assert_eq!(sum_hours(&db, &clock, every).await.unwrap(), 0);
}

#[tokio::test]
async fn an_hour_is_found_by_an_index_however_many_there_are() {
    let (_folder, db) = database().await;
    let ran = db
        .write(async move |tx: &mut WriteTx| -> Outcome<_> {
            sqlx::query(
                "INSERT INTO maintenance (name, last_run_at) VALUES ('hours', 0);
                 INSERT INTO sync_minute (minute, target) VALUES (1, 'a')",
            )
            .execute(&mut *tx)
            .await?;
            tx.ran.clear();
            hours::sum_next(tx, at(0)).await?;
            let ran = tx.ran.iter().flat_map(|text| text.split(";\n"));
            Ok(ran.map(str::to_owned).collect::<Vec<_>>())
        })
        .await
        .unwrap();

    assert_eq!(ran.len(), 4);
    for statement in ran {
        let explained = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"));
        let plan = sqlx::query(explained)
            .fetch_all(db.readers())
            .await
            .unwrap();
        for line in plan {
            let detail: String = line.get("detail");
            assert!(!detail.starts_with("SCAN"), "{detail} in {statement}");
        }
    }
}
