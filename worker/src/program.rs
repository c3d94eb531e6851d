//! The program `caravel-worker`, which `caravel worker` runs too.

use std::{
    io::{self, Write as _},
    net::SocketAddr,
    process::ExitCode,
    sync::Arc,
};

use shared::{
    clock::{SharedClock, SystemClock},
    config::WorkerConfig,
    db::{DatabaseOptions, Db, OpenError, Role},
    signals::{EXIT_INTERRUPTED, Interrupted, StopSignals},
    telemetry::{self, TelemetryError},
    watch::Health,
};
use tokio::{net::TcpListener, task::JoinError};
use tokio_util::sync::CancellationToken;

use crate::{Ended, StartError, http, start_configured, watched};

/// What `--help` says about the program.
pub const HELP: &str = "\
Keeps the relays of one or several zooids in step with the database.

Takes sync jobs from the database that it shares with the API, sends each relay's newest settings to zooid and records \
what zooid said. Start as many as you like, at any time: they share the work, and take over from one another when one \
dies.

Configured by environment variables, or by a file .env in the working directory; .env.example explains each. It needs \
CARAVEL_SECRETS_KEY; RELAY_DOMAIN, ZOOID_API_URL and ZOOID_API_SECRET, or ZOOID_TARGETS for several zooids; and \
DATABASE_URL unless the default will do.

Prints `worker ID ready` on standard output once it takes jobs; logs go to standard error. With WORKER_HTTP_ADDR it \
answers /healthz, /readyz and /metrics there. SIGTERM or SIGINT drains it: \
calls under way end and are recorded, nothing new begins. A second signal stops at once.

Exit codes: 0 drained; 1 could not start, or the drain was cut short; 78 the configuration is wrong; 130 stopped by a \
second signal.";

/// Why the program ended before its time.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// Logs have nowhere to go.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    /// The signals that should stop it cannot be heard.
    #[error("listen for signals")]
    Signals(#[source] io::Error),
    /// The database cannot be opened.
    #[error("open the database")]
    Open(#[from] OpenError),
    /// The port cannot be had.
    #[error("listen on {address}")]
    Listen {
        /// Where it should listen.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The worker cannot start.
    #[error("start the worker")]
    Start(#[from] StartError),
    /// Standard output is closed.
    #[error("say that the worker is ready")]
    Output(#[source] io::Error),
    /// The worker's task panicked.
    #[error("run the worker")]
    Run(#[from] JoinError),
}

/// Runs a worker until a signal stops it. Answers how the process should end.
///
/// # Errors
/// When it cannot start, or breaks.
pub async fn run(config: WorkerConfig) -> Result<ExitCode, ProgramError> {
    telemetry::init(config.log.format, config.log.filter.clone())?;
    run_logged(config).await
}

/// The same in a process that has set up its logs already.
///
/// # Errors
/// As [`run`].
pub async fn run_logged(config: WorkerConfig) -> Result<ExitCode, ProgramError> {
    let signals = StopSignals::listen().map_err(ProgramError::Signals)?;
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let stop = CancellationToken::new();
    let program = work(&config, stop.clone());
    match signals.govern(stop, program).await {
        Ok(ended) => Ok(match ended? {
            Ended::Drained => ExitCode::SUCCESS,
            Ended::CutShort | Ended::Broken => ExitCode::FAILURE,
        }),
        Err(Interrupted) => Ok(ExitCode::from(EXIT_INTERRUPTED)),
    }
}

async fn work(config: &WorkerConfig, stop: CancellationToken) -> Result<Ended, ProgramError> {
    let db = Db::open(DatabaseOptions::new(&config.database, Role::Background)).await?;
    let clock: SharedClock = Arc::new(SystemClock);
    let listener = match config.watch.listen {
        Some(address) => Some(
            TcpListener::bind(address)
                .await
                .map_err(|source| ProgramError::Listen { address, source })?,
        ),
        None => None,
    };
    let worker = start_configured(db.clone(), Arc::clone(&clock), config, stop).await?;
    // It answers until the drain is over: that is when people look.
    let drained = CancellationToken::new();
    let _closes = drained.clone().drop_guard();
    if let Some(listener) = listener {
        let health = Health::new(db.clone(), Arc::clone(&clock));
        health.watch(watched(config, worker.id.clone()));
        let watched = http::Watched {
            db: db.clone(),
            clock,
            health,
            metrics_token: config.watch.metrics_token.clone(),
        };
        if let Ok(address) = listener.local_addr() {
            tracing::info!(%address, "answering /healthz, /readyz and /metrics");
        }
        tokio::spawn(async move {
            if let Err(error) = http::serve(listener, watched, drained).await {
                tracing::error!(%error, "cannot answer over http any more");
            }
        });
    }
    writeln!(io::stdout(), "worker {} ready", worker.id).map_err(ProgramError::Output)?;
    let ended = worker.ended().await?;
    db.close().await;
    Ok(ended)
}
