//! Periodic work that keeps the queue complete, whichever worker happens to do it.

use std::time::Duration;

use shared::{
    clock::SharedClock,
    db::{Db, WriteError, WriteTx},
    queue::reconcile,
};
use tokio_util::sync::CancellationToken;

/// How often the periodic work is done, and with what.
#[derive(Debug, Clone, Copy)]
pub struct MaintenanceConfig {
    /// Between two looks for relays that no job covers, over all workers.
    pub reconcile_every: Duration,
    /// Attempts that a job enqueued by reconcile gets.
    pub max_attempts: u32,
}

#[derive(Debug, thiserror::Error)]
enum ReconcileError {
    #[error("cannot look for relays out of step")]
    Sql(#[from] shared::db::SqlError),
    #[error("cannot enqueue relays out of step")]
    Write(#[from] WriteError),
}

/// Looks at start and then every `reconcile_every`, until `stop`.
pub(crate) async fn run(
    db: Db,
    clock: SharedClock,
    config: MaintenanceConfig,
    stop: CancellationToken,
) {
    loop {
        match reconcile_once(&db, &clock, config).await {
            Ok(0) => {}
            Ok(relays) => tracing::info!(
                relays,
                "enqueued relays that were out of step without a job"
            ),
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "cannot reconcile; trying again next time"
                );
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = clock.sleep_until(clock.now() + config.reconcile_every) => {}
        }
    }
}

async fn reconcile_once(
    db: &Db,
    clock: &SharedClock,
    config: MaintenanceConfig,
) -> Result<usize, ReconcileError> {
    let now = clock.now();
    db.write(async move |tx: &mut WriteTx| {
        reconcile(tx, now, config.reconcile_every, config.max_attempts)
            .await
            .map_err(ReconcileError::from)
    })
    .await
}
