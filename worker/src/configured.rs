//! A worker as its configuration says: the same for `caravel-worker`, `caravel serve` and `caravel demo`.

use std::{sync::Arc, time::Duration};

use shared::{
    clock::SharedClock,
    command::{Command, Context, Entropy},
    config::WorkerConfig,
    db::{Db, SqlError, WriteError, WriteTx},
    domain::{Malformed, WorkerId, ZooidDomain},
    queue::{
        EngineConfig, EngineError, RetryPolicy,
        probe::{self, TargetInfo},
    },
    watch::WatchedWorker,
    zooid::ZooidClientError,
};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::{
    MaintenanceConfig, RunConfig, RunningWorker, domains::Domains, keep_going::keep_going,
    prober::Prober, settings::Settings, start, sync, zooids::Zooids,
};

/// How long a drain may take beyond the deadline of the calls that still run: time to record how they ended.
const DRAIN_GRACE: Duration = Duration::from_secs(5);

/// Why a worker could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The client of a zooid could not be set up.
    #[error(transparent)]
    Zooid(#[from] ZooidClientError),
    /// The zooids could not be made known in the database.
    #[error("cannot announce the targets")]
    Announce(#[from] SqlError),
    /// The write that should have made them known was lost.
    #[error("cannot announce the targets")]
    Write(#[from] WriteError),
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
/// When the client of a zooid cannot be set up, or the worker cannot be registered in the database.
pub async fn start_configured(
    db: Db,
    clock: SharedClock,
    config: &WorkerConfig,
    stop: CancellationToken,
) -> Result<RunningWorker, StartError> {
    let zooids = Arc::new(Zooids::new(config, &clock)?);
    announce(&db, &clock, config).await?;
    let handler = sync::handler(Arc::clone(&zooids), config.sealer.clone(), clock.clone());
    let id = worker_id()?;
    let run = run_config(config, id.clone());
    let worker = start(db.clone(), clock.clone(), run, handler, stop.clone()).await?;
    let span = tracing::info_span!("worker", worker.id = %id);
    let prober = Prober {
        db: db.clone(),
        clock: clock.clone(),
        zooids: Arc::clone(&zooids),
        timeout: call_timeout(config),
    };
    let probing = stop.clone();
    tokio::spawn(
        async move { keep_going("the prober", || prober.clone().run(probing.clone())).await }
            .instrument(span.clone()),
    );
    let custom_domains = look_ups(&db, &clock, config);
    let looking_up = stop.clone();
    tokio::spawn(
        async move {
            keep_going("the look-up of custom domains", || {
                custom_domains.clone().run(looking_up.clone())
            })
            .await;
        }
        .instrument(span.clone()),
    );
    let settings = Settings {
        db,
        clock,
        zooids,
        worker: id,
        max_attempts: config.retry.max_attempts,
    };
    tokio::spawn(
        async move {
            keep_going("the comparison of settings", || {
                settings.clone().run(stop.clone())
            })
            .await;
        }
        .instrument(span),
    );
    Ok(worker)
}

async fn announce(db: &Db, clock: &SharedClock, config: &WorkerConfig) -> Result<(), StartError> {
    let targets: Vec<TargetInfo> = config
        .targets
        .iter()
        .map(|target| TargetInfo {
            name: target.domain.clone(),
            url: target.zooid.api_url.as_str().to_owned(),
        })
        .collect();
    let now = clock.now();
    db.write(async move |tx: &mut WriteTx| Ok(probe::announce(tx, now, &targets).await?))
        .await
}

/// What it looks custom domains up with.
fn look_ups(db: &Db, clock: &SharedClock, config: &WorkerConfig) -> Domains {
    let context = Context {
        clock: clock.clone(),
        sealer: config.sealer.clone(),
        entropy: Entropy::from_system(),
        max_attempts: config.retry.max_attempts,
    };
    Domains {
        db: db.clone(),
        clock: clock.clone(),
        command: Command::new(db.clone(), context),
        resolvers: config.domains.resolvers.clone(),
        check_every: config.domains.check_every,
    }
}

/// Whose jobs it takes.
fn domains(config: &WorkerConfig) -> Vec<ZooidDomain> {
    let targets = config.targets.iter();
    targets.map(|target| target.domain.clone()).collect()
}

/// The longest that a call to any of the zooids may take.
fn call_timeout(config: &WorkerConfig) -> Duration {
    let timeouts = config.targets.iter().map(|target| target.zooid.timeout);
    timeouts.max().unwrap_or_default()
}

/// The worker `id`, started as configured, as something to be watched.
#[must_use]
pub fn watched(config: &WorkerConfig, id: WorkerId) -> WatchedWorker {
    WatchedWorker {
        id,
        targets: domains(config),
        lease: config.queue.lease,
        max_due: config.watch.max_due,
    }
}

fn run_config(config: &WorkerConfig, worker: WorkerId) -> RunConfig {
    RunConfig {
        engine: EngineConfig {
            worker,
            slots: config.queue.concurrency,
            targets: domains(config),
            lease: config.queue.lease,
            crash_budget: config.queue.crash_budget,
            policy: RetryPolicy {
                max_attempts: config.retry.max_attempts,
                base: config.retry.backoff_base,
                cap: config.retry.backoff_cap,
                call_deadline: call_timeout(config),
                settle_after: config.queue.settle_after,
            },
        },
        maintenance: MaintenanceConfig {
            reconcile_every: config.queue.reconcile_every,
            max_attempts: config.retry.max_attempts,
            prune: config.prune,
        },
        drain: call_timeout(config) + DRAIN_GRACE,
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
