//! What follows a failed attempt: [`FailureKind::policy`](crate::domain::FailureKind::policy), carried out.
//!
//! Invariant: an attempt that the target spoilt, or that another relay stands in the way of, costs the relay nothing but
//! time; the pauses still grow with `relay_sync.failure_streak`.

use chrono::{DateTime, Utc};

use super::{
    backoff::{RetryPolicy, whole_seconds_after},
    circuit,
    conflict::Cause,
    failure_group,
    job::{LastResult, Priority},
    outcome::{Run, send_again},
    transition::{Waiting, end_jobs, return_to_waiting},
};
use crate::{
    db::WriteTx,
    domain::{ActivityType, Policy, SyncFailure, Verb},
    repositories::activity,
};

/// The longest pause a Retry-After may ask for.
const RETRY_AFTER_CAP: std::time::Duration = std::time::Duration::from_hours(1);

/// Attempts in a row that may fail by our own fault before the relay is quarantined.
const FAULT_BUDGET: u32 = 3;

/// zooid did not accept it: the attempt keeps why, and the job waits for its next run, gives way to a waiting twin, or is
/// given up.
///
/// # Errors
/// When the database refuses; then nothing of this call holds.
pub async fn fail(
    tx: &mut WriteTx,
    now: DateTime<Utc>,
    policy: &RetryPolicy,
    run: &Run,
    verb: Option<Verb>,
    failure: &SyncFailure,
) -> Result<(), sqlx::Error> {
    let cause = Cause::find(tx, run, failure).await?;
    let group = failure_group::find_or_add(
        tx,
        now,
        &run.target,
        cause.kind,
        failure.status,
        &cause.message,
    )
    .await?;
    if !close_attempt(tx, now, run, verb, failure, &cause, group).await? {
        return send_again(tx, now, run).await;
    }
    let next = cause.kind.policy();
    let asked_until = failure
        .retry_after
        // A pause of nothing is none: the schedule's own is the least.
        .filter(|pause| next == Policy::Wait && !pause.is_zero())
        .map(|pause| whole_seconds_after(now, pause.min(RETRY_AFTER_CAP)));
    match next {
        Policy::TargetFailure(opens) => {
            circuit::count_failure(tx, now, &run.target, &run.relay, opens, &cause.message).await?;
        }
        Policy::Wait => {
            if let (Some(until), Some(429 | 503)) = (asked_until, failure.status) {
                circuit::hold_back(tx, now, &run.target, until).await?;
            }
        }
        Policy::Ambiguous => {}
        Policy::WaitForRelay | Policy::GiveUp | Policy::BackOff | Policy::Suspect => {
            if failure.status.is_some() {
                circuit::count_answer(tx, &run.target).await?;
            }
        }
    }

    let exhausted = spends_attempt(next) && run.attempts >= run.max_attempts;
    let given_up = next == Policy::GiveUp || exhausted;
    let relay = note_failure(
        tx,
        now,
        policy,
        run,
        &cause,
        &Noted {
            next,
            status: failure.status,
            group,
            given_up,
            asked_until,
        },
    )
    .await?;
    activity::log_for_relays(tx, now, ActivityType::FailRelaySync, &[&run.relay]).await?;

    let last_result = LastResult::Err(&cause.message);
    if relay.is_over {
        return end_jobs(tx, now, &[run.job.as_str()], last_result).await;
    }
    let again = Waiting {
        run_at: if next == Policy::WaitForRelay && cause.blocked_by.is_none() {
            // Whom it would wait for has left.
            whole_seconds_after(now, std::time::Duration::ZERO)
        } else {
            run_at(policy, now, next, relay.failure_streak, asked_until)
        },
        priority: Some(Priority::Retry),
        last_result,
        spent: spends_attempt(next),
    };
    return_to_waiting(tx, now, &run.job, again).await
}

/// Whether an attempt that ended like this counts against the job's budget.
fn spends_attempt(policy: Policy) -> bool {
    match policy {
        Policy::TargetFailure(_) | Policy::Wait | Policy::WaitForRelay => false,
        Policy::Ambiguous | Policy::GiveUp | Policy::BackOff | Policy::Suspect => true,
    }
}

/// When the job runs again, in unix seconds.
fn run_at(
    policy: &RetryPolicy,
    now: DateTime<Utc>,
    next: Policy,
    failure_streak: u32,
    asked_until: Option<i64>,
) -> i64 {
    let by_schedule = policy.run_at(now, failure_streak);
    match next {
        Policy::Wait => asked_until.unwrap_or(by_schedule),
        // Its circuit paces a target that is down; a single relay that meets it looks again at the pace of the probes.
        Policy::TargetFailure(_) => {
            by_schedule.min(whole_seconds_after(now, super::probe::LONGEST_PAUSE))
        }
        // The request may be under way for as long as a call may take.
        Policy::Ambiguous => by_schedule.max(whole_seconds_after(now, policy.call_deadline)),
        // The other relay's next acceptance moves it forward; this is for the case that none comes.
        Policy::WaitForRelay => whole_seconds_after(now, policy.cap),
        Policy::GiveUp | Policy::BackOff | Policy::Suspect => by_schedule,
    }
}

/// Closes the attempt with its cause. Answers false when it was closed already: the fence.
async fn close_attempt(
    tx: &mut WriteTx,
    now: DateTime<Utc>,
    run: &Run,
    verb: Option<Verb>,
    failure: &SyncFailure,
    cause: &Cause,
    group: i64,
) -> Result<bool, sqlx::Error> {
    let closed = sqlx::query(
        "UPDATE sync_attempt
         SET outcome = 'failed',
             kind = $2,
             verb = $3,
             http_status = $4,
             message = $5,
             excerpt = $6,
             finished_at = $7,
             failure_group_id = $8
         WHERE id = $1
           AND finished_at IS NULL",
    )
    .bind(run.attempt.get())
    .bind(cause.kind.as_str())
    .bind(verb.map(Verb::as_str))
    .bind(failure.status)
    .bind(&cause.message)
    .bind(&failure.excerpt)
    .bind(now.timestamp_millis())
    .bind(group)
    .execute(&mut *tx)
    .await?;
    Ok(closed.rows_affected() > 0)
}

/// What is to be noted at the relay.
struct Noted {
    next: Policy,
    status: Option<u16>,
    group: i64,
    given_up: bool,
    asked_until: Option<i64>,
}

/// Whether a failure of generation $2 is what people should read: zooid has nothing newer, no newer attempt was made, and
/// it was not given up before, for a reason that then is the better one.
macro_rules! is_news {
    () => {
        "$2 > synced_generation AND $2 = attempted_generation AND coalesce(failed_generation < $2, 1)"
    };
}

/// The relay after a failure.
#[derive(Debug, sqlx::FromRow)]
struct Failed {
    failure_streak: u32,
    /// Given up, cancelled meanwhile, or quarantined: the job does not run again.
    is_over: bool,
}

async fn note_failure(
    tx: &mut WriteTx,
    now: DateTime<Utc>,
    policy: &RetryPolicy,
    run: &Run,
    cause: &Cause,
    noted: &Noted,
) -> Result<Failed, sqlx::Error> {
    // A handler that broke may have sent the call, and a gateway may have passed it on.
    let may_land_later = matches!(noted.next, Policy::Ambiguous | Policy::Suspect)
        || matches!(noted.status, Some(502 | 504));
    let settle_at = may_land_later.then(|| whole_seconds_after(now, policy.settle_after));
    let sentence = if noted.given_up {
        cause.kind.given_up_sentence()
    } else {
        cause.kind.tenant_sentence()
    };
    sqlx::query_as(concat!(
        "UPDATE relay_sync
         SET sync_error = CASE WHEN ",
        is_news!(),
        " THEN $3 ELSE sync_error END,
             failure_kind = CASE WHEN ",
        is_news!(),
        " THEN $4 ELSE failure_kind END,
             failure_group_id = CASE WHEN ",
        is_news!(),
        " THEN $5 ELSE failure_group_id END,
             failed_generation = CASE WHEN $6 THEN max($2, coalesce(failed_generation, 0)) ELSE failed_generation END,
             not_before = $7,
             blocked_by = $8,
             settle_at = CASE WHEN $9 IS NULL THEN settle_at ELSE max($9, coalesce(settle_at, 0)) END,
             failure_streak = failure_streak + 1,
             faults = CASE WHEN $10 THEN faults + 1 ELSE 0 END,
             quarantined_at = CASE WHEN $10 AND faults + 1 >= $11 THEN $12 ELSE quarantined_at END,
             -- Whatever zooid said, the worker lived to tell it.
             crashes = 0
         WHERE relay_id = $1
         RETURNING
             failure_streak,
             coalesce(failed_generation >= $2, 0) OR (quarantined_at IS NOT NULL AND faults > 0) AS is_over"
    ))
    .bind(run.relay.as_str())
    .bind(run.generation.get())
    .bind(sentence)
    .bind(cause.kind.as_str())
    .bind(noted.group)
    .bind(noted.given_up)
    .bind(noted.asked_until)
    .bind(cause.blocked_by.as_ref().map(crate::domain::RelayId::as_str))
    .bind(settle_at)
    .bind(noted.next == Policy::Suspect)
    .bind(FAULT_BUDGET)
    .bind(now.timestamp())
    .fetch_one(&mut *tx)
    .await
}
