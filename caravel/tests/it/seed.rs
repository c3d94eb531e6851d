//! An invented fleet is as a real one would have become: its counts are what counting gives, and whoever reads it can.

use serde_json::Value;
use sqlx::{ConnectOptions as _, SqliteConnection, sqlite::SqliteConnectOptions};

use crate::command::refused;
use crate::installation::Installation;

/// What must give no row: where a count differs from what it counts, or a row from what it follows from.
const FINDINGS: [(&str, &str); 12] = [
    (
        "relays are miscounted",
        "SELECT target || ' ' || state
         FROM relay_count
         WHERE relays <> (SELECT count(*)
                          FROM relay_sync
                          WHERE relay_sync.target = relay_count.target
                            AND relay_sync.state = relay_count.state)",
    ),
    (
        "a state is not what its rows say",
        "SELECT relay_id
         FROM relay_sync
         INNER JOIN relay_state USING (relay_id)
         WHERE relay_sync.state <> relay_state.state",
    ),
    (
        "attempts by outcome are miscounted",
        "SELECT target || ' ' || outcome || ' ' || kind
         FROM attempt_count
         WHERE (attempts, total_ms) IS NOT (SELECT count(*), sum(finished_at - started_at)
                                            FROM sync_attempt
                                            WHERE sync_attempt.target = attempt_count.target
                                              AND sync_attempt.outcome = attempt_count.outcome
                                              AND coalesce(sync_attempt.kind, '') = attempt_count.kind)",
    ),
    (
        "a minute is miscounted",
        "SELECT minute || ' ' || target
         FROM sync_minute
         WHERE (accepted, failed, lost) IS NOT (SELECT sum(outcome = 'accepted'), sum(outcome = 'failed'), sum(outcome = 'lost')
                                                FROM sync_attempt
                                                WHERE sync_attempt.target = sync_minute.target
                                                  AND finished_at / 60000 = minute)",
    ),
    (
        "minutes are missing",
        "SELECT id
         FROM sync_attempt
         WHERE NOT EXISTS (SELECT 1
                           FROM sync_minute
                           WHERE sync_minute.target = sync_attempt.target
                             AND minute = finished_at / 60000)",
    ),
    (
        "lags differ from the attempts that were accepted",
        "SELECT target
         FROM lag_count
         GROUP BY target
         HAVING sum(syncs) <> (SELECT count(*)
                               FROM sync_attempt
                               WHERE sync_attempt.target = lag_count.target
                                 AND outcome = 'accepted')
             OR sum(syncs) <> (SELECT sum(syncs) FROM sync_lag WHERE sync_lag.target = lag_count.target)",
    ),
    (
        "an hour is not the sum of its minutes",
        "SELECT hour || ' ' || target
         FROM sync_hour
         WHERE (accepted, failed, lost) IS NOT (SELECT sum(accepted), sum(failed), sum(lost)
                                                FROM sync_minute
                                                WHERE sync_minute.target = sync_hour.target
                                                  AND minute / 60 = hour)",
    ),
    (
        "a failure group is miscounted",
        "SELECT id
         FROM failure_group
         WHERE relays <> (SELECT count(*) FROM relay_sync WHERE failure_group_id = failure_group.id)
            OR (attempts, first_seen_at, last_seen_at)
               IS NOT (SELECT count(*), min(finished_at), max(finished_at)
                       FROM sync_attempt
                       WHERE failure_group_id = failure_group.id)",
    ),
    (
        "a relay and its attempts disagree",
        "SELECT relay_id
         FROM relay_sync
         WHERE (attempt_count, attempt_count, last_attempt_id, synced_generation)
               IS NOT (SELECT count(*), coalesce(max(number), 0), coalesce(max(id), 0),
                              coalesce(max(CASE WHEN outcome = 'accepted' THEN generation END), 0)
                       FROM sync_attempt
                       WHERE sync_attempt.relay_id = relay_sync.relay_id)",
    ),
    (
        "the log and the attempts disagree",
        "SELECT id
         FROM relay
         WHERE (SELECT sum(activity_type = 'complete_relay_sync') || ' ' || sum(activity_type = 'fail_relay_sync') || ' '
                       || sum(activity_type = 'create_relay')
                FROM activity
                WHERE resource_type = 'relay'
                  AND resource_id = relay.id)
            <> (SELECT coalesce(sum(outcome = 'accepted'), 0) || ' ' || coalesce(sum(outcome = 'failed'), 0) || ' 1'
                FROM sync_attempt
                WHERE relay_id = relay.id)",
    ),
    (
        "a relay that waits has no job, or one that does not has one",
        "SELECT relay_id
         FROM relay_sync
         WHERE (state IN ('pending', 'retrying', 'paused', 'held'))
            <> EXISTS (SELECT 1
                       FROM Jobs
                       WHERE job_type = 'sync_relay'
                         AND idempotency_key = relay_id
                         AND status = 'Pending')",
    ),
    (
        "a row refers to none",
        "SELECT \"table\" || ' ' || rowid FROM pragma_foreign_key_check",
    ),
];

async fn texts(connection: &mut SqliteConnection, sql: &'static str) -> Vec<String> {
    sqlx::query_scalar(sql).fetch_all(connection).await.unwrap()
}

fn items(page: &Value) -> &Vec<Value> {
    page["items"].as_array().unwrap()
}

#[tokio::test]
async fn counts_of_a_seeded_fleet_are_what_counting_gives() {
    let installation = Installation::new().await;

    let told = installation
        .told(&["seed", "--relays", "200", "--attempts", "2000"])
        .await;

    assert!(
        told.starts_with("200 relays and 2000 attempts in "),
        "{told}"
    );
    let options = SqliteConnectOptions::new().filename(installation.database());
    let mut connection = options.connect().await.unwrap();
    for (finding, sql) in FINDINGS {
        assert_eq!(texts(&mut connection, sql).await, [""; 0], "{finding}");
    }
    assert_eq!(
        texts(&mut connection, "PRAGMA integrity_check").await,
        ["ok"]
    );
    let states = "SELECT DISTINCT state FROM relay_count WHERE relays > 0 ORDER BY state";
    assert_eq!(
        texts(&mut connection, states).await,
        [
            "failed",
            "held",
            "paused",
            "pending",
            "quarantined",
            "retrying",
            "synced"
        ]
    );
}

#[tokio::test]
async fn operators_read_a_seeded_fleet_as_any_other() {
    let installation = Installation::new().await;
    installation
        .told(&["seed", "--relays", "60", "--attempts", "400"])
        .await;

    let syncs = installation
        .told_json(&["syncs", "--limit", "100", "--json"])
        .await;
    let groups = installation.told_json(&["groups", "--json"]).await;
    let targets = installation.told_json(&["targets", "--json"]).await;

    assert_eq!(items(&syncs).len(), 60);
    for sync in items(&syncs) {
        let relay = sync["relay_id"].as_str().unwrap();
        let report = installation.told_json(&["explain", relay, "--json"]).await;
        let differs = report["diff"]
            .as_array()
            .unwrap()
            .iter()
            .any(|row| row["changed"] == true);
        assert_eq!(differs, sync["state"] != "synced", "{report}");
    }
    assert!(items(&groups).len() > 4);
    assert_eq!(items(&targets).len(), 4);
}

#[tokio::test]
async fn a_database_that_has_relays_is_added_to_only_when_asked() {
    let installation = Installation::new().await;
    let seed = ["seed", "--relays", "60", "--attempts", "200"];
    installation.told(&seed).await;

    let refusal = refused(installation.program(&seed)).await;
    let added = installation
        .told(&[&seed[..], &["--add", "--seed", "2"]].concat())
        .await;
    let again = installation.told(&[&seed[..], &["--add"]].concat()).await;

    assert!(refusal.contains("--add"), "{refusal}");
    assert!(added.starts_with("120 relays and 400 attempts"), "{added}");
    assert!(again.starts_with("180 relays and 600 attempts"), "{again}");
}
