//! What operators do to one relay, and what it leaves behind.

use serde_json::{Value, json};
use shared::{
    command::{
        CommandError, Trace,
        operator::{Acted, ByOperator},
    },
    domain::{Actor, FailureKind, ReconcileInput, Relay, RelayAction, SyncState},
};

use crate::fixture::{Fixture, START, owner};

/// The relay's last attempt was refused for good, and its job is over.
const GIVEN_UP: [&str; 3] = [
    "UPDATE Jobs SET status = 'Killed', attempts = 25, idempotency_key = NULL",
    "INSERT INTO sync_attempt (relay_id, number, job_id, generation, worker_id, outcome, kind, message, started_at, finished_at)
     SELECT relay.id, 1, Jobs.id, 1, 'w', 'failed', 'invalid', 'no', 1, 2 FROM relay, Jobs",
    "UPDATE relay_sync SET failed_generation = 1, failure_kind = 'invalid', sync_error = 'Refused.', failure_streak = 25",
];
const IN_STEP: [&str; 2] = [
    "UPDATE Jobs SET status = 'Done', idempotency_key = NULL",
    "UPDATE relay_sync SET synced_generation = desired_generation, synced_at = 1, accepted = '{}'",
];
const IN_BACKOFF: &str = "UPDATE Jobs SET attempts = 7, priority = 10, run_at = run_at + 600";
const RUNS: [&str; 2] = [
    "INSERT INTO sync_attempt (relay_id, number, job_id, generation, worker_id, started_at)
     SELECT relay.id, 1, Jobs.id, 1, 'w', 1 FROM relay, Jobs",
    "UPDATE Jobs SET status = 'Running', attempts = 1, idempotency_key = idempotency_key || ':running'",
];
const QUARANTINED: [&str; 2] = [
    "DELETE FROM Jobs",
    "UPDATE relay_sync SET quarantined_at = 1, crashes = 3, faults = 2",
];

pub fn by_admin() -> ByOperator {
    ByOperator {
        actor: Actor::Admin(owner()),
        trace: Trace::new("trace-act"),
    }
}

async fn relay_with(situation: &[&'static str]) -> (Fixture, Relay) {
    let (fixture, relay) = Fixture::with_relay().await;
    for statement in situation {
        fixture.sql(statement).await;
    }
    (fixture, relay)
}

/// How a waiting job looks, its id left aside.
#[derive(Debug, PartialEq, Eq, sqlx::FromRow)]
struct Waiting {
    job: Vec<u8>,
    job_type: String,
    status: String,
    attempts: i64,
    max_attempts: i64,
    run_at: i64,
    lock_by: Option<String>,
    done_at: Option<i64>,
    priority: i64,
    target: String,
    trace: String,
    idempotency_key: String,
}

async fn waiting(fixture: &Fixture) -> Option<Waiting> {
    let mut connection = fixture.second_connection().await;
    sqlx::query_as(
        "SELECT job, job_type, status, attempts, max_attempts, run_at, lock_by, done_at, priority,
                metadata ->> 'target' AS target, metadata ->> 'trace' AS trace, idempotency_key
         FROM Jobs
         WHERE status = 'Pending'",
    )
    .fetch_optional(&mut connection)
    .await
    .unwrap()
}

/// The record: actor, action, what it was done to, how many, and what else.
pub async fn record(fixture: &Fixture) -> Vec<(String, String, String, String, i64, Value)> {
    let mut connection = fixture.second_connection().await;
    let rows: Vec<(String, String, String, String, i64, String)> = sqlx::query_as(
        "SELECT actor, action, resource_type, resource_id, affected, detail FROM operator_action ORDER BY seq",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    rows.into_iter()
        .map(|(actor, action, kind, id, affected, detail)| {
            let detail = serde_json::from_str(&detail).unwrap();
            (actor, action, kind, id, affected, detail)
        })
        .collect()
}

async fn assert_recorded_once(fixture: &Fixture, acted: &Acted, action: &str, relay: &Relay) {
    assert_eq!(acted.affected, 1);
    assert!(acted.action_id.is_some());
    assert_eq!(
        record(fixture).await,
        [(
            owner().to_string(),
            action.to_owned(),
            "relay".to_owned(),
            relay.id.to_string(),
            1,
            json!({"trace": "trace-act"}),
        )]
    );
}

async fn state(fixture: &Fixture, relay: &Relay) -> SyncState {
    fixture.query.get_relay(&relay.id).await.unwrap().sync_state
}

#[tokio::test]
async fn a_retry_of_what_was_given_up_enqueues_afresh_and_keeps_the_error_until_there_is_news() {
    let (fixture, relay) = relay_with(&GIVEN_UP).await;
    assert_eq!(state(&fixture, &relay).await, SyncState::Failed);

    let acted = fixture
        .command
        .act_on_relay(by_admin(), relay.id.clone(), RelayAction::Retry, Some(1))
        .await
        .unwrap();

    assert_recorded_once(&fixture, &acted, "retry", &relay).await;
    let job = waiting(&fixture).await.unwrap();
    assert_eq!((job.attempts, job.run_at, job.priority), (0, START, 20));
    assert_eq!(job.trace, "trace-act");
    let relay = fixture.query.get_relay(&relay.id).await.unwrap();
    assert_eq!(relay.sync_state, SyncState::Pending);
    assert_eq!(relay.sync_error, "Refused.");
    assert_eq!(relay.generation.get(), 1);
    let killed = "SELECT count(*) FROM Jobs WHERE status = 'Killed'";
    assert_eq!(fixture.number(killed).await, 1);
}

#[tokio::test]
async fn a_job_by_an_operator_looks_like_one_by_an_edit() {
    let (fixture, relay) = Fixture::with_relay().await;
    let edit = waiting(&fixture).await.unwrap();
    fixture.sql("DELETE FROM Jobs").await;

    let by = ByOperator {
        actor: Actor::Shell,
        trace: Trace::new("trace-create"),
    };
    fixture
        .command
        .act_on_relay(by, relay.id, RelayAction::Retry, None)
        .await
        .unwrap();

    assert_eq!(waiting(&fixture).await.unwrap(), edit);
}

#[tokio::test]
async fn a_retry_moves_a_job_in_backoff_forward_with_a_fresh_budget() {
    let (fixture, relay) = relay_with(&[IN_BACKOFF]).await;

    let acted = fixture
        .command
        .act_on_relay(by_admin(), relay.id.clone(), RelayAction::Retry, Some(0))
        .await
        .unwrap();

    assert_recorded_once(&fixture, &acted, "retry", &relay).await;
    let job = waiting(&fixture).await.unwrap();
    assert_eq!((job.attempts, job.run_at, job.priority), (0, START, 20));
}

#[tokio::test]
async fn two_clicks_make_one_retry() {
    let (fixture, relay) = relay_with(&GIVEN_UP).await;
    let retry = || {
        fixture
            .command
            .act_on_relay(by_admin(), relay.id.clone(), RelayAction::Retry, Some(1))
    };

    let (one, other) = tokio::join!(retry(), retry());

    let affected: u64 = [one, other]
        .map(|acted| acted.unwrap().affected)
        .iter()
        .sum();
    assert_eq!(affected, 1);
    assert_eq!(record(&fixture).await.len(), 1);
}

#[tokio::test]
async fn a_click_that_comes_after_a_newer_attempt_does_nothing_even_if_that_one_succeeded() {
    let (fixture, relay) = relay_with(&GIVEN_UP).await;
    for statement in IN_STEP {
        fixture.sql(statement).await;
    }

    let acted = fixture
        .command
        .act_on_relay(by_admin(), relay.id, RelayAction::Retry, Some(0))
        .await
        .unwrap();

    assert_eq!(acted, Acted::default());
    assert!(record(&fixture).await.is_empty());
}

#[tokio::test]
async fn a_retry_does_nothing_while_the_relay_runs() {
    let (fixture, relay) = relay_with(&RUNS).await;

    for seen in [Some(0), Some(1), None] {
        let acted = fixture
            .command
            .act_on_relay(by_admin(), relay.id.clone(), RelayAction::Retry, seen)
            .await
            .unwrap();
        assert_eq!(acted.affected, 0, "{seen:?}");
    }
    assert_eq!(waiting(&fixture).await, None);
}

#[tokio::test]
async fn a_retry_honours_the_pause_that_zooid_asked_for_and_says_so() {
    let (fixture, relay) = relay_with(&[IN_BACKOFF]).await;
    fixture
        .sql("UPDATE relay_sync SET not_before = 1800000000 + 60")
        .await;
    let retry = || {
        fixture
            .command
            .act_on_relay(by_admin(), relay.id.clone(), RelayAction::Retry, None)
    };

    let first = retry().await.unwrap();
    let second = retry().await.unwrap();

    assert_eq!((first.affected, first.not_before), (1, Some(START + 60)));
    assert_eq!((second.affected, second.not_before), (0, Some(START + 60)));
    assert_eq!(waiting(&fixture).await.unwrap().run_at, START + 60);
}

#[tokio::test]
async fn what_is_in_step_or_quarantined_cannot_be_retried() {
    let (fixture, relay) = relay_with(&IN_STEP).await;
    let retry = fixture
        .command
        .act_on_relay(by_admin(), relay.id, RelayAction::Retry, None);
    assert!(matches!(retry.await, Err(CommandError::RelayInStep(_))));

    let (fixture, relay) = relay_with(&QUARANTINED).await;
    let retry =
        fixture
            .command
            .act_on_relay(by_admin(), relay.id.clone(), RelayAction::Retry, None);
    assert!(matches!(
        retry.await,
        Err(CommandError::RelayQuarantined(_))
    ));
    let sync = fixture
        .command
        .act_on_relay(by_admin(), relay.id, RelayAction::Sync, None);
    assert!(matches!(sync.await, Err(CommandError::RelayQuarantined(_))));
    assert_eq!(waiting(&fixture).await, None);

    let unknown = "01j00000000000000000000000".parse().unwrap();
    let retry = fixture
        .command
        .act_on_relay(by_admin(), unknown, RelayAction::Retry, None);
    assert!(matches!(retry.await, Err(CommandError::RelayUnknown(_))));
    assert!(record(&fixture).await.is_empty());
}

#[tokio::test]
async fn a_sync_now_sends_what_zooid_has_already_and_once_however_often_it_is_clicked() {
    let (fixture, relay) = relay_with(&IN_STEP).await;
    let sync = || {
        fixture
            .command
            .act_on_relay(by_admin(), relay.id.clone(), RelayAction::Sync, Some(0))
    };

    let acted = sync().await.unwrap();
    let again = sync().await.unwrap();

    assert_recorded_once(&fixture, &acted, "sync_now", &relay).await;
    assert_eq!(again.affected, 0);
    let relay = fixture.query.get_relay(&relay.id).await.unwrap();
    assert_eq!((relay.generation.get(), relay.synced_generation), (2, 1));
    assert_eq!(relay.sync_state, SyncState::Pending);
    let job = waiting(&fixture).await.unwrap();
    assert_eq!((job.run_at, job.priority), (START, 20));
    let dirty_since = "SELECT dirty_since FROM relay_sync";
    assert_eq!(fixture.number(dirty_since).await, START * 1000);
}

#[tokio::test]
async fn what_was_cancelled_stays_given_up_until_an_edit() {
    let (fixture, relay) = relay_with(&[IN_BACKOFF]).await;
    let cancel = || {
        fixture
            .command
            .act_on_relay(by_admin(), relay.id.clone(), RelayAction::Cancel, None)
    };

    let acted = cancel().await.unwrap();
    let again = cancel().await.unwrap();

    assert_recorded_once(&fixture, &acted, "cancel", &relay).await;
    assert_eq!(again.affected, 0);
    let cancelled = fixture.query.get_relay(&relay.id).await.unwrap();
    assert_eq!(cancelled.sync_state, SyncState::Failed);
    assert_eq!(
        cancelled.sync_error,
        FailureKind::Cancelled.tenant_sentence()
    );
    let ended = "SELECT count(*) FROM Jobs WHERE status = 'Killed' AND idempotency_key IS NULL AND done_at = 1800000000
                 AND last_result = '{\"Err\":\"cancelled by an operator\"}'";
    assert_eq!(fixture.number(ended).await, 1);

    let covered = ReconcileInput {
        all: false,
        target: None,
    };
    let reconciled = fixture
        .command
        .reconcile(by_admin(), covered)
        .await
        .unwrap();
    assert_eq!(reconciled.affected, 0);

    fixture
        .update(&relay, json!({"info_name": "New"}))
        .await
        .unwrap();
    assert_eq!(state(&fixture, &relay).await, SyncState::Pending);
    assert!(waiting(&fixture).await.is_some());
}

#[tokio::test]
async fn a_running_sync_is_cancelled_without_touching_its_job() {
    let (fixture, relay) = relay_with(&RUNS).await;

    let acted = fixture
        .command
        .act_on_relay(by_admin(), relay.id.clone(), RelayAction::Cancel, None)
        .await
        .unwrap();

    assert_eq!(acted.affected, 1);
    assert_eq!(state(&fixture, &relay).await, SyncState::Running);
    let failed = "SELECT failed_generation FROM relay_sync";
    assert_eq!(fixture.number(failed).await, 1);
}

#[tokio::test]
async fn there_is_nothing_to_cancel_in_a_relay_that_is_in_step_or_given_up() {
    for situation in [IN_STEP.as_slice(), GIVEN_UP.as_slice()] {
        let (fixture, relay) = relay_with(situation).await;
        let before = fixture.query.get_relay(&relay.id).await.unwrap();

        let acted = fixture
            .command
            .act_on_relay(by_admin(), relay.id.clone(), RelayAction::Cancel, None)
            .await
            .unwrap();

        assert_eq!(acted, Acted::default());
        assert_eq!(fixture.query.get_relay(&relay.id).await.unwrap(), before);
    }
}

#[tokio::test]
async fn a_paused_relay_keeps_its_job_and_pausing_twice_is_once() {
    let (fixture, relay) = relay_with(&[IN_BACKOFF]).await;
    let before = waiting(&fixture).await;
    let pause = || {
        fixture
            .command
            .act_on_relay(by_admin(), relay.id.clone(), RelayAction::Pause, None)
    };

    let acted = pause().await.unwrap();
    let again = pause().await.unwrap();

    assert_recorded_once(&fixture, &acted, "pause", &relay).await;
    assert_eq!(again.affected, 0);
    assert_eq!(state(&fixture, &relay).await, SyncState::Paused);

    let resume = || {
        fixture
            .command
            .act_on_relay(by_admin(), relay.id.clone(), RelayAction::Resume, None)
    };
    assert_eq!(resume().await.unwrap().affected, 1);
    assert_eq!(resume().await.unwrap().affected, 0);
    assert_eq!(waiting(&fixture).await, before);
}

#[tokio::test]
async fn a_resumed_relay_is_enqueued_if_nothing_else_would_do_it() {
    for (situation, enqueued) in [
        (["DELETE FROM Jobs"].as_slice(), true),
        (IN_STEP.as_slice(), false),
        (GIVEN_UP.as_slice(), false),
        (QUARANTINED.as_slice(), false),
    ] {
        let (fixture, relay) = relay_with(situation).await;
        fixture.sql("UPDATE relay_sync SET paused_at = 1").await;

        let acted = fixture
            .command
            .act_on_relay(by_admin(), relay.id, RelayAction::Resume, None)
            .await
            .unwrap();

        assert_eq!(acted.affected, 1, "{situation:?}");
        assert_eq!(waiting(&fixture).await.is_some(), enqueued, "{situation:?}");
    }
}

#[tokio::test]
async fn a_released_relay_is_sent_with_a_clean_slate() {
    let (fixture, relay) = relay_with(&QUARANTINED).await;
    let release = || {
        fixture
            .command
            .act_on_relay(by_admin(), relay.id.clone(), RelayAction::Release, None)
    };

    let acted = release().await.unwrap();
    let again = release().await.unwrap();

    assert_recorded_once(&fixture, &acted, "release", &relay).await;
    assert_eq!(again.affected, 0);
    assert_eq!(state(&fixture, &relay).await, SyncState::Pending);
    assert_eq!(waiting(&fixture).await.unwrap().run_at, START);
    let blemishes = "SELECT crashes + faults FROM relay_sync";
    assert_eq!(fixture.number(blemishes).await, 0);
    let generation = "SELECT generation FROM relay";
    assert_eq!(fixture.number(generation).await, 1);
}

#[tokio::test]
async fn a_released_relay_that_is_in_step_gets_a_new_generation() {
    let (fixture, relay) = relay_with(&IN_STEP).await;
    for statement in QUARANTINED {
        fixture.sql(statement).await;
    }

    fixture
        .command
        .act_on_relay(by_admin(), relay.id.clone(), RelayAction::Release, None)
        .await
        .unwrap();

    let relay = fixture.query.get_relay(&relay.id).await.unwrap();
    assert_eq!((relay.generation.get(), relay.synced_generation), (2, 1));
    assert!(waiting(&fixture).await.is_some());
}
