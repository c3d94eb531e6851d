//! What happened to a relay, in order: from its activity, its jobs, its attempts and what operators did.

use serde::Serialize;
use ulid::Ulid;
use utoipa::ToSchema;

use crate::{
    domain::{Activity, ActivityType, AttemptOutcome, JobId},
    repositories::operator::{attempt::Attempt, audit::AuditEntry, job::Job},
};

/// Most events of a timeline.
const EVENTS_MAX: usize = 50;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct TimelineEvent {
    /// When, in unix milliseconds.
    pub at: i64,
    /// What: `created`, `edited`, `turned_on`, `turned_off`, `enqueued`, `attempt`, `accepted`, `failed`, `lost`,
    /// `released`, or what an operator did.
    pub event: String,
    /// More of it, redacted; "" when there is no more.
    pub detail: String,
}

/// The newest 50 events, the oldest first.
pub(super) fn timeline(
    activity: &[Activity],
    jobs: &[Job],
    attempts: &[Attempt],
    actions: &[AuditEntry],
) -> Vec<TimelineEvent> {
    let mut job_ids: Vec<&JobId> = jobs
        .iter()
        .map(|job| &job.id)
        .chain(attempts.iter().map(|attempt| &attempt.job_id))
        .collect();
    job_ids.sort_unstable();
    job_ids.dedup();
    let mut events: Vec<TimelineEvent> = activity
        .iter()
        .filter_map(of_activity)
        .chain(job_ids.into_iter().filter_map(of_job))
        .chain(actions.iter().map(of_action))
        // Newest first, as they are read; the sort below keeps the order of what happened at once.
        .chain(attempts.iter().rev().flat_map(of_attempt))
        .collect();
    events.sort_by_key(|event| event.at);
    let surplus = events.len().saturating_sub(EVENTS_MAX);
    events.split_off(surplus)
}

fn event(at: i64, event: &str, detail: impl Into<String>) -> TimelineEvent {
    TimelineEvent {
        at,
        event: event.to_owned(),
        detail: detail.into(),
    }
}

/// How syncs ended is told by their attempts.
fn of_activity(activity: &Activity) -> Option<TimelineEvent> {
    let what = match activity.activity_type {
        ActivityType::CreateRelay => "created",
        ActivityType::UpdateRelay => "edited",
        ActivityType::ActivateRelay => "turned_on",
        ActivityType::DeactivateRelay => "turned_off",
        ActivityType::RemoveRelay => "removed",
        ActivityType::CreateTenant
        | ActivityType::UpdateTenant
        | ActivityType::FailRelaySync
        | ActivityType::CompleteRelaySync => return None,
    };
    Some(event(activity.created_at * 1000, what, ""))
}

/// A job's id tells when it was added.
fn of_job(job: &JobId) -> Option<TimelineEvent> {
    let at = Ulid::from_string(job.as_str()).ok()?.timestamp_ms();
    Some(event(at.cast_signed(), "enqueued", format!("job {job}")))
}

fn of_action(action: &AuditEntry) -> TimelineEvent {
    event(
        action.acted_at,
        &action.action,
        format!("by {}", action.actor),
    )
}

fn of_attempt(attempt: &Attempt) -> impl Iterator<Item = TimelineEvent> {
    let began = event(
        attempt.started_at,
        "attempt",
        format!(
            "attempt {} with generation {}, by worker {}",
            attempt.number, attempt.generation, attempt.worker_id
        ),
    );
    let ended = attempt
        .outcome
        .zip(attempt.finished_at)
        .map(|(outcome, at)| {
            let status = attempt
                .http_status
                .map_or(String::new(), |status| status.to_string());
            let why = match outcome {
                AttemptOutcome::Accepted | AttemptOutcome::Released => String::new(),
                AttemptOutcome::Failed | AttemptOutcome::Lost => attempt.message.clone(),
            };
            let kind = attempt.kind.map_or("", |kind| kind.as_str());
            let detail: Vec<&str> = [kind, &status, &why]
                .into_iter()
                .filter(|part| !part.is_empty())
                .collect();
            event(at, outcome.as_str(), detail.join(", "))
        });
    std::iter::once(began).chain(ended)
}
