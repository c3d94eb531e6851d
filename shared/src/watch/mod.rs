//! How a process and the fleet are doing: readiness for supervisors, metrics for monitoring.
//!
//! Metrics are of two sorts. What this process did is counted in it, in memory, from its start ([`crate::metrics`]). How the
//! fleet is doing stands in the database and is read at each scrape ([`crate::queue::fleet`]): every process says the same,
//! so whoever adds up over processes counts it several times. No metric has a relay, a tenant or anything secret in its
//! labels, and the values of each label are few.

mod access;
mod fleet;
mod health;

use std::time::Duration;

use prometheus_client::{
    encoding::text::{encode_eof, encode_registry},
    registry::Registry,
};

pub use access::is_bearer;
pub use health::{CommitError, Health, ReadError, Unready, WatchedWorker};

use crate::{clock::SharedClock, db::Db, metrics, queue};
use fleet::FleetCollector;

/// The `Content-Type` of what [`metrics_text`] writes (<https://prometheus.io/docs/specs/om/open_metrics_spec/>).
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// How long the database may take to answer. A scrape gives up after ten seconds, and then has nothing at all.
const PATIENCE: Duration = Duration::from_secs(5);

/// Everything there is to measure, as text. When the database does not answer, what this process did is still told, and
/// `caravel_database_readable` is 0.
///
/// # Errors
/// When a label cannot be written, which is a defect.
pub async fn metrics_text(db: &Db, clock: &SharedClock) -> Result<String, std::fmt::Error> {
    let read = tokio::time::timeout(PATIENCE, queue::fleet(db, clock.now())).await;
    let fleet = match read {
        Ok(Ok(fleet)) => Some(fleet),
        Ok(Err(error)) => {
            tracing::warn!(%error, "cannot read the fleet's figures");
            None
        }
        Err(_elapsed) => {
            tracing::warn!("the database does not answer with the fleet's figures");
            None
        }
    };
    let mut registry = Registry::default();
    registry.register_collector(Box::new(FleetCollector::new(db, fleet)));
    let mut text = String::new();
    encode_registry(&mut text, metrics::registry())?;
    encode_registry(&mut text, &registry)?;
    encode_eof(&mut text)?;
    Ok(text)
}
