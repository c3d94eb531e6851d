//! Looks for relays that are out of step although no job covers them.

use shared::{
    clock::SharedClock,
    db::{Db, SqlError, WriteError, WriteTx},
    queue::reconcile,
};

use super::MaintenanceConfig;

#[derive(Debug, thiserror::Error)]
enum ReconcileError {
    #[error("cannot look for relays out of step")]
    Sql(#[from] SqlError),
    #[error("cannot enqueue relays out of step")]
    Write(#[from] WriteError),
}

/// Looks once, unless another worker has done so lately.
pub(super) async fn once(db: &Db, clock: &SharedClock, config: MaintenanceConfig) {
    let now = clock.now();
    let enqueued = db
        .write(async move |tx: &mut WriteTx| {
            reconcile(tx, now, config.reconcile_every, config.max_attempts)
                .await
                .map_err(ReconcileError::from)
        })
        .await;
    match enqueued {
        Ok(0) => {}
        Ok(relays) => tracing::info!(
            relays,
            "enqueued relays that were out of step without a job"
        ),
        Err(error) => tracing::warn!(
            error = &error as &dyn std::error::Error,
            "cannot reconcile; trying again next time"
        ),
    }
}
