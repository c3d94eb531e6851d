//! Sums the minutes of the rollups by the hour, for charts over days.
//!
//! Invariants: `maintenance.position` is the first hour that is not summed, and every hour before it is, so a reader adds
//! the minutes from there on. An hour is summed when it has been over for [`SETTLED`], in one write, together with the
//! position. It is not summed again: what a clock that was set back writes into it counts in its minute alone.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::periodic;
use crate::{
    clock::SharedClock,
    db::{Db, WriteError, WriteTx},
};

/// How long an hour must have been over. An attempt ends in the minute that the clock shows when its outcome is recorded,
/// and outcomes are committed within seconds.
const SETTLED: Duration = Duration::from_mins(10);
/// The row in `maintenance`.
const NAME: &str = "hours";

/// Why summing stopped short. What was summed until then stays; the next round goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum SumHoursError {
    /// A statement was refused.
    #[error("cannot sum the minutes of an hour")]
    Sql(#[from] sqlx::Error),
    /// An hour could not be committed.
    #[error("cannot commit the sums of an hour")]
    Write(#[from] WriteError),
}

/// Sums every hour that is over, each in a write of its own. Answers how many there were; none when some worker began to
/// less than `every` ago.
///
/// # Errors
/// When the database refuses.
pub async fn sum_hours(
    db: &Db,
    clock: &SharedClock,
    every: Duration,
) -> Result<u64, SumHoursError> {
    let now = clock.now();
    let is_ours = db
        .write(async move |tx: &mut WriteTx| {
            periodic::take_on(tx, NAME, now, every)
                .await
                .map_err(SumHoursError::from)
        })
        .await?;
    let mut summed = 0;
    while is_ours
        && db
            .write(async move |tx: &mut WriteTx| {
                sum_next(tx, now).await.map_err(SumHoursError::from)
            })
            .await?
    {
        summed += 1;
    }
    Ok(summed)
}

/// Sums the first hour after the position that has anything in it. Answers whether there was one.
pub(super) async fn sum_next(tx: &mut WriteTx, now: DateTime<Utc>) -> Result<bool, sqlx::Error> {
    let present = (now - SETTLED).timestamp().div_euclid(3600);
    let hour: Option<i64> = sqlx::query_scalar(
        "SELECT minute / 60
         FROM sync_minute
         WHERE minute >= 60 * (SELECT position FROM maintenance WHERE name = $1)
           AND minute < 60 * $2
         ORDER BY minute
         LIMIT 1",
    )
    .bind(NAME)
    .bind(present)
    .fetch_optional(&mut *tx)
    .await?;
    if let Some(hour) = hour {
        sqlx::query(
            "INSERT INTO sync_hour (hour, target, accepted, failed, lost)
             SELECT $1, target, sum(accepted), sum(failed), sum(lost)
             FROM sync_minute
             WHERE minute >= 60 * $1
               AND minute < 60 * ($1 + 1)
             GROUP BY target;
             INSERT INTO sync_lag_hour (hour, target, upper_ms, syncs)
             SELECT $1, target, upper_ms, sum(syncs)
             FROM sync_lag
             WHERE minute >= 60 * $1
               AND minute < 60 * ($1 + 1)
             GROUP BY target, upper_ms",
        )
        .bind(hour)
        .execute(&mut *tx)
        .await?;
    }
    sqlx::query(
        "UPDATE maintenance
         SET position = max(position, $2)
         WHERE name = $1",
    )
    .bind(NAME)
    .bind(hour.map_or(present, |hour| hour + 1))
    .execute(&mut *tx)
    .await?;
    Ok(hour.is_some())
}
