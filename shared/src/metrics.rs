//! What this process did since its start, counted in memory: whoever does something counts it here, [`crate::watch`]
//! writes it down.

use std::{sync::LazyLock, time::Duration};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, histogram::Histogram},
    registry::Registry,
};

/// Upper bounds in seconds, from an unhurried memory access to a caller who has given up.
const SECONDS: [f64; 14] = [
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0,
];

/// One answered request. Every value is one of few: what the client chose freely must not become a label.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Request {
    /// The verb; `other` for one that is not HTTP's.
    pub method: &'static str,
    /// The pattern of the route, its parameters in braces; `none` when there was no such route.
    pub route: String,
    /// The status answered.
    pub status: u16,
}

struct Metrics {
    registry: Registry,
    write_wait: Histogram,
    commit: Histogram,
    lost_groups: Counter,
    turn: Histogram,
    claims: Counter,
    requests: Family<Request, Histogram, fn() -> Histogram>,
}

static METRICS: LazyLock<Metrics> = LazyLock::new(Metrics::new);

impl Metrics {
    fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("caravel"),
            write_wait: seconds(),
            commit: seconds(),
            lost_groups: Counter::default(),
            turn: seconds(),
            claims: Counter::default(),
            requests: Family::new_with_constructor(seconds),
        };
        let registry = &mut metrics.registry;
        registry.register(
            "write_wait_seconds",
            "Time a group of writes waited for SQLite's write lock",
            metrics.write_wait.clone(),
        );
        registry.register(
            "commit_seconds",
            "Time from a group of writes getting the write lock to the end of its commit",
            metrics.commit.clone(),
        );
        registry.register(
            "write_groups_lost",
            "Groups of writes that were undone as a whole",
            metrics.lost_groups.clone(),
        );
        registry.register(
            "turn_seconds",
            "Time of a worker turn, from its statements being queued to its commit",
            metrics.turn.clone(),
        );
        registry.register(
            "claims",
            "Jobs claimed by this worker",
            metrics.claims.clone(),
        );
        registry.register(
            "http_request_seconds",
            "Time until a request was answered",
            metrics.requests.clone(),
        );
        metrics
    }
}

/// Everything, to be written down.
pub(crate) fn registry() -> &'static Registry {
    &METRICS.registry
}

/// A group of writes was committed, `wait` after it lined up and `held` after it got the write lock.
pub fn observe_commit(wait: Duration, held: Duration) {
    METRICS.write_wait.observe(wait.as_secs_f64());
    METRICS.commit.observe(held.as_secs_f64());
}

/// A group of writes was undone as a whole.
pub fn observe_lost_group() {
    METRICS.lost_groups.inc();
}

/// A worker turn that claimed so many jobs was committed.
pub fn observe_turn(took: Duration, claimed: usize) {
    METRICS.turn.observe(took.as_secs_f64());
    METRICS.claims.inc_by(claimed as u64);
}

/// A request was answered.
pub fn observe_request(request: &Request, took: Duration) {
    METRICS
        .requests
        .get_or_create(request)
        .observe(took.as_secs_f64());
}

fn seconds() -> Histogram {
    Histogram::new(SECONDS)
}
