//! Probes: when one is due, who makes it, and what its answer does.

use std::time::Duration;

use chrono::{DateTime, Utc};
use shared::{
    db::{WriteError, WriteTx},
    domain::{RelayId, ZooidDomain},
    queue::probe::{self, DueProbe, TargetInfo},
};

use crate::fixture::{DOMAIN, Fixture, START};

const LEASE: Duration = Duration::from_secs(10);
const OPEN: &str = "UPDATE target SET circuit_state = 'open', circuit_reason = 'refused', failures = 5, several_relays = 1,
                        next_probe_at = 1800000005000, first_failed_relay = (SELECT id FROM relay)";
const STATE: &str = "SELECT circuit_state || ' since ' || (circuit_since - 1800000000000) || ', ' || failures || ' failures, '
                         || probe_failures || ' probes failed (' || probe_error || '), next '
                         || coalesce(next_probe_at - 1800000000000, 'never')
                     FROM target";

#[derive(Debug, thiserror::Error)]
enum TestError {
    #[error(transparent)]
    Sql(#[from] sqlx::Error),
    #[error(transparent)]
    Write(#[from] WriteError),
}

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(START + seconds, 0).unwrap()
}

fn target() -> ZooidDomain {
    DOMAIN.parse().unwrap()
}

async fn announce(fixture: &Fixture, url: &str) {
    let info = TargetInfo {
        name: target(),
        url: url.to_owned(),
    };
    fixture
        .db
        .write(async move |tx: &mut WriteTx| -> Result<(), TestError> {
            Ok(probe::announce(tx, at(0), &[info]).await?)
        })
        .await
        .unwrap();
}

/// A target with one relay, whose circuit is open and due in five seconds.
async fn open() -> (Fixture, RelayId) {
    let (fixture, relay) = Fixture::with_relay().await;
    announce(&fixture, "http://zooid").await;
    fixture.sql(OPEN).await;
    (fixture, relay.id)
}

async fn take(fixture: &Fixture, seconds: i64) -> Vec<DueProbe> {
    let targets = [target()];
    let any = probe::any_due(fixture.db.readers(), at(seconds), &targets)
        .await
        .unwrap();
    let taken = fixture
        .db
        .write(async move |tx: &mut WriteTx| -> Result<_, TestError> {
            Ok(probe::take_due(tx, at(seconds), &targets, LEASE).await?)
        })
        .await
        .unwrap();
    assert_eq!(any, !taken.is_empty(), "the look and the taking agree");
    taken
}

async fn record(fixture: &Fixture, seconds: i64, said: Result<(), &'static str>) -> bool {
    fixture
        .db
        .write(async move |tx: &mut WriteTx| -> Result<_, TestError> {
            Ok(probe::record(tx, at(seconds), &target(), said).await?)
        })
        .await
        .unwrap()
}

async fn state(fixture: &Fixture) -> String {
    sqlx::query_scalar(STATE)
        .fetch_one(fixture.db.readers())
        .await
        .unwrap()
}

#[test]
fn pauses_double_up_to_a_minute() {
    let pauses = [0, 1, 2, 3, 4, 5, 40, u32::MAX].map(|failures| probe::pause(failures).as_secs());

    assert_eq!(pauses, [5, 10, 20, 40, 60, 60, 60, 60]);
}

#[tokio::test]
async fn a_due_probe_is_taken_once_and_again_only_when_its_lease_is_over() {
    let (fixture, relay) = open().await;

    assert_eq!(take(&fixture, 4).await, []);
    let due = DueProbe {
        target: target(),
        relay: Some(relay),
    };
    assert_eq!(take(&fixture, 5).await, std::slice::from_ref(&due));
    assert_eq!(take(&fixture, 14).await, []);
    assert_eq!(take(&fixture, 15).await, [due]);
}

#[tokio::test]
async fn a_failed_probe_makes_the_pause_longer_and_a_good_one_closes_the_circuit() {
    let (fixture, _) = open().await;

    assert!(!record(&fixture, 5, Err("connection refused")).await);
    assert_eq!(
        state(&fixture).await,
        "open since 0, 5 failures, 1 probes failed (connection refused), next 15000"
    );
    assert!(!record(&fixture, 15, Err("still refused")).await);
    assert_eq!(
        state(&fixture).await,
        "open since 0, 5 failures, 2 probes failed (still refused), next 35000"
    );
    assert!(record(&fixture, 35, Ok(())).await);
    assert_eq!(
        state(&fixture).await,
        "closed since 35000, 0 failures, 2 probes failed (), next never"
    );
}

#[tokio::test]
async fn a_probe_that_was_asked_for_is_made_at_once_and_leaves_a_closed_circuit_as_it_is() {
    let (fixture, relay) = Fixture::with_relay().await;
    announce(&fixture, "http://zooid").await;
    let ask = "UPDATE target SET probe_requested_at = 1800000000000";
    fixture.sql(ask).await;

    let due = DueProbe {
        target: target(),
        relay: Some(relay.id),
    };
    assert_eq!(take(&fixture, 0).await, [due]);
    assert_eq!(take(&fixture, 60).await, []);
    assert!(!record(&fixture, 1, Err("refused")).await);
    assert_eq!(
        state(&fixture).await,
        "closed since 0, 0 failures, 0 probes failed (refused), next never"
    );
    assert!(!record(&fixture, 2, Ok(())).await);
    assert_eq!(
        state(&fixture).await,
        "closed since 0, 0 failures, 0 probes failed (), next never"
    );
}

#[tokio::test]
async fn a_target_without_relays_is_probed_with_none() {
    let fixture = Fixture::new().await;
    announce(&fixture, "http://zooid").await;
    fixture.sql(OPEN).await;

    let due = DueProbe {
        target: target(),
        relay: None,
    };
    assert_eq!(take(&fixture, 5).await, [due]);
}

#[tokio::test]
async fn announcing_a_target_again_changes_its_url_alone() {
    let (fixture, _) = open().await;
    let before = state(&fixture).await;

    announce(&fixture, "http://elsewhere").await;

    assert_eq!(state(&fixture).await, before);
    let url: String = sqlx::query_scalar("SELECT url FROM target")
        .fetch_one(fixture.db.readers())
        .await
        .unwrap();
    assert_eq!(url, "http://elsewhere");
}
