//! Readiness and metrics, as supervisors and monitoring see them.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use shared::{
    clock::{SharedClock, SystemClock},
    db::DatabaseLost,
    metrics::{Request, observe_request},
    watch::{Health, WatchedWorker, metrics_text},
};
use sqlx::Executor as _;

use crate::fixture::{DOMAIN, Fixture};

const OPERATIONS: &str = include_str!("../../../docs/operations.md");
const ALERTS: &str = include_str!("../../../docs/alerts.yml");

/// A worker that beats, as rows.
const WORKER: [&str; 2] = [
    "INSERT INTO Workers (id, worker_type, storage_name) VALUES ('w', 'sync_relay', 'caravel')",
    "INSERT INTO worker_heartbeat (worker_id, beat_at, started_at, pid, slots, running)
     VALUES ('w', 1800000000000, 1800000000000, 1, 16, 3)",
];

fn health(fixture: &Fixture) -> Health {
    Health::new(fixture.db.clone(), Arc::new(fixture.clock.clone()))
}

fn watched() -> WatchedWorker {
    WatchedWorker {
        id: "w".parse().unwrap(),
        targets: vec![DOMAIN.parse().unwrap()],
        lease: Duration::from_secs(10),
        max_due: Duration::from_mins(1),
    }
}

async fn code(health: &Health) -> &'static str {
    health
        .check()
        .await
        .map_or_else(|unready| unready.code(), |()| "ready")
}

async fn scrape(fixture: &Fixture) -> String {
    let clock: SharedClock = Arc::new(fixture.clock.clone());
    metrics_text(&fixture.db, &clock).await.unwrap()
}

#[tokio::test]
async fn a_replaced_database_file_is_not_ready() {
    let fixture = Fixture::new().await;
    let health = health(&fixture);
    assert_eq!(code(&health).await, "ready");

    std::fs::rename(fixture.db.path(), fixture.db.path().with_extension("old")).unwrap();

    assert_eq!(code(&health).await, "database-replaced");
}

#[tokio::test]
async fn a_database_that_takes_no_writes_is_not_ready_until_it_does() {
    let fixture = Fixture::new().await;
    let health = health(&fixture);
    let mut other = fixture.second_connection().await;
    other.execute("BEGIN IMMEDIATE").await.unwrap();

    let locked = code(&health).await;
    other.execute("ROLLBACK").await.unwrap();
    let free = tokio::time::timeout(Duration::from_secs(30), async {
        while code(&health).await != "ready" {}
    });

    assert_eq!(locked, "database-unwritable");
    free.await.unwrap();
}

/// By the wall's clock: what waits for a lock does, too.
#[tokio::test]
async fn a_database_that_refuses_every_write_is_lost_after_a_minute_and_not_before() {
    let fixture = Fixture::new().await;
    let clock: SharedClock = Arc::new(SystemClock);
    let mut other = fixture.second_connection().await;
    other.execute("BEGIN IMMEDIATE").await.unwrap();
    let began = Instant::now();

    let lost = tokio::time::timeout(Duration::from_mins(3), fixture.db.lost(&clock)).await;

    assert_eq!(lost.unwrap(), DatabaseLost::Refusing);
    assert!(began.elapsed() >= Duration::from_mins(1));
}

#[tokio::test]
async fn being_asked_often_costs_one_commit_a_second() {
    let fixture = Fixture::new().await;
    let health = health(&fixture);
    let written = "SELECT last_run_at FROM maintenance WHERE name = 'readiness'";
    code(&health).await;
    let first = fixture.number(written).await;

    fixture.clock.advance(Duration::from_millis(900));
    code(&health).await;
    let soon = fixture.number(written).await;
    fixture.clock.advance(Duration::from_millis(100));
    code(&health).await;
    let later = fixture.number(written).await;

    assert_eq!((soon, later), (first, first + 1000));
}

#[tokio::test]
async fn a_worker_is_ready_while_it_beats() {
    let fixture = Fixture::new().await;
    let health = health(&fixture);
    health.watch(watched());
    assert_eq!(code(&health).await, "worker-silent", "not registered");
    for statement in WORKER {
        fixture.sql(statement).await;
    }
    assert_eq!(code(&health).await, "ready");

    fixture.clock.advance(Duration::from_secs(11));
    assert_eq!(code(&health).await, "worker-silent");
    fixture
        .sql("UPDATE worker_heartbeat SET beat_at = beat_at + 11000")
        .await;
    assert_eq!(code(&health).await, "ready");
    fixture.sql("UPDATE worker_heartbeat SET dead_at = 1").await;
    assert_eq!(code(&health).await, "worker-silent");
}

#[tokio::test]
async fn a_worker_is_not_ready_when_a_due_job_has_waited_for_too_long() {
    let (fixture, _relay) = Fixture::with_relay().await;
    let health = health(&fixture);
    health.watch(watched());
    for statement in WORKER {
        fixture.sql(statement).await;
    }
    assert_eq!(code(&health).await, "ready");

    fixture.clock.advance(Duration::from_secs(61));
    fixture
        .sql("UPDATE worker_heartbeat SET beat_at = beat_at + 61000")
        .await;
    assert_eq!(code(&health).await, "queue-late");
    // A job that is held back is nobody's fault.
    fixture.sql("UPDATE relay_sync SET paused_at = 1").await;
    assert_eq!(code(&health).await, "ready");
}

/// The names of the metrics, without the suffixes of counters and histograms.
fn names(text: &str) -> BTreeSet<&str> {
    text.lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .collect()
}

#[tokio::test]
async fn the_fleet_is_told_in_numbers() {
    let (fixture, _relay) = Fixture::with_relay().await;
    for statement in WORKER {
        fixture.sql(statement).await;
    }
    for statement in [
        "UPDATE relay_sync SET dirty_since = 1800000000000",
        "INSERT INTO sync_attempt (relay_id, number, job_id, generation, worker_id, target, started_at)
         SELECT relay_id, 1, 'j', 1, 'w', target, 1800000000000 FROM relay_sync",
        "UPDATE sync_attempt SET outcome = 'accepted', finished_at = 1800000000450",
        "INSERT INTO target (name, circuit_state, circuit_since, next_probe_at)
         VALUES ('spaces.example.com', 'open', 1, 2)",
    ] {
        fixture.sql(statement).await;
    }
    fixture.clock.advance(Duration::from_secs(30));

    let text = scrape(&fixture).await;

    for line in [
        "caravel_relays{target=\"spaces.example.com\",state=\"pending\"} 1",
        "caravel_relays_out_of_step{target=\"spaces.example.com\"} 1",
        "caravel_out_of_step_oldest_seconds{target=\"spaces.example.com\"} 30.0",
        // The open circuit holds its job: nobody is late.
        "caravel_oldest_due_seconds{target=\"spaces.example.com\"} 0.0",
        "caravel_circuit_open{target=\"spaces.example.com\"} 1",
        "caravel_queue_paused 0",
        "caravel_workers_alive 1",
        "caravel_worker_slots 16",
        "caravel_syncs_running 3",
        "caravel_attempts_total{target=\"spaces.example.com\",outcome=\"accepted\",kind=\"\"} 1",
        "caravel_attempts_seconds_total{target=\"spaces.example.com\",outcome=\"accepted\",kind=\"\"} 0.45",
        "caravel_sync_lag_seconds_sum{target=\"spaces.example.com\"} 0.45",
        "caravel_sync_lag_seconds_count{target=\"spaces.example.com\"} 1",
        "caravel_sync_lag_seconds_bucket{le=\"0.4\",target=\"spaces.example.com\"} 0",
        "caravel_sync_lag_seconds_bucket{le=\"0.5\",target=\"spaces.example.com\"} 1",
        "caravel_sync_lag_seconds_bucket{le=\"+Inf\",target=\"spaces.example.com\"} 1",
        "caravel_database_readable 1",
    ] {
        assert!(
            text.lines().any(|told| told == line),
            "no {line} in\n{text}"
        );
    }
    assert!(text.ends_with("# EOF\n"));
}

#[tokio::test]
async fn what_this_process_did_is_told_even_when_the_database_says_nothing() {
    let fixture = Fixture::new().await;
    fixture.db.readers().close().await;

    let text = scrape(&fixture).await;

    assert!(text.contains("\ncaravel_database_readable 0\n"), "{text}");
    assert!(text.contains("\ncaravel_commit_seconds_count "), "{text}");
}

/// Words that begin like a metric of ours, less what Prometheus appends.
fn mentioned(text: &str) -> BTreeSet<&str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| word.starts_with("caravel_") && *word != "caravel_database")
        .map(|word| {
            ["_total", "_bucket", "_count", "_sum"]
                .iter()
                .find_map(|suffix| word.strip_suffix(suffix))
                .unwrap_or(word)
        })
        .collect()
}

#[tokio::test]
async fn the_documentation_names_every_metric_and_no_other() {
    let fixture = Fixture::new().await;
    let request = Request {
        method: "GET",
        route: "/healthz".to_owned(),
        status: 200,
    };
    observe_request(&request, Duration::ZERO);
    let text = scrape(&fixture).await;
    let told = names(&text);

    let documented: BTreeSet<&str> = OPERATIONS
        .lines()
        .filter(|line| line.starts_with("| `caravel_"))
        .flat_map(mentioned)
        .collect();

    assert_eq!(documented, told);
    for (page, text) in [("operations.md", OPERATIONS), ("alerts.yml", ALERTS)] {
        let unknown: Vec<_> = mentioned(text).difference(&told).copied().collect();
        assert_eq!(unknown, [""; 0], "{page}");
    }
}

#[test]
fn every_alert_is_explained() {
    let alerts: Vec<&str> = ALERTS
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "))
        .collect();

    assert!(alerts.len() > 8, "{alerts:?}");
    for alert in alerts {
        assert!(OPERATIONS.contains(&format!("| `{alert}` |")), "{alert}");
    }
}
