//! A worker from its registration to the end of its drain.

use std::{future::Future, time::Duration};

use apalis::prelude::WorkerBuilder;
use shared::{
    clock::SharedClock,
    db::Db,
    domain::{SyncReport, WorkerId},
    queue::{ClaimedSync, Engine, EngineConfig, EngineEnd, EngineError, SyncBackend},
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::maintenance::{self, MaintenanceConfig};

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
    /// Something this worker cannot go on without is gone: the database file it opened, or a part of itself. The log says
    /// which.
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
    let (engine, backend) =
        Engine::start(db.clone(), clock.clone(), config.engine, stop.clone()).await?;
    let maintenance = maintenance::run(db, clock.clone(), config.maintenance, stop.clone());
    let span = tracing::info_span!("worker", worker.id = %id);
    let task = tokio::spawn(
        drive(
            engine,
            backend,
            handler,
            maintenance,
            stop.clone(),
            config.drain,
        )
        .instrument(span),
    );
    Ok(RunningWorker { id, stop, task })
}

async fn drive<H, F>(
    engine: Engine,
    backend: SyncBackend,
    handler: H,
    maintenance: impl Future<Output = ()> + Send + 'static,
    stop: CancellationToken,
    drain: Duration,
) -> Ended
where
    H: Fn(ClaimedSync) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = SyncReport> + Send + 'static,
{
    let name = engine.worker().to_string();
    let mut handlers = tokio::spawn(async move {
        let carry_out = move |sync: ClaimedSync| {
            // A task of its own: syncs run on all cores, and a panic ends this one alone.
            tokio::spawn(handler(sync).in_current_span())
        };
        WorkerBuilder::new(name)
            .backend(backend)
            .build(carry_out)
            .run()
            .await
    });
    let maintenance = tokio::spawn(maintenance);
    let mut engine = tokio::spawn(engine.run());
    let cut = {
        let stop = stop.clone();
        async move {
            stop.cancelled().await;
            tokio::time::sleep(drain).await;
        }
    };
    let ended = tokio::select! {
        biased;
        ended = &mut engine => match ended {
            Ok(EngineEnd::Drained) => Ended::Drained,
            Ok(EngineEnd::DatabaseReplaced) => {
                tracing::error!("the database file was replaced or removed; stopping at once");
                Ended::Broken
            }
            Err(error) => {
                tracing::error!(%error, "the engine broke");
                Ended::Broken
            }
        },
        _ = &mut handlers => {
            tracing::error!("apalis ended before the engine did");
            Ended::Broken
        }
        () = cut => {
            tracing::warn!("the drain took too long; leaving running syncs to other workers");
            Ended::CutShort
        }
    };
    stop.cancel();
    // Whatever has not ended by now must not look alive to other workers.
    engine.abort();
    handlers.abort();
    maintenance.abort();
    ended
}
