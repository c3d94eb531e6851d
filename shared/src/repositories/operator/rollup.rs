//! What ended in each minute, and how long it took: `sync_minute` and `sync_lag`.

use serde::Serialize;
use sqlx::{FromRow, QueryBuilder, Sqlite};
use utoipa::ToSchema;

use super::Snapshot;
use crate::domain::ZooidDomain;

/// Which minutes, in steps that a chart has as points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Minutes {
    /// The first, counted from the Unix epoch.
    pub from: i64,
    /// The one after the last.
    pub until: i64,
    /// Minutes of one point; those of a point have the same quotient by it.
    pub step: i64,
}

/// Attempts that ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Ended {
    /// zooid accepted them.
    pub accepted: u64,
    /// It did not.
    pub failed: u64,
    /// Their worker died.
    pub lost: u64,
}

/// The attempts that ended in one point.
#[derive(Debug, Clone, Copy, FromRow)]
pub struct EndedRow {
    /// Minutes since the epoch, divided by the step.
    pub slot: i64,
    accepted: i64,
    failed: i64,
    lost: i64,
}

/// How many relays came into step in one point after a time within one bucket.
#[derive(Debug, Clone, Copy, FromRow)]
pub struct LagRow {
    /// Minutes since the epoch, divided by the step.
    pub slot: i64,
    /// The bucket's upper bound, in milliseconds.
    pub upper_ms: i64,
    syncs: i64,
}

impl EndedRow {
    /// Without the point.
    #[must_use]
    pub fn ended(&self) -> Ended {
        Ended {
            accepted: self.accepted.unsigned_abs(),
            failed: self.failed.unsigned_abs(),
            lost: self.lost.unsigned_abs(),
        }
    }
}

impl LagRow {
    /// How many relays.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        self.syncs.unsigned_abs()
    }
}

/// What ended in each point of `minutes`, points without anything left out.
///
/// # Errors
/// When the database refuses.
pub async fn ended(
    snapshot: &mut Snapshot,
    minutes: Minutes,
    target: Option<&ZooidDomain>,
) -> Result<Vec<EndedRow>, sqlx::Error> {
    let mut query = per_point(
        minutes,
        "sum(accepted) AS accepted, sum(failed) AS failed, sum(lost) AS lost
         FROM sync_minute",
        target,
    );
    query.push(" GROUP BY slot");
    snapshot.all(query).await
}

/// The histogram of each point of `minutes`, buckets without anything left out.
///
/// # Errors
/// When the database refuses.
pub async fn lags(
    snapshot: &mut Snapshot,
    minutes: Minutes,
    target: Option<&ZooidDomain>,
) -> Result<Vec<LagRow>, sqlx::Error> {
    let mut query = per_point(
        minutes,
        "upper_ms, sum(syncs) AS syncs FROM sync_lag",
        target,
    );
    query.push(" GROUP BY slot, upper_ms");
    snapshot.all(query).await
}

fn per_point(
    minutes: Minutes,
    columns: &'static str,
    target: Option<&ZooidDomain>,
) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new("SELECT minute / ");
    query.push_bind(minutes.step);
    query.push(" AS slot, ").push(columns);
    query.push(" WHERE minute >= ").push_bind(minutes.from);
    query.push(" AND minute < ").push_bind(minutes.until);
    if let Some(target) = target {
        query
            .push(" AND target = ")
            .push_bind(target.as_str().to_owned());
    }
    query
}
