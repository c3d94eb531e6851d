//! A worker as its configuration says: the same for `caravel-worker`, `caravel serve` and `caravel demo`.

use std::time::Duration;

use shared::{
    clock::SharedClock,
    config::WorkerConfig,
    db::Db,
    domain::{Malformed, WorkerId},
    queue::{EngineConfig, EngineError, RetryPolicy},
    watch::WatchedWorker,
    zooid::ZooidClientError,
};
use tokio_util::sync::CancellationToken;

use crate::{MaintenanceConfig, RunConfig, RunningWorker, start, sync};

/// How long a drain may take beyond the deadline of the calls that still run: time to record how they ended.
const DRAIN_GRACE: Duration = Duration::from_secs(5);

/// Why a worker could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The client of zooid could not be set up.
    #[error(transparent)]
    Zooid(#[from] ZooidClientError),
    /// The worker could not be registered in the database.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// No id could be made for it.
    #[error("name the worker")]
    Name(#[from] Malformed),
}

/// Starts a worker as configured, on a database that is open already. Cancelling `stop` begins the drain, which lasts no
/// longer than one call to zooid may take and five seconds.
///
/// # Errors
/// When the client of zooid cannot be set up, or the worker cannot be registered in the database.
pub async fn start_configured(
    db: Db,
    clock: SharedClock,
    config: &WorkerConfig,
    stop: CancellationToken,
) -> Result<RunningWorker, StartError> {
    let handler = sync::handler(config, clock.clone())?;
    let run = run_config(config, worker_id()?);
    Ok(start(db, clock, run, handler, stop).await?)
}

/// The worker `id`, started as configured, as something to be watched.
#[must_use]
pub fn watched(config: &WorkerConfig, id: WorkerId) -> WatchedWorker {
    WatchedWorker {
        id,
        targets: vec![config.relay_domain.clone()],
        lease: config.queue.lease,
        max_due: config.watch.max_due,
    }
}

fn run_config(config: &WorkerConfig, worker: WorkerId) -> RunConfig {
    RunConfig {
        engine: EngineConfig {
            worker,
            slots: config.queue.concurrency,
            targets: vec![config.relay_domain.clone()],
            lease: config.queue.lease,
            crash_budget: config.queue.crash_budget,
            policy: RetryPolicy {
                max_attempts: config.retry.max_attempts,
                base: config.retry.backoff_base,
                cap: config.retry.backoff_cap,
            },
        },
        maintenance: MaintenanceConfig {
            reconcile_every: config.queue.reconcile_every,
            max_attempts: config.retry.max_attempts,
            prune: config.prune,
        },
        drain: config.zooid.timeout + DRAIN_GRACE,
    }
}

/// A name that no worker had before: containers often have the same process id, so chance tells them apart.
fn worker_id() -> Result<WorkerId, Malformed> {
    format!(
        "{}-{:012x}",
        std::process::id(),
        rand::random::<u64>() >> 16
    )
    .parse()
}
