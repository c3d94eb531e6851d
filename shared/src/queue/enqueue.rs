//! Putting work into the queue, inside the write that made it necessary.

use std::collections::HashMap;

use apalis_core::task::{builder::TaskBuilder, metadata::MetadataStore, task_id::TaskId};
use apalis_sqlite::queries::push_tasks;
use chrono::{DateTime, Utc};
use ulid::Ulid;

use super::job::{JOB_TYPE, Priority, SyncJob};
use crate::{
    db::{WakeKind, WriteTx},
    domain::{JobId, RelayId, ZooidDomain},
};

/// A sync to be done.
#[derive(Debug, Clone, Copy)]
pub struct Enqueue<'a> {
    /// The relay to bring in step.
    pub relay: &'a RelayId,
    /// The target that serves it: its `zooid_domain`.
    pub target: &'a ZooidDomain,
    /// Its place in the line.
    pub priority: Priority,
    /// Attempts before it is given up.
    pub max_attempts: u32,
    /// The id of the request that caused it; empty when none did. It travels to the attempt and the worker's log.
    pub trace: &'a str,
}

/// What became of an [`enqueue`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Enqueued {
    /// A job was added.
    New(JobId),
    /// The relay had a waiting job already: that one moved forward and got a fresh budget.
    Coalesced(JobId),
    /// The relay is quarantined: it stays out of step, without a job, until an operator releases it.
    Quarantined,
}

/// Makes sure that `job.relay` has a waiting job that is due now, or when zooid's Retry-After has passed. What
/// had been given up is not any more, and the pauses after failures start over.
///
/// # Errors
/// When the database refuses; the caller's write should then fail as a whole.
pub async fn enqueue(
    tx: &mut WriteTx,
    now: DateTime<Utc>,
    job: Enqueue<'_>,
) -> Result<Enqueued, sqlx::Error> {
    let pushed = push(tx, now, &job).await?;
    let (id, quarantined): (String, bool) = sqlx::query_as(
        "UPDATE relay_sync
         SET dirty_since = coalesce(dirty_since, $1),
             failed_generation = NULL,
             failure_streak = 0,
             blocked_by = NULL
         WHERE relay_id = $2;
         UPDATE Jobs
         SET run_at = max(
                 $1 / 1000,
                 coalesce((SELECT not_before FROM relay_sync WHERE relay_id = $2), 0),
                 coalesce((SELECT not_before FROM target WHERE name = $7), 0)
             ),
             attempts = 0,
             max_attempts = $3,
             priority = max(priority, $4),
             metadata = $5
         WHERE job_type = $6
           AND idempotency_key = $2
         RETURNING
             id,
             coalesce((SELECT quarantined_at IS NOT NULL FROM relay_sync WHERE relay_id = $2), 0)",
    )
    .bind(now.timestamp_millis())
    .bind(job.relay.as_str())
    .bind(job.max_attempts)
    .bind(job.priority.number())
    .bind(metadata_text(&job)?)
    .bind(JOB_TYPE)
    .bind(job.target.as_str())
    .fetch_one(&mut *tx)
    .await?;
    if quarantined {
        sqlx::query(
            "DELETE FROM Jobs
             WHERE id = $1",
        )
        .bind(&id)
        .execute(&mut *tx)
        .await?;
        return Ok(Enqueued::Quarantined);
    }
    let id = JobId::try_from(id).map_err(|error| sqlx::Error::Decode(error.into()))?;
    Ok(if id == pushed {
        Enqueued::New(id)
    } else {
        Enqueued::Coalesced(id)
    })
}

/// The same for a relay created in this very transaction: nothing can be waiting for it, held back or quarantined.
///
/// # Errors
/// When the database refuses; the caller's write should then fail as a whole.
pub async fn enqueue_first(
    tx: &mut WriteTx,
    now: DateTime<Utc>,
    job: Enqueue<'_>,
) -> Result<(), sqlx::Error> {
    push(tx, now, &job).await.map(|_| ())
}

/// Adds the row unless the relay has a waiting one.
async fn push(
    tx: &mut WriteTx,
    now: DateTime<Utc>,
    job: &Enqueue<'_>,
) -> Result<JobId, sqlx::Error> {
    let id = Ulid::from_parts(now.timestamp_millis().unsigned_abs(), rand::random());
    let payload = serde_json::to_vec(&SyncJob {
        relay_id: job.relay.clone(),
    })
    .map_err(|error| sqlx::Error::Encode(error.into()))?;
    let metadata = MetadataStore::from_map(metadata(job));
    let task = TaskBuilder::new(payload)
        .task_id(TaskId::from_string(id.to_string()))
        .run_at_timestamp(now.timestamp().unsigned_abs())
        .max_attempts(job.max_attempts as usize)
        .priority(usize::from(job.priority.number()))
        .idempotency_key(job.relay.as_str())
        .with_metadata(metadata)
        .build();
    push_tasks(tx, JOB_TYPE, &[task]).await.map_err(into_sqlx)?;
    tx.wake(WakeKind::Worker);
    Ok(id.into())
}

/// What stands beside the payload: whom the job is for, and who asked.
fn metadata(job: &Enqueue<'_>) -> HashMap<String, String> {
    [
        ("target".to_owned(), job.target.to_string()),
        ("trace".to_owned(), job.trace.to_owned()),
    ]
    .into()
}

/// The same as the column has it.
fn metadata_text(job: &Enqueue<'_>) -> Result<String, sqlx::Error> {
    serde_json::to_string(&metadata(job)).map_err(|error| sqlx::Error::Encode(error.into()))
}

fn into_sqlx(error: apalis_sqlite::Error) -> sqlx::Error {
    match error {
        apalis_sqlite::Error::Database(error) => error,
        other => sqlx::Error::Encode(other.into()),
    }
}
