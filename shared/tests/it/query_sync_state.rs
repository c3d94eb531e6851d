//! Where a relay stands, derived from every combination of what the tables can say.

use chrono::DateTime;
use serde_json::json;
use shared::{
    domain::{FailureKind, SyncState, Verb},
    query::operator::Viewpoint,
    repositories::{
        operator::sync_list::{SyncFilter, SyncOrder, SyncPage},
        relay_sync::RelaySync,
    },
};

use crate::fixture::{Fixture, MAX_ATTEMPTS, START};

/// All relays in this state, in the order of their creation.
async fn listed(fixture: &Fixture, state: SyncState) -> Vec<RelaySync> {
    let filter = SyncFilter {
        states: vec![state],
        ..SyncFilter::default()
    };
    let page = SyncPage {
        order: SyncOrder::Created,
        after: None,
        limit: 100,
    };
    fixture
        .query
        .list_syncs(&filter, &page)
        .await
        .unwrap()
        .items
}

// What can be so, each as one statement.
const NO_JOB: &str = "UPDATE Jobs SET status = 'Done', idempotency_key = NULL";
const IN_STEP: &str =
    "UPDATE relay_sync SET synced_generation = desired_generation, synced_at = 1, accepted = '{}'";
const RETRYING: &str =
    "UPDATE Jobs SET attempts = 2, run_at = run_at + 30; UPDATE relay_sync SET failure_streak = 2";
const RUNS: &str = "INSERT INTO Jobs (job, id, job_type, status, attempts, max_attempts, run_at, idempotency_key)
                    SELECT x'00', '01K00000000000000000000000', 'sync_relay', 'Pending', 4, 25, 0, id || ':claimed' FROM relay;
                    UPDATE Jobs
                    SET status = 'Running', idempotency_key = (SELECT id FROM relay) || ':running'
                    WHERE id = '01K00000000000000000000000';
                    INSERT INTO sync_attempt (relay_id, target, number, job_id, generation, worker_id, trace, started_at)
                    SELECT relay_id, target, attempt_count + 1, '01K00000000000000000000000', desired_generation, 'w', '', 1 FROM relay_sync";
const GIVEN_UP: &str = "UPDATE relay_sync SET attempted_generation = desired_generation, failed_generation = desired_generation,
                        failure_kind = 'invalid', sync_error = 'Refused.'";
const QUARANTINED: &str = "UPDATE relay_sync SET quarantined_at = 1";
const PAUSED: &str = "UPDATE relay_sync SET paused_at = 1";
const OPEN: &str = "INSERT INTO target (name, circuit_state, circuit_since, next_probe_at) VALUES ('spaces.example.com', 'open', 1, 2)";
const CLOSED: &str = "INSERT INTO target (name, circuit_since) VALUES ('spaces.example.com', 1)";
const TARGET_PAUSED: &str =
    "INSERT INTO target (name, circuit_since, paused_at) VALUES ('spaces.example.com', 1, 1)";
const OTHER_TARGET_OPEN: &str = "INSERT INTO target (name, circuit_state, circuit_since, next_probe_at) VALUES ('rooms.example.com', 'open', 1, 2)";

#[tokio::test]
async fn the_first_that_applies_decides_the_state() {
    use SyncState::{Failed, Held, Paused, Pending, Quarantined, Retrying, Running, Synced};
    let waiting = Some(START);
    let retry = Some(START + 30);
    let cases: &[(SyncState, Option<i64>, &[&'static str])] = &[
        // A relay as it was created: out of step, with a waiting job.
        (Pending, waiting, &[]),
        (Pending, waiting, &[CLOSED]),
        (Pending, waiting, &[OTHER_TARGET_OPEN]),
        (Synced, waiting, &[IN_STEP]),
        (Pending, None, &[NO_JOB]),
        (Failed, waiting, &[GIVEN_UP]),
        (Retrying, retry, &[RETRYING]),
        (Held, waiting, &[OPEN]),
        (Held, retry, &[RETRYING, OPEN]),
        (Held, waiting, &[TARGET_PAUSED]),
        (Synced, waiting, &[IN_STEP, OPEN]),
        (Held, None, &[NO_JOB, OPEN]),
        (Failed, None, &[NO_JOB, GIVEN_UP]),
        (Failed, None, &[NO_JOB, GIVEN_UP, OPEN]),
        (Synced, None, &[NO_JOB, IN_STEP]),
        (Synced, None, &[NO_JOB, IN_STEP, OPEN]),
        (Synced, None, &[NO_JOB, IN_STEP, GIVEN_UP]),
        (Running, None, &[NO_JOB, RUNS]),
        (Running, waiting, &[RUNS]),
        (Running, retry, &[RETRYING, RUNS, OPEN]),
        (Paused, waiting, &[PAUSED]),
        (Paused, waiting, &[RUNS, OPEN, PAUSED]),
        (Paused, None, &[NO_JOB, IN_STEP, PAUSED]),
        (Quarantined, None, &[NO_JOB, QUARANTINED]),
        (Quarantined, waiting, &[RUNS, PAUSED, QUARANTINED]),
    ];
    for (state, next_attempt_at, situation) in cases {
        let (fixture, relay) = Fixture::with_relay().await;
        for statement in *situation {
            fixture.sql(statement).await;
        }

        let found = fixture.query.get_relay(&relay.id).await.unwrap();

        assert_eq!(found.sync_state, *state, "{situation:?}");
        assert_eq!(found.next_attempt_at, *next_attempt_at, "{situation:?}");
        for other in SyncState::ALL {
            let expected = usize::from(other == state);
            assert_eq!(
                listed(&fixture, *other).await.len(),
                expected,
                "{situation:?}"
            );
        }
        let now = DateTime::from_timestamp(START, 0).unwrap();
        let view = Viewpoint::new(now, std::time::Duration::from_secs(10));
        let overview = fixture.query.overview(&view, None).await.unwrap();
        let counts = serde_json::to_value(overview.relays).unwrap();
        assert_eq!(counts[state.as_str()], 1, "{situation:?}");
        assert_eq!(counts["total"], 1, "{situation:?}");
    }
}

#[tokio::test]
async fn what_zooid_accepted_and_refused_is_read_with_the_relay() {
    let (fixture, relay) = Fixture::with_relay().await;
    fixture.sql(NO_JOB).await;
    fixture.sql(IN_STEP).await;
    fixture
        .update(&relay, json!({"info_name": "New"}))
        .await
        .unwrap();
    fixture.sql(NO_JOB).await;
    fixture.sql(GIVEN_UP).await;

    let found = fixture.query.get_relay(&relay.id).await.unwrap();

    assert!(found.synced);
    assert_eq!((found.generation.get(), found.synced_generation), (2, 1));
    assert_eq!(found.sync_error, "Refused.");
    assert_eq!(found.sync_state, SyncState::Failed);
}

#[tokio::test]
async fn a_sync_is_listed_with_its_budget_and_its_last_attempt() {
    let (fixture, relay) = Fixture::with_relay().await;
    fixture.sql(RETRYING).await;
    for statement in [
        "INSERT INTO sync_attempt (relay_id, number, job_id, generation, worker_id, outcome, kind, verb, http_status, message, started_at, finished_at)
         SELECT relay.id, 1, Jobs.id, 1, 'w', 'failed', 'unreachable', 'POST', NULL, 'refused', 1000, 1500 FROM relay, Jobs",
        "INSERT INTO sync_attempt (relay_id, number, job_id, generation, worker_id, outcome, kind, verb, http_status, message, started_at, finished_at)
         SELECT relay.id, 2, Jobs.id, 1, 'w', 'failed', 'server_error', 'PATCH', 502, 'bad gateway', 2000, 2500 FROM relay, Jobs",
    ] {
        fixture.sql(statement).await;
    }

    let listed = listed(&fixture, SyncState::Retrying).await;

    let [sync] = listed.as_slice() else {
        panic!("one sync, not {}", listed.len())
    };
    assert_eq!(sync.relay_id, relay.id);
    assert_eq!(sync.host, "mine.spaces.example.com");
    assert_eq!(
        (sync.attempts, sync.max_attempts),
        (Some(2), Some(MAX_ATTEMPTS))
    );
    let last = sync.last_attempt.as_ref().unwrap();
    assert_eq!((last.number, last.generation), (2, 1));
    assert_eq!(
        (last.kind, last.verb, last.http_status),
        (Some(FailureKind::ServerError), Some(Verb::Patch), Some(502))
    );
    assert_eq!(last.message, "bad gateway");
    assert_eq!((last.started_at, last.finished_at), (2000, Some(2500)));
    assert_eq!(last.duration_ms, Some(500));
}

#[tokio::test]
async fn the_budget_of_a_job_that_was_given_up_is_still_shown() {
    let (fixture, _) = Fixture::with_relay().await;
    fixture
        .sql(
            "INSERT INTO sync_attempt (relay_id, number, job_id, generation, worker_id, outcome, kind, message, started_at, finished_at)
             SELECT relay.id, 1, Jobs.id, 1, 'w', 'failed', 'invalid', 'no', 1, 2 FROM relay, Jobs",
        )
        .await;
    fixture
        .sql("UPDATE Jobs SET attempts = 25, status = 'Killed', idempotency_key = NULL")
        .await;
    fixture.sql(GIVEN_UP).await;

    let listed = listed(&fixture, SyncState::Failed).await;

    assert_eq!(listed[0].state, SyncState::Failed);
    assert_eq!(listed[0].failure.as_ref().unwrap().message, "no");
    assert_eq!(listed[0].failed_generation, Some(1));
    assert_eq!(
        (listed[0].attempts, listed[0].max_attempts),
        (Some(25), Some(MAX_ATTEMPTS))
    );
}
