//! The actions themselves. Which relays they apply to stands in `find`; here they are carried out on those found.

use chrono::{DateTime, Utc};
use serde::Serialize;
use ulid::Ulid;

use super::find::uncovered_of;
use crate::{
    db::WriteTx,
    domain::{FailureKind, JobId, RelayAction, RelayId},
    queue::{
        job::{JOB_TYPE, LastResult, Priority},
        outcome::to_json,
    },
};

/// Relays that one statement takes on: a JSON array of about 200 KiB.
const CHUNK: usize = 2000;

/// How what is enqueued goes into the queue.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms<'a> {
    /// The time of the action.
    pub(crate) now: DateTime<Utc>,
    /// Its place in the line.
    pub(crate) priority: Priority,
    /// Attempts before it is given up.
    pub(crate) max_attempts: u32,
    /// The id of the request that asked; "" when none did.
    pub(crate) trace: &'a str,
}

/// Does `action` to each of `relays`, which `find::matching` found in this very transaction.
pub(crate) async fn act(
    tx: &mut WriteTx,
    terms: &Terms<'_>,
    action: RelayAction,
    relays: &[RelayId],
) -> Result<(), sqlx::Error> {
    for relays in relays.chunks(CHUNK) {
        let ids = to_json(relays)?;
        match action {
            RelayAction::Retry => {
                start_over(tx, &ids).await?;
                push(tx, terms, relays).await?;
            }
            RelayAction::Sync => {
                start_over(tx, &ids).await?;
                bump(tx, terms.now, &ids, Bump::All).await?;
                push(tx, terms, relays).await?;
            }
            RelayAction::Cancel => {
                kill_waiting(tx, terms.now, &ids).await?;
                give_up(tx, &ids).await?;
            }
            RelayAction::Pause => pause(tx, terms.now, &ids).await?,
            RelayAction::Resume => {
                resume(tx, &ids).await?;
                let uncovered = uncovered_of(tx, &ids).await?;
                push(tx, terms, &uncovered).await?;
            }
            RelayAction::Release => {
                lift_quarantine(tx, &ids).await?;
                start_over(tx, &ids).await?;
                bump(tx, terms.now, &ids, Bump::InStep).await?;
                push(tx, terms, relays).await?;
            }
        }
    }
    Ok(())
}

/// Enqueues each of `relays`, which are out of step.
pub(crate) async fn enqueue_all(
    tx: &mut WriteTx,
    terms: &Terms<'_>,
    relays: &[RelayId],
) -> Result<(), sqlx::Error> {
    for relays in relays.chunks(CHUNK) {
        push(tx, terms, relays).await?;
    }
    Ok(())
}

/// Enqueues each of `relays` with a new generation, whether or not zooid has its present state.
pub(crate) async fn send_all(
    tx: &mut WriteTx,
    terms: &Terms<'_>,
    relays: &[RelayId],
) -> Result<(), sqlx::Error> {
    for relays in relays.chunks(CHUNK) {
        let ids = to_json(relays)?;
        start_over(tx, &ids).await?;
        bump(tx, terms.now, &ids, Bump::All).await?;
        push(tx, terms, relays).await?;
    }
    Ok(())
}

/// Forgets that the newest generation was given up, and how far the pauses had grown. What people are told of the last
/// failure stays until there is something new to tell.
async fn start_over(tx: &mut WriteTx, relays: &str) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE relay_sync
         SET failed_generation = NULL,
             failure_streak = 0,
             blocked_by = NULL
         WHERE relay_id IN (SELECT value FROM json_each($1))
           AND (failed_generation IS NOT NULL OR failure_streak > 0 OR blocked_by IS NOT NULL)",
    )
    .bind(relays)
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// Which relays get a new generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bump {
    /// All of them.
    All,
    /// Those whose newest generation zooid has: no job would send it again.
    InStep,
}

/// Raises generations, so that the state is sent once more.
async fn bump(
    tx: &mut WriteTx,
    now: DateTime<Utc>,
    relays: &str,
    which: Bump,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE relay
         SET generation = generation + 1
         WHERE id IN (SELECT value FROM json_each($1))
           AND (
               $2
               OR EXISTS (
                   SELECT 1
                   FROM relay_sync
                   WHERE relay_sync.relay_id = relay.id
                     AND relay_sync.synced_generation = relay_sync.desired_generation
               )
           )",
    )
    .bind(relays)
    .bind(which == Bump::All)
    .execute(&mut *tx)
    .await?;
    sqlx::query(
        "UPDATE relay_sync
         SET dirty_since = $2
         WHERE relay_id IN (SELECT value FROM json_each($1))
           AND dirty_since IS NULL
           AND synced_generation < desired_generation",
    )
    .bind(relays)
    .bind(now.timestamp_millis())
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// A job to add: one element of the JSON array that [`push`] binds.
#[derive(Debug, Serialize)]
struct NewJob<'a> {
    relay: &'a RelayId,
    job: JobId,
}

/// Makes sure that each of `relays` has a waiting job that is due now, or when zooid's Retry-After has passed: what
/// `queue::enqueue` does, for many at once. The rows are as apalis writes them. Their ids ascend: random ones would touch a
/// page of each index a row, which takes twice as long.
async fn push(tx: &mut WriteTx, terms: &Terms<'_>, relays: &[RelayId]) -> Result<(), sqlx::Error> {
    let created_ms = terms.now.timestamp_millis().unsigned_abs();
    // Of the 80 random bits the highest stays free, so that counting up never leaves them.
    let first: u128 = rand::random::<u128>() >> 49;
    let jobs: Vec<NewJob<'_>> = (first..)
        .zip(relays)
        .map(|(random, relay)| NewJob {
            relay,
            job: Ulid::from_parts(created_ms, random).into(),
        })
        .collect();
    sqlx::query(
        "INSERT INTO Jobs (job, id, job_type, status, attempts, max_attempts, run_at, priority, metadata, idempotency_key)
         SELECT
             CAST(json_object('relay_id', relay_sync.relay_id) AS BLOB),
             new.value ->> 'job',
             $2,
             'Pending',
             0,
             $3,
             max($4, coalesce(relay_sync.not_before, 0)),
             $5,
             json_object('target', relay_sync.target, 'trace', $6),
             relay_sync.relay_id
         FROM json_each($1) AS new
         CROSS JOIN relay_sync ON relay_sync.relay_id = new.value ->> 'relay'
         WHERE true
         ON CONFLICT (job_type, idempotency_key) DO UPDATE
         SET run_at = excluded.run_at,
             attempts = 0,
             max_attempts = excluded.max_attempts,
             priority = max(priority, excluded.priority),
             metadata = excluded.metadata",
    )
    .bind(to_json(&jobs)?)
    .bind(JOB_TYPE)
    .bind(terms.max_attempts)
    .bind(terms.now.timestamp())
    .bind(terms.priority.number())
    .bind(terms.trace)
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// By the key alone: the index of what is pending would be walked once a chunk.
async fn kill_waiting(
    tx: &mut WriteTx,
    now: DateTime<Utc>,
    relays: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE Jobs INDEXED BY idx_jobs_idempotency_key
         SET status = 'Killed',
             done_at = $3,
             last_result = $4,
             idempotency_key = NULL
         WHERE job_type = $2
           AND idempotency_key IN (SELECT value FROM json_each($1))
           AND status = 'Pending'",
    )
    .bind(relays)
    .bind(JOB_TYPE)
    .bind(now.timestamp())
    .bind(LastResult::Err("cancelled by an operator").to_json())
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// Gives the newest generation up, unless it was already: then the reason it has is the better one.
async fn give_up(tx: &mut WriteTx, relays: &str) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE relay_sync
         SET failed_generation = desired_generation,
             failure_kind = $2,
             sync_error = $3,
             failure_group_id = NULL
         WHERE relay_id IN (SELECT value FROM json_each($1))
           AND failed_generation IS NOT desired_generation",
    )
    .bind(relays)
    .bind(FailureKind::Cancelled.as_str())
    .bind(FailureKind::Cancelled.tenant_sentence())
    .execute(&mut *tx)
    .await?;
    Ok(())
}

async fn pause(tx: &mut WriteTx, now: DateTime<Utc>, relays: &str) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE relay_sync
         SET paused_at = $2
         WHERE relay_id IN (SELECT value FROM json_each($1))",
    )
    .bind(relays)
    .bind(now.timestamp())
    .execute(&mut *tx)
    .await?;
    Ok(())
}

async fn resume(tx: &mut WriteTx, relays: &str) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE relay_sync
         SET paused_at = NULL
         WHERE relay_id IN (SELECT value FROM json_each($1))",
    )
    .bind(relays)
    .execute(&mut *tx)
    .await?;
    Ok(())
}

async fn lift_quarantine(tx: &mut WriteTx, relays: &str) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE relay_sync
         SET quarantined_at = NULL,
             crashes = 0,
             faults = 0
         WHERE relay_id IN (SELECT value FROM json_each($1))",
    )
    .bind(relays)
    .execute(&mut *tx)
    .await?;
    Ok(())
}
