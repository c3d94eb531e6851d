//! What ended in each minute or hour, and how long it took: `sync_minute` and `sync_lag`, and their sums by the hour.

use std::ops::AddAssign;

use serde::Serialize;
use sqlx::{FromRow, QueryBuilder, Sqlite};
use utoipa::ToSchema;

use super::Snapshot;
use crate::domain::ZooidDomain;

/// Minutes of an hour.
const HOUR: i64 = 60;

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

/// Rows of one length that lie side by side; `from`, `until` and `step` are counted in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    length: Length,
    from: i64,
    until: i64,
    step: i64,
}

/// What a row sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Length {
    Minute,
    Hour,
}

impl From<Minutes> for Stretch {
    fn from(minutes: Minutes) -> Self {
        let Minutes { from, until, step } = minutes;
        Self {
            length: Length::Minute,
            from,
            until,
            step,
        }
    }
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
    /// Minutes, or hours, since the epoch, divided by the step: the point.
    pub slot: i64,
    accepted: i64,
    failed: i64,
    lost: i64,
}

/// How many relays came into step in one point after a time within one bucket.
#[derive(Debug, Clone, Copy, FromRow)]
pub struct LagRow {
    /// Minutes, or hours, since the epoch, divided by the step: the point.
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

impl AddAssign for Ended {
    fn add_assign(&mut self, other: Self) {
        self.accepted += other.accepted;
        self.failed += other.failed;
        self.lost += other.lost;
    }
}

/// The rows that `minutes` are read from, as few as there are: hours where points are whole hours and those are summed
/// already, and minutes for the rest.
///
/// # Errors
/// When the database refuses.
pub async fn stretches(
    snapshot: &mut Snapshot,
    minutes: Minutes,
) -> Result<Vec<Stretch>, sqlx::Error> {
    let Minutes { from, until, step } = minutes;
    if step % HOUR != 0 {
        return Ok(vec![minutes.into()]);
    }
    let summed: Option<(i64,)> = snapshot
        .first(QueryBuilder::new(
            "SELECT position FROM maintenance WHERE name = 'hours'",
        ))
        .await?;
    let summed_until = summed.map_or(0, |(hour,)| hour * HOUR).clamp(from, until);
    let hours = Stretch {
        length: Length::Hour,
        from: from / HOUR,
        until: summed_until / HOUR,
        step: step / HOUR,
    };
    let rest = Minutes {
        from: summed_until,
        until,
        step,
    };
    Ok(vec![hours, rest.into()])
}

/// What ended in each point of `stretch`, points without anything left out.
///
/// # Errors
/// When the database refuses.
pub async fn ended(
    snapshot: &mut Snapshot,
    stretch: Stretch,
    target: Option<&ZooidDomain>,
) -> Result<Vec<EndedRow>, sqlx::Error> {
    let table = match stretch.length {
        Length::Minute => "sync_minute",
        Length::Hour => "sync_hour",
    };
    let sums = "sum(accepted) AS accepted, sum(failed) AS failed, sum(lost) AS lost";
    let mut query = per_point(stretch, sums, table, target);
    query.push(" GROUP BY slot");
    snapshot.all(query).await
}

/// The histogram of each point of `stretch`, buckets without anything left out.
///
/// # Errors
/// When the database refuses.
pub async fn lags(
    snapshot: &mut Snapshot,
    stretch: Stretch,
    target: Option<&ZooidDomain>,
) -> Result<Vec<LagRow>, sqlx::Error> {
    let table = match stretch.length {
        Length::Minute => "sync_lag",
        Length::Hour => "sync_lag_hour",
    };
    let mut query = per_point(stretch, "upper_ms, sum(syncs) AS syncs", table, target);
    query.push(" GROUP BY slot, upper_ms");
    snapshot.all(query).await
}

fn per_point(
    stretch: Stretch,
    columns: &'static str,
    table: &'static str,
    target: Option<&ZooidDomain>,
) -> QueryBuilder<Sqlite> {
    let time = match stretch.length {
        Length::Minute => "minute",
        Length::Hour => "hour",
    };
    let mut query = QueryBuilder::new("SELECT ");
    query.push(time).push(" / ").push_bind(stretch.step);
    query.push(" AS slot, ").push(columns);
    query.push(" FROM ").push(table);
    query
        .push(" WHERE ")
        .push(time)
        .push(" >= ")
        .push_bind(stretch.from);
    query
        .push(" AND ")
        .push(time)
        .push(" < ")
        .push_bind(stretch.until);
    if let Some(target) = target {
        query
            .push(" AND target = ")
            .push_bind(target.as_str().to_owned());
    }
    query
}
