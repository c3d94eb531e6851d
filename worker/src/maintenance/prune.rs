//! Forgets what ended long ago.

use std::time::Duration;

use shared::{clock::SharedClock, config::PruneConfig, db::Db, queue::prune};

/// Between two rounds, over all workers. Much less than what is kept for, and so short that a round stays small.
pub(super) const EVERY: Duration = Duration::from_mins(10);

/// One round, unless another worker has begun one lately.
pub(super) async fn once(db: &Db, clock: &SharedClock, config: PruneConfig) {
    match prune(db, clock, config, EVERY).await {
        Ok(pruned) if pruned.rows() == 0 => {}
        Ok(pruned) => tracing::info!(
            jobs = pruned.jobs,
            attempts = pruned.attempts,
            groups = pruned.groups,
            workers = pruned.workers,
            minutes = pruned.minutes,
            "pruned what ended long ago"
        ),
        Err(error) => tracing::warn!(
            error = &error as &dyn std::error::Error,
            "cannot prune; trying again next time"
        ),
    }
}
