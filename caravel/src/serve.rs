//! API and worker in one process, on one database.

use std::{
    io::{self, Write as _},
    net::SocketAddr,
    process::ExitCode,
    sync::Arc,
};

use anyhow::Context as _;
use api::ApiState;
use shared::{
    clock::{SharedClock, SystemClock},
    config::ServeConfig,
    db::{DatabaseOptions, Db, Role},
    signals::{EXIT_INTERRUPTED, Interrupted, StopSignals},
    telemetry,
};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use worker::{Ended, RunningWorker, start_configured};

/// Runs both until a signal stops them. Answers how the process should end.
pub async fn run(config: ServeConfig) -> anyhow::Result<ExitCode> {
    let log = &config.api.log;
    telemetry::init(log.format, log.filter.clone())?;
    let signals = StopSignals::listen().context("listen for signals")?;
    for warning in &config.worker.warnings {
        tracing::warn!("{warning}");
    }
    let stop = CancellationToken::new();
    match signals.govern(stop.clone(), serve(&config, stop)).await {
        Ok(ended) => Ok(exit_code(ended?)),
        Err(Interrupted) => Ok(ExitCode::from(EXIT_INTERRUPTED)),
    }
}

/// How a process ends whose worker ended so.
pub fn exit_code(ended: Ended) -> ExitCode {
    match ended {
        Ended::Drained => ExitCode::SUCCESS,
        Ended::CutShort | Ended::Broken => ExitCode::FAILURE,
    }
}

async fn serve(config: &ServeConfig, stop: CancellationToken) -> anyhow::Result<Ended> {
    let address = config.api.server.listen;
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("listen on {address}"))?;
    let caravel = Caravel::start(config, listener, stop).await?;
    let mut out = io::stdout();
    writeln!(out, "listening on http://{}", caravel.address)?;
    writeln!(out, "worker {} ready", caravel.worker.id)?;
    let db = caravel.db.clone();
    let ended = caravel.ended().await;
    // A database that is gone cannot be waited for.
    if !matches!(ended, Ok(Ended::Broken)) {
        db.close().await;
    }
    ended
}

/// API and worker at work, on a database that both share.
pub struct Caravel {
    /// The database.
    pub db: Db,
    /// Where the API listens.
    pub address: SocketAddr,
    worker: RunningWorker,
    api: JoinHandle<()>,
    stop: CancellationToken,
}

impl Caravel {
    /// Starts both. Cancelling `stop` begins the drain of both.
    pub async fn start(
        config: &ServeConfig,
        listener: TcpListener,
        stop: CancellationToken,
    ) -> anyhow::Result<Self> {
        let clock: SharedClock = Arc::new(SystemClock);
        let address = listener.local_addr().context("learn the port")?;
        let db = Db::open(DatabaseOptions::new(
            &config.api.database,
            Role::Interactive,
        ))
        .await?;
        let state = ApiState::new(&config.api, db.clone(), Arc::clone(&clock))?;
        let worker = start_configured(db.clone(), clock, &config.worker, stop.clone()).await?;
        state
            .health()
            .watch(worker::watched(&config.worker, worker.id.clone()));
        let api = tokio::spawn(api::serve(listener, state, stop.clone()));
        Ok(Self {
            db,
            address,
            worker,
            api,
            stop,
        })
    }

    /// Waits for the end of both drains. When one of them ends by itself, the other drains too.
    pub async fn ended(self) -> anyhow::Result<Ended> {
        let api = async {
            let ended = self.api.await;
            self.stop.cancel();
            ended
        };
        let worker = async {
            let ended = self.worker.ended().await;
            self.stop.cancel();
            ended
        };
        let (api, worker) = tokio::join!(api, worker);
        api.context("serve the API")?;
        worker.context("run the worker")
    }
}
