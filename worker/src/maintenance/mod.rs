//! Periodic work that keeps the queue complete, the database small and its charts quick, whichever worker happens to do it.
//!
//! Each kind of work has a loop of its own, so that a long one delays no other.

mod hours;
mod prune;
mod reconcile;
mod wal;

use std::time::Duration;

use shared::{clock::SharedClock, config::PruneConfig, db::Db};
use tokio_util::sync::CancellationToken;

/// How often the periodic work is done, and with what.
#[derive(Debug, Clone, Copy)]
pub struct MaintenanceConfig {
    /// Between two looks for relays that no job covers, over all workers.
    pub reconcile_every: Duration,
    /// Attempts that a job enqueued by reconcile gets.
    pub max_attempts: u32,
    /// What is forgotten.
    pub prune: PruneConfig,
}

/// Does all of it at start and then again and again, until `stop`.
pub(crate) async fn run(
    db: Db,
    clock: SharedClock,
    config: MaintenanceConfig,
    stop: CancellationToken,
) {
    let reconciling = async {
        loop {
            reconcile::once(&db, &clock, config).await;
            rest(&clock, config.reconcile_every).await;
        }
    };
    let pruning = async {
        loop {
            prune::once(&db, &clock, config.prune).await;
            rest(&clock, prune::EVERY).await;
        }
    };
    let summing = async {
        loop {
            hours::once(&db, &clock).await;
            rest(&clock, hours::EVERY).await;
        }
    };
    let mut wal = wal::Growth::default();
    let watching = async {
        loop {
            wal::once(&db, &mut wal).await;
            rest(&clock, wal::EVERY).await;
        }
    };
    let forever = async { tokio::join!(reconciling, pruning, summing, watching) };
    tokio::select! {
        () = stop.cancelled() => {}
        _ = forever => {}
    }
}

async fn rest(clock: &SharedClock, pause: Duration) {
    clock.sleep_until(clock.now() + pause).await;
}
