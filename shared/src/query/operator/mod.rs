//! What operators ask: is everything in step, what failed, and why is this relay not there?
//!
//! Every answer serializes as the operators' part of the API shows it, so all programs show the same.

mod custom_domain;
mod diff;
mod explanation;
mod lists;
mod overview;
mod relay;
mod series;
mod targets;
mod timeline;
mod workers;

use std::time::Duration;

use chrono::{DateTime, Utc};

pub use custom_domain::CustomDomainReport;
pub use diff::DiffRow;
pub use explanation::{Explanation, ExplanationCode};
pub use overview::{Latency, Overview, QueueView, WorkerCounts};
pub use relay::{NextRequest, RelayReport};
pub use series::{Point, Series, SeriesRange};
pub use targets::TargetView;
pub use timeline::TimelineEvent;
pub use workers::WorkerView;

/// From where and when an operator looks.
#[derive(Debug, Clone, Copy)]
pub struct Viewpoint {
    /// The present.
    pub now: DateTime<Utc>,
    /// For how long a worker may be silent before it is shown as dead, although no other worker has said so: there may
    /// be none.
    pub silent_after: Duration,
}

impl Viewpoint {
    /// At `now`, where workers have this lease.
    #[must_use]
    pub fn new(now: DateTime<Utc>, lease: Duration) -> Self {
        Self {
            now,
            // Others notice within a lease and a beat.
            silent_after: lease * 2,
        }
    }

    fn now_ms(&self) -> i64 {
        self.now.timestamp_millis()
    }
}
