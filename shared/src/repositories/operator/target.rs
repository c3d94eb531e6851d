//! Targets as operators read them: whether each is reachable, and what holds its relays back.

use sqlx::{FromRow, QueryBuilder, Row as _, sqlite::SqliteRow};

use super::Snapshot;
use crate::{
    domain::{CircuitState, ZooidDomain},
    repositories::row::parsed,
};

/// The row of a target. Times are unix milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetRow {
    /// The domain it serves.
    pub name: ZooidDomain,
    /// Where its management API is; "" until a worker that knows has started.
    pub url: String,
    /// Whether calls go out.
    pub circuit_state: CircuitState,
    /// Since when.
    pub circuit_since: i64,
    /// Why, redacted; "" when there is nothing to say.
    pub circuit_reason: String,
    /// Failures of the target in a row.
    pub failures: u64,
    /// When the next probe is due; `None` while the circuit is closed.
    pub next_probe_at: Option<i64>,
    /// When an operator asked for a probe that has not been made yet.
    pub probe_requested_at: Option<i64>,
    /// When it was last probed.
    pub probed_at: Option<i64>,
    /// What that probe said, redacted; "" when all was well.
    pub probe_error: String,
    /// Since when an operator holds it back.
    pub paused_at: Option<i64>,
    /// Until when it asked us to wait.
    pub not_before: Option<i64>,
}

/// Every target that a worker has served, by name.
///
/// # Errors
/// When the database refuses, or a row breaks a rule of the domain.
pub async fn all(snapshot: &mut Snapshot) -> Result<Vec<TargetRow>, sqlx::Error> {
    snapshot
        .all(QueryBuilder::new("SELECT * FROM target ORDER BY name"))
        .await
}

/// Since when an operator holds every sync back, in unix milliseconds.
///
/// # Errors
/// When the database refuses.
pub async fn queue_paused_at(snapshot: &mut Snapshot) -> Result<Option<i64>, sqlx::Error> {
    let row: Option<(Option<i64>,)> = snapshot
        .first(QueryBuilder::new(
            "SELECT paused_at * 1000 FROM queue WHERE name = 'sync_relay'",
        ))
        .await?;
    Ok(row.and_then(|(paused_at,)| paused_at))
}

impl FromRow<'_, SqliteRow> for TargetRow {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        let failures: i64 = row.try_get("failures")?;
        let in_millis = |column| -> Result<Option<i64>, sqlx::Error> {
            let seconds: Option<i64> = row.try_get(column)?;
            Ok(seconds.map(|seconds| seconds * 1000))
        };
        Ok(Self {
            name: parsed(row, "name")?,
            url: row.try_get("url")?,
            circuit_state: parsed(row, "circuit_state")?,
            circuit_since: row.try_get("circuit_since")?,
            circuit_reason: row.try_get("circuit_reason")?,
            failures: failures.unsigned_abs(),
            next_probe_at: row.try_get("next_probe_at")?,
            probe_requested_at: row.try_get("probe_requested_at")?,
            probed_at: row.try_get("probed_at")?,
            probe_error: row.try_get("probe_error")?,
            paused_at: in_millis("paused_at")?,
            not_before: in_millis("not_before")?,
        })
    }
}
