//! Jobs that run or wait, as operators read them.

use serde::Serialize;
use sqlx::{FromRow, QueryBuilder, Row as _, sqlite::SqliteRow};
use utoipa::ToSchema;

use super::Snapshot;
use crate::{
    domain::{JobId, RelayId, WorkerId, ZooidDomain},
    repositories::row::{parsed, parsed_option},
};

/// A job that has not ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// Whether it runs.
    pub state: JobState,
    /// Attempts so far, one that runs included.
    pub attempts: u32,
    /// Attempts before it is given up.
    pub max_attempts: u32,
    /// When it is, or was, due, in unix seconds.
    pub run_at: i64,
    /// Its place in the line: higher goes first.
    pub priority: i64,
    /// The worker that runs it; `None` while it waits.
    pub locked_by: Option<WorkerId>,
    /// Since when, in unix milliseconds (whole seconds); `None` while it waits.
    pub locked_at: Option<i64>,
    /// The id of the request that caused it; "" when none did.
    pub trace: String,
}

/// What a job that has not ended does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// Waits until it is due, and for a worker.
    Waiting,
    /// Runs.
    Running,
}

/// The jobs of a relay: at most one that runs and one that waits, in this order.
///
/// # Errors
/// When the database refuses, or a row breaks a rule of the domain.
pub async fn of_relay(snapshot: &mut Snapshot, relay: &RelayId) -> Result<Vec<Job>, sqlx::Error> {
    let mut query = QueryBuilder::new(
        "SELECT
             id,
             idempotency_key LIKE '%:running' AS is_running,
             attempts,
             max_attempts,
             run_at,
             priority,
             lock_by,
             lock_at,
             CAST(json_extract(metadata, '$.trace') AS TEXT) AS trace
         FROM Jobs
         WHERE job_type = 'sync_relay'
           AND idempotency_key IN (",
    );
    query.push_bind(format!("{relay}:running")).push(", ");
    query.push_bind(relay.as_str().to_owned()).push(")");
    let mut jobs: Vec<Job> = snapshot.all(query).await?;
    jobs.sort_by_key(|job| job.state == JobState::Waiting);
    Ok(jobs)
}

/// When the waiting job of `target` with this priority that is due first is due, in unix seconds.
///
/// # Errors
/// When the database refuses.
pub async fn first_due(
    snapshot: &mut Snapshot,
    target: &ZooidDomain,
    priority: u8,
) -> Result<Option<i64>, sqlx::Error> {
    let mut query = QueryBuilder::new(
        "SELECT run_at
         FROM Jobs INDEXED BY jobs_waiting
         WHERE job_type = 'sync_relay'
           AND status = 'Pending'
           AND lock_by IS NULL
           AND json_extract(metadata, '$.target') = ",
    );
    query.push_bind(target.as_str().to_owned());
    query.push(" AND priority = ").push_bind(priority);
    query.push(" ORDER BY run_at LIMIT 1");
    let first: Option<(i64,)> = snapshot.first(query).await?;
    Ok(first.map(|(run_at,)| run_at))
}

impl FromRow<'_, SqliteRow> for Job {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        let is_running: bool = row.try_get("is_running")?;
        let locked_at: Option<i64> = row.try_get("lock_at")?;
        let trace: Option<String> = row.try_get("trace")?;
        Ok(Self {
            id: parsed(row, "id")?,
            state: if is_running {
                JobState::Running
            } else {
                JobState::Waiting
            },
            attempts: row.try_get("attempts")?,
            max_attempts: row.try_get("max_attempts")?,
            run_at: row.try_get("run_at")?,
            priority: row.try_get("priority")?,
            locked_by: parsed_option(row, "lock_by")?,
            locked_at: locked_at.map(|seconds| seconds * 1000),
            trace: trace.unwrap_or_default(),
        })
    }
}
