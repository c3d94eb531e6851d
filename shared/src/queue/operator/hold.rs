//! Holding a target or the whole queue back, and asking for a probe. Each answers whether that changed anything.

use chrono::{DateTime, Utc};

use crate::{db::WriteTx, domain::ZooidDomain, queue::job::JOB_TYPE};

/// Whether there is such a target: a worker serves it, or a relay is to be served by it, which gives it its row.
pub(crate) async fn know_target(
    tx: &mut WriteTx,
    now: DateTime<Utc>,
    target: &ZooidDomain,
) -> Result<bool, sqlx::Error> {
    sqlx::query(
        "INSERT INTO target (name, circuit_since)
         SELECT $1, $2
         WHERE EXISTS (SELECT 1 FROM relay_sync WHERE target = $1)
         ON CONFLICT (name) DO NOTHING",
    )
    .bind(target.as_str())
    .bind(now.timestamp_millis())
    .execute(&mut *tx)
    .await?;
    sqlx::query_scalar(
        "SELECT EXISTS (
             SELECT 1
             FROM target
             WHERE name = $1
         )",
    )
    .bind(target.as_str())
    .fetch_one(&mut *tx)
    .await
}

/// Holds every sync of the target back.
pub(crate) async fn hold_target(
    tx: &mut WriteTx,
    now: DateTime<Utc>,
    target: &ZooidDomain,
) -> Result<bool, sqlx::Error> {
    let held = sqlx::query(
        "UPDATE target
         SET paused_at = $2
         WHERE name = $1
           AND paused_at IS NULL",
    )
    .bind(target.as_str())
    .bind(now.timestamp())
    .execute(&mut *tx)
    .await?;
    Ok(held.rows_affected() > 0)
}

/// Lets them go on.
pub(crate) async fn let_go_target(
    tx: &mut WriteTx,
    target: &ZooidDomain,
) -> Result<bool, sqlx::Error> {
    let let_go = sqlx::query(
        "UPDATE target
         SET paused_at = NULL
         WHERE name = $1
           AND paused_at IS NOT NULL",
    )
    .bind(target.as_str())
    .execute(&mut *tx)
    .await?;
    Ok(let_go.rows_affected() > 0)
}

/// Asks for a probe, unless one is asked for already.
pub(crate) async fn request_probe(
    tx: &mut WriteTx,
    now: DateTime<Utc>,
    target: &ZooidDomain,
) -> Result<bool, sqlx::Error> {
    let requested = sqlx::query(
        "UPDATE target
         SET probe_requested_at = $2
         WHERE name = $1
           AND probe_requested_at IS NULL",
    )
    .bind(target.as_str())
    .bind(now.timestamp_millis())
    .execute(&mut *tx)
    .await?;
    Ok(requested.rows_affected() > 0)
}

/// Holds every sync back.
pub(crate) async fn hold_queue(tx: &mut WriteTx, now: DateTime<Utc>) -> Result<bool, sqlx::Error> {
    let held = sqlx::query(
        "UPDATE queue
         SET paused_at = $2
         WHERE name = $1
           AND paused_at IS NULL",
    )
    .bind(JOB_TYPE)
    .bind(now.timestamp())
    .execute(&mut *tx)
    .await?;
    Ok(held.rows_affected() > 0)
}

/// Lets them go on.
pub(crate) async fn let_go_queue(tx: &mut WriteTx) -> Result<bool, sqlx::Error> {
    let let_go = sqlx::query(
        "UPDATE queue
         SET paused_at = NULL
         WHERE name = $1
           AND paused_at IS NOT NULL",
    )
    .bind(JOB_TYPE)
    .execute(&mut *tx)
    .await?;
    Ok(let_go.rows_affected() > 0)
}
