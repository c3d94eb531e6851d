//! How a running job leaves its state: it ends, or it waits again.
//!
//! Leaving `Running` always clears the lock and moves the key, and every return to waiting first looks for a waiting twin:
//! the key is unique, and one violation would undo the whole turn.

use chrono::{DateTime, Utc};

use super::{
    job::{JOB_TYPE, LastResult, Priority},
    outcome::to_json,
};
use crate::{
    db::{WakeKind, WriteTx},
    domain::JobId,
};

/// Ends running jobs: `Done` for good or needless ones, `Killed` for the others.
pub(super) async fn end_jobs(
    tx: &mut WriteTx,
    now: DateTime<Utc>,
    jobs: &[impl AsRef<str>],
    last_result: LastResult<'_>,
) -> Result<(), sqlx::Error> {
    if jobs.is_empty() {
        return Ok(());
    }
    let status = match last_result {
        LastResult::Ok(_) => "Done",
        LastResult::Err(_) => "Killed",
    };
    let jobs: Vec<&str> = jobs.iter().map(AsRef::as_ref).collect();
    sqlx::query(
        "UPDATE Jobs
         SET status = $2,
             done_at = $3,
             last_result = $4,
             lock_by = NULL,
             lock_at = NULL,
             idempotency_key = NULL
         WHERE id IN (SELECT value FROM json_each($1))
           AND status = 'Running'",
    )
    .bind(to_json(&jobs)?)
    .bind(status)
    .bind(now.timestamp())
    .bind(last_result.to_json())
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// How a job that ran goes back to waiting.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waiting<'a> {
    /// In unix seconds.
    pub(super) run_at: i64,
    /// Its new place in the line; `None` keeps the one it has.
    pub(super) priority: Option<Priority>,
    /// How the run ended.
    pub(super) last_result: LastResult<'a>,
    /// Whether the run counts against the job's attempts.
    pub(super) spent: bool,
}

/// Lets a running job wait again, unless its relay has a waiting job already (then this one is superseded), or was given up
/// meanwhile.
pub(super) async fn return_to_waiting(
    tx: &mut WriteTx,
    now: DateTime<Utc>,
    job: &JobId,
    again: Waiting<'_>,
) -> Result<(), sqlx::Error> {
    let over = sqlx::query(
        "WITH ended AS MATERIALIZED (
             SELECT
                 Jobs.id,
                 EXISTS (
                     SELECT 1
                     FROM Jobs AS twin
                     WHERE twin.job_type = $2
                       AND twin.idempotency_key = relay_sync.relay_id
                 ) AS superseded,
                 coalesce(relay_sync.failed_generation = relay_sync.desired_generation, 0) AS given_up
             FROM Jobs
             CROSS JOIN relay_sync ON relay_sync.relay_id = replace(Jobs.idempotency_key, ':running', '')
             WHERE Jobs.id = $1
               AND Jobs.status = 'Running'
         )
         UPDATE Jobs
         SET status = CASE WHEN ended.superseded THEN 'Done' ELSE 'Killed' END,
             done_at = $3,
             last_result = CASE WHEN ended.superseded THEN $4 ELSE $5 END,
             lock_by = NULL,
             lock_at = NULL,
             idempotency_key = NULL
         FROM ended
         WHERE Jobs.id = ended.id
           AND (ended.superseded OR ended.given_up)",
    )
    .bind(job.as_str())
    .bind(JOB_TYPE)
    .bind(now.timestamp())
    .bind(LastResult::Ok("superseded").to_json())
    .bind(LastResult::Err("given up while it ran").to_json())
    .execute(&mut *tx)
    .await?;
    if over.rows_affected() > 0 {
        return Ok(());
    }
    sqlx::query(
        "UPDATE Jobs
         SET status = 'Pending',
             run_at = $2,
             last_result = $3,
             priority = coalesce($4, priority),
             attempts = CASE WHEN $5 THEN attempts ELSE max(attempts - 1, 0) END,
             lock_by = NULL,
             lock_at = NULL,
             idempotency_key = replace(idempotency_key, ':running', '')
         WHERE id = $1
           AND status = 'Running'",
    )
    .bind(job.as_str())
    .bind(again.run_at)
    .bind(again.last_result.to_json())
    .bind(again.priority.map(Priority::number))
    .bind(again.spent)
    .execute(&mut *tx)
    .await?;
    tx.wake(WakeKind::Worker);
    Ok(())
}
