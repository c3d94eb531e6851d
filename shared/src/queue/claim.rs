//! Taking work out of the queue: what is claimable, when the next job is due, and the claim itself.
//!
//! Peek, claim and next wake share one predicate, so a job that is held, paused or blocked by its running twin never
//! makes a worker spin.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{SqliteExecutor, SqlitePool};

use super::{
    job::{JOB_TYPE, LastResult, SyncJob},
    transition::end_jobs,
};
use crate::{
    crypto::Sealed,
    db::WriteTx,
    domain::{AttemptId, DesiredRelay, JobId, RelayId, WorkerId, ZooidDomain},
    repositories::relay,
};

/// One sync to carry out: the newest desired state at the moment of the claim, and what its outcome must name.
#[derive(Debug, Clone)]
pub struct ClaimedSync {
    /// The job.
    pub job: JobId,
    /// The attempt: the fence of the outcome.
    pub attempt: AttemptId,
    /// Attempts of this job so far, this one included.
    pub attempts: u32,
    /// Attempts before the job is given up.
    pub max_attempts: u32,
    /// The id of the request that caused it; empty when none did.
    pub trace: String,
    /// What zooid is to be told.
    pub desired: DesiredRelay,
    /// The relay's secret key, sealed.
    pub secret: Sealed,
}

/// `FROM` and `WHERE` of the waiting jobs of one target ($1: job type, $2: target, $3: now in seconds) that a worker may
/// take, whatever their `run_at`: the target is healthy, the relay is not paused, quarantined
/// or asked to wait by a Retry-After, and no twin runs.
macro_rules! takeable {
    () => {
        "FROM Jobs INDEXED BY jobs_waiting
         WHERE job_type = $1
           AND json_extract(metadata, '$.target') = $2
           AND status = 'Pending'
           AND lock_by IS NULL
           AND NOT EXISTS (
               SELECT 1
               FROM target
               WHERE target.name = $2
                 AND (target.circuit_state = 'open' OR target.paused_at IS NOT NULL OR target.not_before > $3)
           )
           AND NOT EXISTS (
               SELECT 1
               FROM relay_sync
               WHERE relay_sync.relay_id = Jobs.idempotency_key
                 AND (
                     relay_sync.paused_at IS NOT NULL
                     OR relay_sync.quarantined_at IS NOT NULL
                     OR relay_sync.not_before > max($3, Jobs.run_at)
                 )
           )
           AND NOT EXISTS (
               SELECT 1
               FROM Jobs AS twin
               WHERE twin.job_type = $1
                 AND twin.idempotency_key = Jobs.idempotency_key || ':running'
           )"
    };
}

/// The priorities that waiting jobs of the target have, highest first: one index seek each.
macro_rules! priorities {
    () => {
        "WITH RECURSIVE level (priority) AS (
             SELECT max(priority)
             FROM Jobs INDEXED BY jobs_waiting
             WHERE job_type = $1
               AND json_extract(metadata, '$.target') = $2
               AND status = 'Pending'
               AND lock_by IS NULL
             UNION ALL
             SELECT (
                 SELECT max(Jobs.priority)
                 FROM Jobs INDEXED BY jobs_waiting
                 WHERE job_type = $1
                   AND json_extract(metadata, '$.target') = $2
                   AND status = 'Pending'
                   AND lock_by IS NULL
                   AND Jobs.priority < level.priority
             )
             FROM level
             WHERE level.priority IS NOT NULL
         )"
    };
}

/// When the next takeable job is due, earliest over all priorities.
pub(super) const PEEK: &str = concat!(
    priorities!(),
    " SELECT min((
          SELECT run_at ",
    takeable!(),
    "      AND Jobs.priority = level.priority
          ORDER BY run_at
          LIMIT 1
      ))
      FROM level"
);

/// Claims up to $4 due jobs for worker $5, the highest priority first, the longest due first within one.
const CLAIM: &str = concat!(
    priorities!(),
    " UPDATE Jobs
      SET status = 'Running',
          lock_by = $5,
          lock_at = $3,
          attempts = attempts + 1,
          idempotency_key = idempotency_key || ':running'
      WHERE id IN (
          SELECT taken.value
          FROM level
          CROSS JOIN json_each((
              SELECT json_group_array(id)
              FROM (
                  SELECT id ",
    takeable!(),
    "              AND Jobs.priority = level.priority
                    AND run_at <= $3
                  ORDER BY run_at
                  LIMIT $4
              )
          )) AS taken
          WHERE level.priority IS NOT NULL
          LIMIT $4
      )
      RETURNING id, job, attempts, max_attempts, idempotency_key, CAST(json_extract(metadata, '$.trace') AS TEXT) AS trace"
);

/// When the next takeable job of any of `targets` is due, in unix seconds; a time that has passed means now.
pub(super) async fn next_due(
    readers: &SqlitePool,
    now: DateTime<Utc>,
    targets: &[ZooidDomain],
) -> Result<Option<i64>, sqlx::Error> {
    let mut earliest: Option<i64> = None;
    for target in targets {
        let due: Option<i64> = peek(readers, now, target).await?;
        earliest = earliest.into_iter().chain(due).min();
    }
    Ok(earliest)
}

async fn peek(
    executor: impl SqliteExecutor<'_>,
    now: DateTime<Utc>,
    target: &ZooidDomain,
) -> Result<Option<i64>, sqlx::Error> {
    sqlx::query_scalar(PEEK)
        .bind(JOB_TYPE)
        .bind(target.as_str())
        .bind(now.timestamp())
        .fetch_one(executor)
        .await
}

/// A claimed row as it stands there. Other tools can write rows too, so nothing in it is taken for granted.
#[derive(Debug, sqlx::FromRow)]
struct ClaimedRow {
    id: String,
    #[sqlx(rename = "job")]
    payload: Vec<u8>,
    attempts: i64,
    max_attempts: i64,
    idempotency_key: Option<String>,
    trace: Option<String>,
}

impl ClaimedRow {
    /// The relay the payload names, if it is the one whose place in the queue the job holds.
    fn relay(&self) -> Option<RelayId> {
        let job: SyncJob = serde_json::from_slice(&self.payload).ok()?;
        let key = self.idempotency_key.as_deref()?.strip_suffix(":running")?;
        (job.relay_id.as_str() == key).then_some(job.relay_id)
    }
}

/// Claims up to `slots` due jobs, shared out over the targets, and opens an attempt for each. Jobs that turn out to be
/// unreadable or needless end here.
pub(super) async fn claim(
    tx: &mut WriteTx,
    now: DateTime<Utc>,
    worker: &WorkerId,
    targets: &[ZooidDomain],
    slots: usize,
) -> Result<Vec<ClaimedSync>, sqlx::Error> {
    let mut rows: Vec<ClaimedRow> = Vec::new();
    for (index, target) in targets.iter().enumerate() {
        // What one target leaves over goes to those after it.
        let share = (slots - rows.len()).div_ceil(targets.len() - index);
        if share == 0 {
            break;
        }
        let claimed: Vec<ClaimedRow> = sqlx::query_as(CLAIM)
            .bind(JOB_TYPE)
            .bind(target.as_str())
            .bind(now.timestamp())
            .bind(i64::try_from(share).unwrap_or(i64::MAX))
            .bind(worker.as_str())
            .fetch_all(&mut *tx)
            .await?;
        rows.extend(claimed);
    }
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    open_attempts(tx, now, worker, rows).await
}

/// An attempt to open: one element of the JSON array that [`insert_attempts`] binds.
#[derive(Debug, Serialize)]
struct OpenAttempt<'a> {
    relay: &'a RelayId,
    job: &'a JobId,
    generation: i64,
    trace: &'a str,
}

async fn open_attempts(
    tx: &mut WriteTx,
    now: DateTime<Utc>,
    worker: &WorkerId,
    rows: Vec<ClaimedRow>,
) -> Result<Vec<ClaimedSync>, sqlx::Error> {
    let relays: Vec<RelayId> = rows.iter().filter_map(ClaimedRow::relay).collect();
    let mut desired = relay::desired_states(tx, &relays).await?;
    let (mut claimed, mut unreadable, mut needless) = (Vec::new(), Vec::new(), Vec::new());
    for row in rows {
        let state = row.relay().and_then(|relay| desired.remove(&relay));
        let (Some(state), Ok(job)) = (state, row.id.parse::<JobId>()) else {
            unreadable.push(row.id);
            continue;
        };
        if state.synced_generation == state.desired.generation.get() {
            needless.push(row.id);
            continue;
        }
        claimed.push(ClaimedSync {
            job,
            // Filled in below, from the row it gets.
            attempt: AttemptId::new(0),
            attempts: u32::try_from(row.attempts).unwrap_or(u32::MAX),
            max_attempts: u32::try_from(row.max_attempts).unwrap_or_default(),
            trace: row.trace.unwrap_or_default(),
            desired: state.desired,
            secret: state.secret,
        });
    }
    end_jobs(
        tx,
        now,
        &unreadable,
        LastResult::Err("the job or its relay cannot be read"),
    )
    .await?;
    end_jobs(tx, now, &needless, LastResult::Ok("up to date")).await?;
    insert_attempts(tx, now, worker, &mut claimed).await?;
    Ok(claimed)
}

async fn insert_attempts(
    tx: &mut WriteTx,
    now: DateTime<Utc>,
    worker: &WorkerId,
    claimed: &mut [ClaimedSync],
) -> Result<(), sqlx::Error> {
    if claimed.is_empty() {
        return Ok(());
    }
    let open: Vec<OpenAttempt<'_>> = claimed
        .iter()
        .map(|sync| OpenAttempt {
            relay: &sync.desired.id,
            job: &sync.job,
            generation: sync.desired.generation.get(),
            trace: &sync.trace,
        })
        .collect();
    let open = serde_json::to_string(&open).map_err(|error| sqlx::Error::Encode(error.into()))?;
    let opened: Vec<(i64, String)> = sqlx::query_as(
        "INSERT INTO sync_attempt (relay_id, number, job_id, generation, worker_id, trace, started_at)
         SELECT
             relay_sync.relay_id,
             relay_sync.attempt_count + 1,
             open.value ->> 'job',
             open.value ->> 'generation',
             $2,
             open.value ->> 'trace',
             $3
         FROM json_each($1) AS open
         CROSS JOIN relay_sync ON relay_sync.relay_id = open.value ->> 'relay'
         RETURNING id, job_id",
    )
    .bind(open)
    .bind(worker.as_str())
    .bind(now.timestamp_millis())
    .fetch_all(&mut *tx)
    .await?;
    for (attempt, job) in opened {
        if let Some(sync) = claimed.iter_mut().find(|sync| sync.job.as_str() == job) {
            sync.attempt = AttemptId::new(attempt);
        }
    }
    Ok(())
}
