//! What pruning forgets, what it keeps, and what its statements cost.

use std::{collections::BTreeSet, sync::Arc};

use super::*;
use crate::{
    clock::{ManualClock, SharedClock},
    config::PruneConfig,
    queue::{
        Pruned,
        prune::{self, Kind},
    },
};

const RULES: PruneConfig = PruneConfig {
    after: Duration::from_hours(14 * 24),
    keep_rows: 1_000_000,
};
const DAY: i64 = 86_400;

async fn run(db: &Db, statements: &[&'static str]) {
    let statements = statements.to_vec();
    db.write(async move |tx: &mut WriteTx| -> Outcome {
        for statement in statements {
            sqlx::query(statement).execute(&mut *tx).await?;
        }
        Ok(())
    })
    .await
    .unwrap();
}

async fn prune_at(db: &Db, now: i64, rules: PruneConfig) -> Pruned {
    let clock: SharedClock = Arc::new(ManualClock::new(at(now)));
    prune::prune(db, &clock, rules, Duration::ZERO)
        .await
        .unwrap()
}

async fn texts(db: &Db, sql: &'static str) -> Vec<String> {
    sqlx::query_scalar(sql)
        .fetch_all(db.readers())
        .await
        .unwrap()
}

/// Gives a relay the ended attempts `numbers`, each begun and ended at `second`.
async fn attempts(db: &Db, relay: usize, numbers: std::ops::RangeInclusive<i64>, second: i64) {
    let relay = relay_id(relay);
    db.write(async move |tx: &mut WriteTx| -> Outcome {
        for number in numbers {
            sqlx::query(
                "INSERT INTO sync_attempt (relay_id, number, job_id, generation, worker_id, outcome, started_at, finished_at)
                 VALUES ($1, $2, 'j', 1, 'w', 'accepted', $3, $3)",
            )
            .bind(relay.as_str())
            .bind(number)
            .bind(at(second).timestamp_millis())
            .execute(&mut *tx)
            .await?;
        }
        Ok(())
    })
    .await
    .unwrap();
}

/// `relay.number` of every attempt.
async fn attempts_left(db: &Db) -> Vec<String> {
    texts(
        db,
        "SELECT CAST(substr(relay_id, 4) AS INTEGER) || '.' || number FROM sync_attempt ORDER BY relay_id, number",
    )
    .await
}

#[tokio::test]
async fn jobs_that_ended_long_ago_go_and_nothing_else() {
    let (_folder, db) = database().await;
    populate(&db, 1, &["w"]).await;
    run(
        &db,
        &[
            "INSERT INTO Jobs (id, job, job_type, status, run_at, done_at, lock_by)
             VALUES ('old-done', '', 'sync_relay', 'Done', 0, 1800000000, NULL),
                    ('old-killed', '', 'sync_relay', 'Killed', 0, 1800000000, NULL),
                    ('young-done', '', 'sync_relay', 'Done', 0, 1800000000 + 10 * 86400, NULL),
                    ('waiting', '', 'sync_relay', 'Pending', 0, NULL, NULL),
                    ('running', '', 'sync_relay', 'Running', 0, NULL, 'w')",
        ],
    )
    .await;

    let pruned = prune_at(&db, 20 * DAY, RULES).await;

    assert_eq!(pruned.jobs, 2);
    let left = texts(&db, "SELECT id FROM Jobs ORDER BY id").await;
    assert_eq!(left, ["running", "waiting", "young-done"]);
}

#[tokio::test]
async fn more_jobs_and_attempts_than_are_kept_go_however_young_they_are() {
    let (_folder, db) = database().await;
    populate(&db, 1, &[]).await;
    attempts(&db, 0, 1..=20, 0).await;
    run(
        &db,
        &[
            "INSERT INTO Jobs (id, job, job_type, status, run_at, done_at)
           WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 1500)
           SELECT 'j' || n, '', 'sync_relay', 'Done', 0, 1800000000 + n FROM number",
        ],
    )
    .await;
    let rules = PruneConfig {
        keep_rows: 8,
        ..RULES
    };

    let pruned = prune_at(&db, 2000, rules).await;

    assert_eq!((pruned.jobs, pruned.attempts), (1492, 12));
    assert_eq!(pruned.rows(), 1504);
    let oldest = texts(&db, "SELECT id FROM Jobs ORDER BY done_at LIMIT 1").await;
    assert_eq!(oldest, ["j1493"]);
    assert_eq!(attempts_left(&db).await[0], "0.13");
}

#[tokio::test]
async fn a_relay_keeps_its_newest_attempts_until_newer_ones_have_grown_old() {
    let (_folder, db) = database().await;
    populate(&db, 2, &[]).await;
    attempts(&db, 0, 1..=9, 0).await;
    attempts(&db, 1, 1..=2, 0).await;
    prune_at(&db, 20 * DAY, RULES).await;
    assert_eq!(
        attempts_left(&db).await,
        ["0.5", "0.6", "0.7", "0.8", "0.9", "1.1", "1.2"]
    );

    attempts(&db, 0, 10..=16, 20 * DAY).await;
    let soon = prune_at(&db, 21 * DAY, RULES).await;
    let late = prune_at(&db, 40 * DAY, RULES).await;

    assert_eq!((soon.attempts, late.attempts), (0, 7));
    assert_eq!(
        attempts_left(&db).await,
        ["0.12", "0.13", "0.14", "0.15", "0.16", "1.1", "1.2"]
    );
}

#[tokio::test]
async fn kept_attempts_are_not_looked_at_again() {
    let (_folder, db) = database().await;
    populate(&db, 300, &[]).await;
    for relay in 0..300 {
        attempts(&db, relay, 1..=4, 0).await;
    }

    prune_at(&db, 20 * DAY, RULES).await;

    let position = texts(
        &db,
        "SELECT CAST(position AS TEXT) FROM maintenance WHERE name = 'prune'",
    )
    .await;
    assert_eq!(attempts_left(&db).await.len(), 1200);
    assert_eq!(position, ["1200"]);
}

#[tokio::test]
async fn an_open_attempt_stays_and_stops_no_other() {
    let (_folder, db) = database().await;
    populate(&db, 1, &[]).await;
    attempts(&db, 0, 1..=9, 0).await;
    run(
        &db,
        &["UPDATE sync_attempt SET outcome = NULL, finished_at = NULL WHERE number = 2"],
    )
    .await;

    prune_at(&db, 20 * DAY, RULES).await;

    assert_eq!(
        attempts_left(&db).await,
        ["0.2", "0.5", "0.6", "0.7", "0.8", "0.9"]
    );
}

#[tokio::test]
async fn a_worker_goes_once_no_job_names_it() {
    let (_folder, db) = database().await;
    populate(&db, 1, &["alive", "stopped", "dead", "holding"]).await;
    run(
        &db,
        &[
            "UPDATE worker_heartbeat SET stopped_at = 1800000000000 WHERE worker_id = 'stopped'",
            "UPDATE worker_heartbeat SET dead_at = 1800000000000 WHERE worker_id IN ('dead', 'holding')",
            "INSERT INTO Jobs (id, job, job_type, status, lock_by) VALUES ('j', '', 'sync_relay', 'Running', 'holding')",
        ],
    )
    .await;

    let early = prune_at(&db, 13 * DAY, RULES).await;
    let due = prune_at(&db, 15 * DAY, RULES).await;

    assert_eq!((early.workers, due.workers), (0, 2));
    assert_eq!(
        texts(&db, "SELECT id FROM Workers ORDER BY id").await,
        ["alive", "holding"]
    );
    let beating = "SELECT worker_id FROM worker_heartbeat ORDER BY worker_id";
    assert_eq!(texts(&db, beating).await, ["alive", "holding"]);
}

#[tokio::test]
async fn a_failure_group_goes_with_the_last_attempt_that_names_it() {
    let (_folder, db) = database().await;
    populate(&db, 1, &[]).await;
    attempts(&db, 0, 1..=6, 0).await;
    run(
        &db,
        &[
            "INSERT INTO failure_group (id, fingerprint, target, kind, pattern, message, first_seen_at, last_seen_at)
             VALUES (1, 'gone', 't', 'invalid', '', '', 0, 1800000000000),
                    (2, 'kept', 't', 'invalid', '', '', 0, 1800000000000),
                    (3, 'shown', 't', 'invalid', '', '', 0, 1800000000000)",
            "UPDATE sync_attempt SET failure_group_id = 1 WHERE number = 1",
            "UPDATE sync_attempt SET failure_group_id = 2 WHERE number = 2",
            "UPDATE relay_sync SET failure_group_id = 3",
        ],
    )
    .await;

    let pruned = prune_at(&db, 20 * DAY, RULES).await;

    assert_eq!((pruned.attempts, pruned.groups), (1, 1));
    let left = texts(&db, "SELECT fingerprint FROM failure_group ORDER BY id").await;
    assert_eq!(left, ["kept", "shown"]);
}

#[tokio::test]
async fn old_minutes_and_hours_go_and_the_lag_of_all_time_stays() {
    let (_folder, db) = database().await;
    populate(&db, 1, &[]).await;
    run(
        &db,
        &[
            "UPDATE relay_sync SET dirty_since = 1800000000000",
            "INSERT INTO sync_attempt (relay_id, number, job_id, generation, worker_id, target, started_at)
             SELECT relay_id, 1, 'j', 1, 'w', target, 1800000000000 FROM relay_sync",
            "UPDATE sync_attempt SET outcome = 'accepted', finished_at = 1800000000120",
            "INSERT INTO sync_hour (hour, target, accepted, failed, lost) VALUES (500000, 'relays.example.com', 1, 0, 0)",
            "INSERT INTO sync_lag_hour (hour, target, upper_ms, syncs) VALUES (500000, 'relays.example.com', 130, 1)",
        ],
    )
    .await;

    let early = prune_at(&db, 13 * DAY, RULES).await;
    let due = prune_at(&db, 15 * DAY, RULES).await;

    assert_eq!((early.minutes, due.minutes), (0, 4));
    let lags = "SELECT target || ' ' || upper_ms || ' ' || syncs || ' ' || total_ms FROM lag_count";
    assert_eq!(texts(&db, lags).await, ["relays.example.com 130 1 120"]);
}

#[tokio::test]
async fn one_worker_prunes_at_a_time() {
    let (_folder, db) = database().await;
    let clock: SharedClock = Arc::new(ManualClock::new(at(20 * DAY)));
    let every = Duration::from_mins(10);
    prune::prune(&db, &clock, RULES, every).await.unwrap();
    populate(&db, 1, &[]).await;
    attempts(&db, 0, 1..=9, 0).await;

    let again = prune::prune(&db, &clock, RULES, every).await.unwrap();

    assert_eq!(again, Pruned::default());
}

/// Every row is in reach of an index: what is kept costs nothing.
#[tokio::test]
async fn no_statement_of_pruning_scans_a_table() {
    let (_folder, db) = database().await;
    populate(&db, 30, &["w"]).await;
    for relay in 0..30 {
        attempts(&db, relay, 1..=100, 0).await;
    }
    run(
        &db,
        &[
            "INSERT INTO Jobs (id, job, job_type, status, run_at, done_at)
           WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 2000)
           SELECT 'j' || n, '', 'sync_relay', 'Done', 0, 1800000000 + n FROM number",
            // A table of a single row is read whole, and rightly.
            "INSERT INTO Workers (id, worker_type, storage_name)
           WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 2000)
           SELECT 'w' || n, 'sync_relay', 'caravel' FROM number",
            "INSERT INTO worker_heartbeat (worker_id, beat_at, started_at, stopped_at, pid, slots)
           SELECT id, 0, 0, 0, 1, 1 FROM Workers WHERE id <> 'w'",
            "ANALYZE",
        ],
    )
    .await;
    let limits = prune::limits(&db, at(20 * DAY), RULES).await.unwrap();
    let statements: BTreeSet<String> = db
        .write(async move |tx: &mut WriteTx| -> Outcome<_> {
            for kind in Kind::ALL {
                prune::delete_batch(tx, kind, limits).await?;
            }
            Ok(tx.ran.clone())
        })
        .await
        .unwrap();

    assert_eq!(statements.len(), 11);
    for statement in statements {
        let explained = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"));
        let plan = sqlx::query(explained)
            .fetch_all(db.readers())
            .await
            .unwrap();
        for line in plan {
            let detail: String = line.get("detail");
            // json_each is the list that the statement is given.
            let scans = detail.starts_with("SCAN") && !detail.contains("VIRTUAL TABLE");
            assert!(!scans, "{detail} in {statement}");
        }
    }
}
