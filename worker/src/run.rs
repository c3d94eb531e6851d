//! A worker from its registration to the end of its drain.

use std::{convert::Infallible, future::Future, time::Duration};

use apalis::prelude::WorkerBuilder;
use shared::{
    clock::SharedClock,
    db::Db,
    domain::{Malformed, SyncReport, WorkerId},
    queue::{ClaimedSync, Engine, EngineConfig, EngineError, SyncBackend},
};
use tokio::task::{JoinError, JoinHandle};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tracing::Instrument;

use crate::{
    keep_going::keep_going,
    maintenance::{self, MaintenanceConfig},
};

/// The pause before a part that broke is started again; it grows with each further time.
const RESTART_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause, in [`RESTART_PAUSE`]s.
const LONGEST_PAUSES: u32 = 30;

/// What a worker is started with.
#[derive(Debug, Clone)]
pub struct RunConfig {
    /// The engine's part.
    pub engine: EngineConfig,
    /// The periodic work's part.
    pub maintenance: MaintenanceConfig,
    /// How long running syncs may go on after the drain has begun.
    pub drain: Duration,
}

/// How a worker ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Every claimed sync has ended and is recorded.
    Drained,
    /// The drain took too long: what still ran is taken over by other workers when the lease has run out.
    CutShort,
    /// The database it opened is gone, or has refused every write for a minute. The log says which.
    Broken,
}

/// A worker that is registered and claims.
#[derive(Debug)]
pub struct RunningWorker {
    /// Its id.
    pub id: WorkerId,
    stop: CancellationToken,
    task: JoinHandle<Ended>,
}

impl RunningWorker {
    /// Waits for the end of the drain, which begins when the token given to [`start`] is cancelled.
    ///
    /// # Errors
    /// When the worker's task panicked: a defect.
    pub async fn ended(self) -> Result<Ended, tokio::task::JoinError> {
        self.task.await
    }

    /// Begins the drain.
    pub fn drain(&self) {
        self.stop.cancel();
    }
}

/// Registers a worker and lets it claim. `handler` carries out one sync; cancelling `stop` begins the drain.
///
/// # Errors
/// When the worker cannot be registered in the database.
pub async fn start<H, F>(
    db: Db,
    clock: SharedClock,
    config: RunConfig,
    handler: H,
    stop: CancellationToken,
) -> Result<RunningWorker, EngineError>
where
    H: Fn(ClaimedSync) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = SyncReport> + Send + 'static,
{
    let id = config.engine.worker.clone();
    let first = Engine::start(
        db.clone(),
        clock.clone(),
        config.engine.clone(),
        stop.clone(),
    )
    .await?;
    let supervisor = Supervisor {
        db,
        clock,
        config,
        handler,
        stop: stop.clone(),
    };
    let span = tracing::info_span!("worker", worker.id = %id);
    let task = tokio::spawn(supervisor.run(first).instrument(span));
    Ok(RunningWorker { id, stop, task })
}

/// Keeps the parts of a worker going: what panics is started again.
struct Supervisor<H> {
    db: Db,
    clock: SharedClock,
    config: RunConfig,
    handler: H,
    stop: CancellationToken,
}

impl<H, F> Supervisor<H>
where
    H: Fn(ClaimedSync) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = SyncReport> + Send + 'static,
{
    async fn run(self, first: (Engine, SyncBackend)) -> Ended {
        let cut = async {
            self.stop.cancelled().await;
            tokio::time::sleep(self.config.drain).await;
        };
        let ended = tokio::select! {
            biased;
            () = self.work(first) => Ended::Drained,
            never = self.maintain() => match never {},
            lost = self.db.lost(&self.clock) => {
                tracing::error!(error = &lost as &dyn std::error::Error, "stopping at once");
                Ended::Broken
            }
            () = cut => {
                tracing::warn!("the drain took too long; leaving running syncs to other workers");
                Ended::CutShort
            }
        };
        self.stop.cancel();
        ended
    }

    /// Runs engine and handlers to the end of the drain. When one of them breaks, both start anew under another name: the
    /// old one falls silent, and what it held is taken over like that of any dead worker.
    async fn work(&self, first: (Engine, SyncBackend)) {
        let mut parts = first;
        for restart in 1_u32.. {
            match self.session(parts).await {
                Ok(()) => return,
                Err(broken) => {
                    tracing::error!(
                        error = &broken as &dyn std::error::Error,
                        restart,
                        "starting again"
                    );
                }
            }
            parts = self.restart(restart).await;
        }
    }

    async fn session(&self, (engine, backend): (Engine, SyncBackend)) -> Result<(), Broken> {
        let name = engine.worker().to_string();
        let handler = self.handler.clone();
        let handlers = AbortOnDropHandle::new(tokio::spawn(async move {
            let carry_out = move |sync: ClaimedSync| {
                // A task of its own: syncs run on all cores, and a panic ends this one alone.
                tokio::spawn(handler(sync).in_current_span())
            };
            WorkerBuilder::new(name)
                .backend(backend)
                .build(carry_out)
                .run()
                .await
        }));
        let engine = AbortOnDropHandle::new(tokio::spawn(engine.run().in_current_span()));
        tokio::select! {
            biased;
            ended = engine => ended.map_err(Broken::Engine),
            _ = handlers => Err(Broken::Handlers),
        }
    }

    /// Registers under a new name, as often as it takes: [`Db::lost`] ends a wait that is hopeless.
    async fn restart(&self, restart: u32) -> (Engine, SyncBackend) {
        loop {
            tokio::time::sleep(RESTART_PAUSE * restart.min(LONGEST_PAUSES)).await;
            match self.start_anew(restart).await {
                Ok(parts) => return parts,
                Err(error) => {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "cannot start again yet"
                    );
                }
            }
        }
    }

    async fn start_anew(&self, restart: u32) -> Result<(Engine, SyncBackend), RestartError> {
        let engine = EngineConfig {
            worker: format!("{}.{restart}", self.config.engine.worker).parse()?,
            ..self.config.engine.clone()
        };
        let (db, clock) = (self.db.clone(), self.clock.clone());
        Ok(Engine::start(db, clock, engine, self.stop.clone()).await?)
    }

    /// Keeps the periodic work going for as long as somebody waits for the worker.
    async fn maintain(&self) -> Infallible {
        keep_going("the periodic work", || {
            maintenance::run(
                self.db.clone(),
                self.clock.clone(),
                self.config.maintenance,
                self.stop.clone(),
            )
        })
        .await;
        std::future::pending().await
    }
}

/// Which part of a worker broke.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("the engine broke")]
    Engine(#[source] JoinError),
    #[error("apalis ended before the engine did")]
    Handlers,
}

#[derive(Debug, thiserror::Error)]
enum RestartError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("name the worker")]
    Name(#[from] Malformed),
}
