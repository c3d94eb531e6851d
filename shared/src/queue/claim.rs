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
    /// A worker died while it held this relay, and it may have been the relay's doing.
    pub is_suspect: bool,
}

/// What keeps a waiting job of a relay from being taken ($1: job type, $3: now in seconds), whatever its `run_at`: the
/// relay is paused, quarantined or asked to wait by a Retry-After, or its twin runs.
macro_rules! relay_is_ready {
    () => {
        "relay_sync.paused_at IS NULL
         AND relay_sync.quarantined_at IS NULL
         AND coalesce(relay_sync.not_before, 0) <= max($3, Jobs.run_at)
         AND NOT EXISTS (
             SELECT 1
             FROM Jobs AS twin
             WHERE twin.job_type = $1
               AND twin.idempotency_key = Jobs.idempotency_key || ':running'
         )"
    };
}

/// What lets jobs of one target ($2) be taken at all: neither the queue nor the target is paused, its circuit is closed,
/// and no Retry-After holds it back.
macro_rules! target_is_ready {
    () => {
        "NOT EXISTS (
             SELECT 1
             FROM queue
             WHERE queue.name = 'sync_relay'
               AND queue.paused_at IS NOT NULL
         )
         AND NOT EXISTS (
             SELECT 1
             FROM target
             WHERE target.name = $2
               AND (target.circuit_state = 'open' OR target.paused_at IS NOT NULL OR target.not_before > $3)
         )"
    };
}

/// The priorities that waiting jobs of the target have, highest first: one index seek each. None while the target is held:
/// then nothing is looked at, however much waits.
macro_rules! priorities {
    () => {
        concat!(
            "WITH RECURSIVE level (priority) AS (
                 SELECT max(priority)
                 FROM Jobs INDEXED BY jobs_waiting
                 WHERE job_type = $1
                   AND json_extract(metadata, '$.target') = $2
                   AND status = 'Pending'
                   AND lock_by IS NULL
                   AND ",
            target_is_ready!(),
            "    UNION ALL
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
        )
    };
}

/// `FROM` and `WHERE` of the waiting jobs of one level that may be taken side by side. A job without a relay is among
/// them: the claim ends it.
macro_rules! takeable {
    () => {
        concat!(
            "FROM Jobs INDEXED BY jobs_waiting
             LEFT JOIN relay_sync ON relay_sync.relay_id = Jobs.idempotency_key
             WHERE Jobs.job_type = $1
               AND json_extract(Jobs.metadata, '$.target') = $2
               AND Jobs.status = 'Pending'
               AND Jobs.lock_by IS NULL
               AND Jobs.priority = level.priority
               AND (relay_sync.relay_id IS NULL OR (relay_sync.crashes = 0 AND ",
            relay_is_ready!(),
            "))"
        )
    };
}

/// `FROM` and `WHERE` of the suspects that may be taken: relays whose worker died. A worker takes one at a time, so that a
/// poisonous one brings nobody else under suspicion twice.
macro_rules! suspects {
    () => {
        concat!(
            "FROM relay_sync INDEXED BY relay_sync_suspects
             CROSS JOIN Jobs ON Jobs.job_type = $1 AND Jobs.idempotency_key = relay_sync.relay_id
             WHERE relay_sync.target = $2
               AND relay_sync.crashes > 0
               AND Jobs.status = 'Pending'
               AND Jobs.lock_by IS NULL
               AND ",
            relay_is_ready!(),
            " AND ",
            target_is_ready!()
        )
    };
}

/// When the next takeable job is due, earliest over all priorities. $4: whether a suspect may be among them.
pub(super) const PEEK: &str = concat!(
    priorities!(),
    " SELECT min(due)
      FROM (
          SELECT (
              SELECT Jobs.run_at ",
    takeable!(),
    "         ORDER BY Jobs.run_at
              LIMIT 1
          ) AS due
          FROM level
          UNION ALL
          SELECT min(Jobs.run_at) ",
    suspects!(),
    "       AND $4
      )"
);

/// Claims up to $4 due jobs for worker $5: a suspect first, if $6 is 1 and not 0; then the highest priority, the longest
/// due first within one.
///
/// The limits are sums, because SQLite plans a statement anew whenever a parameter that is a limit by itself is bound: with
/// this one that was a tenth of the processor time of a drain.
const CLAIM: &str = concat!(
    priorities!(),
    " UPDATE Jobs
      SET status = 'Running',
          lock_by = $5,
          lock_at = $3,
          attempts = attempts + 1,
          idempotency_key = idempotency_key || ':running'
      WHERE id IN (
          SELECT id
          FROM (
              SELECT Jobs.id ",
    suspects!(),
    "           AND Jobs.run_at <= $3
              ORDER BY Jobs.run_at
              LIMIT $6 + 0
          )
          UNION ALL
          SELECT taken.value
          FROM level
          CROSS JOIN json_each((
              SELECT json_group_array(id)
              FROM (
                  SELECT Jobs.id ",
    takeable!(),
    "               AND Jobs.run_at <= $3
                  ORDER BY Jobs.run_at
                  LIMIT $4 + 0
              )
          )) AS taken
          WHERE level.priority IS NOT NULL
          LIMIT $4 + 0
      )
      RETURNING id, job, attempts, max_attempts, idempotency_key, CAST(json_extract(metadata, '$.trace') AS TEXT) AS trace"
);

/// Whether a relay whose worker died may be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Suspects {
    /// None: one runs already.
    None,
    /// One of them.
    One,
}

/// When the next takeable job of any of `targets` is due, in unix seconds; a time that has passed means now.
pub(super) async fn next_due(
    readers: &SqlitePool,
    now: DateTime<Utc>,
    targets: &[ZooidDomain],
    suspects: Suspects,
) -> Result<Option<i64>, sqlx::Error> {
    let mut earliest: Option<i64> = None;
    for target in targets {
        let due: Option<i64> = peek(readers, now, target, suspects).await?;
        earliest = earliest.into_iter().chain(due).min();
    }
    Ok(earliest)
}

async fn peek(
    executor: impl SqliteExecutor<'_>,
    now: DateTime<Utc>,
    target: &ZooidDomain,
    suspects: Suspects,
) -> Result<Option<i64>, sqlx::Error> {
    sqlx::query_scalar(PEEK)
        .bind(JOB_TYPE)
        .bind(target.as_str())
        .bind(now.timestamp())
        .bind(suspects == Suspects::One)
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
    mut suspects: Suspects,
) -> Result<Vec<ClaimedSync>, sqlx::Error> {
    let mut claimed: Vec<ClaimedSync> = Vec::new();
    for (index, target) in targets.iter().enumerate() {
        // What one target leaves over goes to those after it.
        let share = (slots - claimed.len()).div_ceil(targets.len() - index);
        if share == 0 {
            break;
        }
        let rows: Vec<ClaimedRow> = sqlx::query_as(CLAIM)
            .bind(JOB_TYPE)
            .bind(target.as_str())
            .bind(now.timestamp())
            .bind(i64::try_from(share).unwrap_or(i64::MAX))
            .bind(worker.as_str())
            .bind(suspects == Suspects::One)
            .fetch_all(&mut *tx)
            .await?;
        if !rows.is_empty() {
            claimed.extend(open_attempts(tx, now, worker, rows).await?);
        }
        if claimed.iter().any(|sync| sync.is_suspect) {
            suspects = Suspects::None;
        }
    }
    Ok(claimed)
}

/// An attempt to open: one element of the JSON array that [`insert_attempts`] binds.
#[derive(Debug, Serialize)]
struct OpenAttempt<'a> {
    relay: &'a RelayId,
    target: &'a ZooidDomain,
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
            is_suspect: state.crashes > 0,
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
            target: &sync.desired.zooid_domain,
            job: &sync.job,
            generation: sync.desired.generation.get(),
            trace: &sync.trace,
        })
        .collect();
    let open = serde_json::to_string(&open).map_err(|error| sqlx::Error::Encode(error.into()))?;
    let opened: Vec<(i64, String)> = sqlx::query_as(
        "INSERT INTO sync_attempt (relay_id, target, number, job_id, generation, worker_id, trace, started_at)
         SELECT
             relay_sync.relay_id,
             open.value ->> 'target',
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
