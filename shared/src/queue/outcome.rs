//! Recording how a sync ended: its attempt, the relay's state, the activity and the job, as one.
//!
//! The fence is the open attempt row: an outcome whose attempt another worker has closed as lost changes nothing, and the
//! relay is sent again, because zooid may have seen both calls in either order.

use chrono::{DateTime, Utc};
use serde::Serialize;

pub use super::failure::fail;
use super::{
    backoff::RetryPolicy,
    claim::ClaimedSync,
    enqueue::{Enqueue, enqueue},
    job::{LastResult, Priority},
    transition::{Waiting, end_jobs, return_to_waiting},
};
use crate::{
    db::WriteTx,
    domain::{
        ABSENT, ActivityType, AttemptId, FailureKind, Generation, JobId, RelayId, SyncFailure,
        SyncReport, Verb, ZooidDomain,
    },
    repositories::{activity, relay},
};

/// One run of a job: what its outcome must name.
#[derive(Debug, Clone)]
pub struct Run {
    /// The job.
    pub job: JobId,
    /// The attempt: the fence.
    pub attempt: AttemptId,
    /// The relay.
    pub relay: RelayId,
    /// The target that serves it.
    pub target: ZooidDomain,
    /// The host name that was asked for.
    pub host: String,
    /// The generation that was sent.
    pub generation: Generation,
    /// Attempts of this job, this one included.
    pub attempts: u32,
    /// Attempts before the job is given up.
    pub max_attempts: u32,
}

impl From<&ClaimedSync> for Run {
    fn from(sync: &ClaimedSync) -> Self {
        Self {
            job: sync.job.clone(),
            attempt: sync.attempt,
            relay: sync.desired.id.clone(),
            target: sync.desired.zooid_domain.clone(),
            host: sync.desired.host(),
            generation: sync.desired.generation,
            attempts: sync.attempts,
            max_attempts: sync.max_attempts,
        }
    }
}

/// A run that is over, and how it ended.
#[derive(Debug, Clone)]
pub struct Finished {
    /// The run.
    pub run: Run,
    /// How it ended.
    pub end: End,
}

/// How a claimed sync ended.
#[derive(Debug, Clone)]
pub enum End {
    /// The handler reported.
    Reported(SyncReport),
    /// The program stopped before the handler started: nothing was sent.
    NotStarted,
}

impl Finished {
    /// The end of `sync`.
    #[must_use]
    pub fn new(sync: &ClaimedSync, end: End) -> Self {
        Self {
            run: Run::from(sync),
            end,
        }
    }
}

/// How much one outcome that the database refuses may take down with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Care {
    /// The whole write: the fewest statements. What a turn begins with, for refusals are rare.
    Together,
    /// Nothing but itself: each outcome has a savepoint of its own, and one that is refused is replaced by the least that
    /// frees its job. What a turn goes on with when it was refused, so that a bad row never wedges a worker.
    EachAlone,
}

/// Records every outcome. Answers those that the database refused whatever was tried: they are to be recorded later.
///
/// # Errors
/// With [`Care::Together`], when the database refuses any of them; with [`Care::EachAlone`] only when the transaction is
/// gone. The caller's write must then fail, and all of it may be tried again.
pub async fn record(
    tx: &mut WriteTx,
    now: DateTime<Utc>,
    policy: &RetryPolicy,
    finished: &[Finished],
    care: Care,
) -> Result<Vec<Finished>, sqlx::Error> {
    let mut refused = Vec::new();
    match care {
        Care::Together => {
            // Refusals first: one over a host must still find who had it, though that one may leave in this very turn.
            for outcome in finished {
                record_unaccepted(tx, now, policy, outcome).await?;
            }
            let accepted: Vec<Acceptance<'_>> =
                finished.iter().filter_map(Acceptance::of).collect();
            complete(tx, now, &accepted).await?;
        }
        Care::EachAlone => {
            for outcome in finished {
                let step = tx.nest().await?;
                let recorded = match Acceptance::of(outcome) {
                    Some(accepted) => complete(tx, now, &[accepted]).await,
                    None => record_unaccepted(tx, now, policy, outcome).await,
                };
                let recorded = tx.settle(step, recorded).await;
                if !replace_refused(tx, now, policy, &outcome.run, recorded).await? {
                    refused.push(outcome.clone());
                }
            }
        }
    }
    Ok(refused)
}

/// Records an outcome other than an acceptance; those are recorded together.
async fn record_unaccepted(
    tx: &mut WriteTx,
    now: DateTime<Utc>,
    policy: &RetryPolicy,
    outcome: &Finished,
) -> Result<(), sqlx::Error> {
    match &outcome.end {
        End::Reported(SyncReport {
            result: Ok(_body), ..
        }) => Ok(()),
        End::Reported(SyncReport {
            verb,
            result: Err(failure),
            ..
        }) => fail(tx, now, policy, &outcome.run, *verb, failure).await,
        End::NotStarted => release(tx, now, &outcome.run).await,
    }
}

/// An accepted sync; serialized as one element of the array that the statements of [`complete`] bind.
#[derive(Debug, Clone, Serialize)]
pub struct Acceptance<'a> {
    #[serde(skip)]
    run: &'a Run,
    attempt: i64,
    relay: &'a RelayId,
    target: &'a ZooidDomain,
    job: &'a JobId,
    generation: i64,
    verb: Option<Verb>,
    status: Option<u16>,
    accepted: &'a str,
}

impl<'a> Acceptance<'a> {
    /// The acceptance in `outcome`, if it is one.
    fn of(outcome: &'a Finished) -> Option<Self> {
        match &outcome.end {
            End::Reported(SyncReport {
                verb,
                status,
                result: Ok(body),
            }) => Some(Self::new(&outcome.run, *verb, *status, body)),
            End::Reported(SyncReport { result: Err(_), .. }) | End::NotStarted => None,
        }
    }

    /// zooid accepted what `run` sent: `body`, canonical JSON with secrets as keyed hashes.
    #[must_use]
    pub fn new(run: &'a Run, verb: Option<Verb>, status: Option<u16>, body: &'a str) -> Self {
        Self {
            run,
            attempt: run.attempt.get(),
            relay: &run.relay,
            target: &run.target,
            job: &run.job,
            generation: run.generation.get(),
            verb,
            status,
            accepted: body,
        }
    }
}

/// zooid accepted these: the synced generation rises, the error is cleared when the relay is in step, the job is done.
///
/// # Errors
/// When the database refuses one of them; then nothing of this call holds.
pub async fn complete(
    tx: &mut WriteTx,
    now: DateTime<Utc>,
    accepted: &[Acceptance<'_>],
) -> Result<(), sqlx::Error> {
    if accepted.is_empty() {
        return Ok(());
    }
    let closed: Vec<i64> = sqlx::query_scalar(
        "WITH done AS MATERIALIZED (
             SELECT
                 value ->> 'attempt' AS attempt,
                 value ->> 'verb' AS verb,
                 value ->> 'status' AS status
             FROM json_each($1)
         )
         UPDATE sync_attempt NOT INDEXED
         SET outcome = 'accepted',
             verb = done.verb,
             http_status = done.status,
             finished_at = $2
         FROM done
         WHERE sync_attempt.id = done.attempt
           AND sync_attempt.finished_at IS NULL
         RETURNING id",
    )
    .bind(to_json(accepted)?)
    .bind(now.timestamp_millis())
    .fetch_all(&mut *tx)
    .await?;
    let (in_time, refused): (Vec<_>, Vec<_>) = accepted
        .iter()
        .partition(|acceptance| closed.contains(&acceptance.attempt));
    if !in_time.is_empty() {
        let in_time: Vec<Acceptance<'_>> = in_time.into_iter().cloned().collect();
        sqlx::query(
            "WITH done AS MATERIALIZED (
                 SELECT
                     value ->> 'relay' AS relay,
                     value ->> 'attempt' AS attempt,
                     value ->> 'generation' AS generation,
                     value ->> 'accepted' AS accepted
                 FROM json_each($1)
             )
             UPDATE relay_sync
             SET left_host = CASE
                     WHEN json_extract(relay_sync.accepted, '$.host') IS NOT json_extract(done.accepted, '$.host')
                         THEN json_extract(relay_sync.accepted, '$.host')
                     ELSE left_host
                 END,
                 left_at = CASE
                     WHEN json_extract(relay_sync.accepted, '$.host') IS NOT json_extract(done.accepted, '$.host') THEN $2
                     ELSE left_at
                 END,
                 accepted = CASE WHEN done.generation >= synced_generation THEN done.accepted ELSE relay_sync.accepted END,
                 synced_generation = max(synced_generation, done.generation),
                 synced_at = $2,
                 sync_error = CASE WHEN done.generation >= desired_generation THEN '' ELSE sync_error END,
                 failure_kind = CASE WHEN done.generation >= desired_generation THEN NULL ELSE failure_kind END,
                 failure_group_id = CASE WHEN done.generation >= desired_generation THEN NULL ELSE failure_group_id END,
                 failed_generation = CASE WHEN done.generation >= failed_generation THEN NULL ELSE failed_generation END,
                 dirty_since = CASE WHEN done.generation >= desired_generation THEN NULL ELSE dirty_since END,
                 settle_at = CASE
                     WHEN settle_at IS NULL THEN NULL
                     WHEN (SELECT started_at FROM sync_attempt WHERE id = done.attempt) >= settle_at * 1000 THEN NULL
                     ELSE settle_at
                 END,
                 not_before = NULL,
                 blocked_by = NULL,
                 failure_streak = 0,
                 faults = 0,
                 crashes = 0
             FROM done
             WHERE relay_sync.relay_id = done.relay;
             -- A target that accepts is well: also for the pauses between its probes.
             UPDATE target
             SET failures = 0,
                 several_relays = 0,
                 first_failed_relay = NULL,
                 probe_failures = 0
             WHERE (failures > 0 OR probe_failures > 0)
               AND circuit_state = 'closed'
               AND name IN (SELECT value ->> 'target' FROM json_each($1))",
        )
        .bind(to_json(&in_time)?)
        .bind(now.timestamp_millis())
        .execute(&mut *tx)
        .await?;
        let relays: Vec<&RelayId> = in_time.iter().map(|acceptance| acceptance.relay).collect();
        activity::log_for_relays(tx, now, ActivityType::CompleteRelaySync, &relays).await?;
        let jobs: Vec<&str> = in_time
            .iter()
            .map(|acceptance| acceptance.job.as_str())
            .collect();
        end_jobs(tx, now, &jobs, LastResult::Ok("accepted")).await?;
        bury(tx, now, &in_time).await?;
    }
    for acceptance in refused {
        send_again(tx, now, acceptance.run).await?;
    }
    Ok(())
}

/// Frees the names of relays that were to be absent and are.
async fn bury(
    tx: &mut WriteTx,
    now: DateTime<Utc>,
    accepted: &[Acceptance<'_>],
) -> Result<(), sqlx::Error> {
    let absent: Vec<&RelayId> = accepted
        .iter()
        .filter(|acceptance| acceptance.accepted == ABSENT)
        .map(|acceptance| acceptance.relay)
        .collect();
    if absent.is_empty() {
        return Ok(());
    }
    relay::bury(tx, now, &absent).await
}

/// The handler never started: the job goes back as it was, and the attempt does not count.
async fn release(tx: &mut WriteTx, now: DateTime<Utc>, run: &Run) -> Result<(), sqlx::Error> {
    let closed = sqlx::query(
        "UPDATE sync_attempt
         SET outcome = 'released',
             message = 'the worker stopped before it started',
             finished_at = $2
         WHERE id = $1
           AND finished_at IS NULL",
    )
    .bind(run.attempt.get())
    .bind(now.timestamp_millis())
    .execute(&mut *tx)
    .await?;
    if closed.rows_affected() == 0 {
        return send_again(tx, now, run).await;
    }
    let again = Waiting {
        run_at: now.timestamp(),
        priority: None,
        last_result: LastResult::Ok("the worker stopped before it started"),
        spent: false,
    };
    return_to_waiting(tx, now, &run.job, again).await
}

/// The outcome of a run that was already counted as lost: the crash was none, nor the quarantine it led to, and whatever
/// order zooid saw the calls in, the newest state goes out once more with a new generation.
pub(super) async fn send_again(
    tx: &mut WriteTx,
    now: DateTime<Utc>,
    run: &Run,
) -> Result<(), sqlx::Error> {
    let given_up: Option<bool> = sqlx::query_scalar(
        "UPDATE relay_sync
         SET crashes = max(crashes - 1, 0),
             quarantined_at = CASE
                 WHEN quarantined_at = (SELECT finished_at / 1000 FROM sync_attempt WHERE id = $2) THEN NULL
                 ELSE quarantined_at
             END
         WHERE relay_id = $1
           AND EXISTS (SELECT 1 FROM sync_attempt WHERE id = $2 AND outcome = 'lost')
         RETURNING coalesce(failed_generation = desired_generation, 0)",
    )
    .bind(run.relay.as_str())
    .bind(run.attempt.get())
    .fetch_optional(&mut *tx)
    .await?;
    // Not lost: closed by ourselves, in a turn whose commit was answered with an error and had taken effect after all. Given
    // up: an operator does not want it sent.
    if given_up.is_none_or(|given_up| given_up) {
        return Ok(());
    }
    let target = relay::bump_generation(tx, &run.relay).await?;
    enqueue(
        tx,
        now,
        Enqueue {
            relay: &run.relay,
            target: &target,
            priority: Priority::Retry,
            max_attempts: run.max_attempts,
            trace: "",
        },
    )
    .await?;
    Ok(())
}

/// Puts the least in the place of an outcome that the database refused: the attempt failed by our fault, and the job goes
/// on by the ordinary rules. Answers false when that was refused as well.
async fn replace_refused(
    tx: &mut WriteTx,
    now: DateTime<Utc>,
    policy: &RetryPolicy,
    run: &Run,
    recorded: Result<(), sqlx::Error>,
) -> Result<bool, sqlx::Error> {
    let Err(refusal) = recorded else {
        return Ok(true);
    };
    if let Some(lost) = tx.lost_to() {
        return Err(sqlx::Error::Protocol(lost));
    }
    tracing::error!(
        relay.id = %run.relay,
        job.id = %run.job,
        error = %refusal,
        "the database refused an outcome; recording the attempt as our fault"
    );
    let failure = SyncFailure {
        kind: FailureKind::OurFault,
        status: None,
        message: "the outcome could not be recorded".to_owned(),
        excerpt: None,
        retry_after: None,
        taken: None,
    };
    let step = tx.nest().await?;
    let failed = fail(tx, now, policy, run, None, &failure).await;
    let replaced = tx.settle(step, failed).await;
    match (replaced, tx.lost_to()) {
        (Ok(()), _) => Ok(true),
        (Err(_), Some(lost)) => Err(sqlx::Error::Protocol(lost)),
        (Err(error), None) => {
            tracing::error!(relay.id = %run.relay, job.id = %run.job, %error, "the database refuses every outcome of this sync; recording it later");
            Ok(false)
        }
    }
}

pub(super) fn to_json(value: &(impl Serialize + ?Sized)) -> Result<String, sqlx::Error> {
    serde_json::to_string(value).map_err(|error| sqlx::Error::Encode(error.into()))
}
