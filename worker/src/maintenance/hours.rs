//! Sums the minutes of the rollups by the hour.

use std::time::Duration;

use shared::{clock::SharedClock, db::Db, queue::sum_hours};

/// Between two rounds, over all workers: a chart over days then adds up the minutes of two hours at most.
pub(super) const EVERY: Duration = Duration::from_mins(10);

/// One round, unless another worker has begun one lately.
pub(super) async fn once(db: &Db, clock: &SharedClock) {
    match sum_hours(db, clock, EVERY).await {
        Ok(0) => {}
        Ok(hours) => tracing::debug!(hours, "summed the minutes of hours that are over"),
        Err(error) => tracing::warn!(
            error = &error as &dyn std::error::Error,
            "cannot sum the minutes of an hour; trying again next time"
        ),
    }
}
