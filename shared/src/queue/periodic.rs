//! Whose turn a periodic work is: whoever moves its row in `maintenance` forward does it, the others leave it.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::db::WriteTx;

/// Takes the work `name` on, unless some worker did so less than `every` ago. A row that lies in the future was written
/// by a clock that has been set back since: it stops nobody.
pub(super) async fn take_on(
    tx: &mut WriteTx,
    name: &'static str,
    now: DateTime<Utc>,
    every: Duration,
) -> Result<bool, sqlx::Error> {
    let taken = sqlx::query(
        "INSERT INTO maintenance (name, last_run_at)
         VALUES ($1, $2)
         ON CONFLICT (name) DO UPDATE
         SET last_run_at = excluded.last_run_at
         WHERE last_run_at <= excluded.last_run_at - $3
            OR last_run_at > excluded.last_run_at",
    )
    .bind(name)
    .bind(now.timestamp_millis())
    .bind(i64::try_from(every.as_millis()).unwrap_or(i64::MAX))
    .execute(&mut *tx)
    .await?;
    Ok(taken.rows_affected() > 0)
}
