//! How every relay stands in the end: its row, its last job, and what operators did to it.
//!
//! States and their counts follow by the triggers of `relay_sync`.

use chrono::{DateTime, Utc};
use rand::RngExt as _;
use serde::Serialize;
use serde_json::json;
use shared::{
    command::CommandError,
    db::WriteTx,
    domain::{
        Actor, FailureKind, OperatorActionKind, OperatorResource, Policy, RelayId, fingerprint,
        pattern,
    },
    queue::{JOB_TYPE, Priority, SyncJob},
    repositories::operator_action::{self, NewAction},
};

use super::{
    causes::Cause,
    fleet::{Fleet, moment},
    history::run,
    plan::{Fate, RelayPlan, TARGETS},
    progress,
};

/// Relays that one write holds.
const BATCH: usize = 500;

/// Seconds for which a relay waits that wants another one's host, unless that one leaves before.
const BLOCKED_FOR: i64 = 900;

/// How long before its last edit a relay was paused, in seconds.
const PAUSED_BEFORE: i64 = 60;

/// Writes all of it.
pub async fn write(fleet: &mut Fleet) -> anyhow::Result<()> {
    let all = fleet.members.len();
    let mut blocked = Vec::new();
    for first in (0..all).step_by(BATCH) {
        let places = first..all.min(first + BATCH);
        let (mut rows, mut jobs, mut paused) = (Vec::new(), Vec::new(), Vec::new());
        for place in places.clone() {
            let row = Row::of(fleet, place);
            if let Some(at) = row.paused_at {
                paused.push((moment(at * 1000)?, row.relay.clone()));
            }
            blocked.extend(Blocked::of(fleet, place));
            rows.push(row);
            jobs.push(Job::of(fleet, place)?);
        }
        fleet
            .db
            .write(async move |tx: &mut WriteTx| -> Result<(), CommandError> {
                run(tx, JOBS, &jobs).await?;
                run(tx, RELAYS, &rows).await?;
                Ok(log_pauses(tx, &paused).await?)
            })
            .await?;
        progress("relays", places.end, places.len(), all);
    }
    // Last: a relay that has been accepted frees those that wait for its host.
    fleet
        .db
        .write(async move |tx: &mut WriteTx| -> Result<(), CommandError> {
            Ok(run(tx, BLOCKED, &blocked).await?)
        })
        .await?;
    Ok(())
}

/// What `relay_sync` says beyond what its attempts made it say.
#[derive(Serialize)]
struct Row {
    relay: RelayId,
    synced_generation: i64,
    synced_at: Option<i64>,
    accepted: Option<String>,
    dirty_since: Option<i64>,
    failed_generation: Option<i64>,
    kind: Option<&'static str>,
    /// The fingerprint of the failure group.
    cause: Option<String>,
    sentence: &'static str,
    streak: i64,
    faults: i64,
    crashes: i64,
    quarantined_at: Option<i64>,
    paused_at: Option<i64>,
}

impl Row {
    fn of(fleet: &Fleet, place: usize) -> Self {
        let plan = &fleet.relays[place];
        let desired = &fleet.members[place].desired;
        let fate = plan.fate;
        let ended_at = plan.ended_at.map(|at| at / 1000);
        // A lost worker is a crash, and not shown as a failure of the relay.
        let cause = plan
            .cause
            .filter(|cause| cause.kind != FailureKind::WorkerLost);
        let is_quarantined = matches!(fate, Fate::Poisonous | Fate::Faulty);
        Self {
            relay: desired.id.clone(),
            synced_generation: plan.accepted.map_or(0, |(generation, _)| generation),
            synced_at: plan.accepted.map(|(_, at)| at),
            accepted: plan.accepted.map(|_| fleet.accepted(place)),
            dirty_since: (fate != Fate::Synced).then_some(plan.edited_at),
            failed_generation: (fate == Fate::Refused).then_some(plan.generation),
            kind: cause.map(|cause| cause.kind.as_str()),
            cause: cause.map(|cause| fingerprint_of(fleet, place, cause)),
            sentence: match cause {
                None => "",
                Some(cause) if fate == Fate::Refused => cause.kind.given_up_sentence(),
                Some(cause) => cause.kind.tenant_sentence(),
            },
            streak: cause.map_or(0, |_| plan.attempts),
            faults: if fate == Fate::Faulty {
                plan.attempts
            } else {
                0
            },
            crashes: if fate == Fate::Poisonous {
                plan.attempts
            } else {
                0
            },
            quarantined_at: ended_at.filter(|_| is_quarantined),
            paused_at: (fate == Fate::Paused).then_some(plan.edited_at / 1000 - PAUSED_BEFORE),
        }
    }
}

/// The group of a failure of this relay.
fn fingerprint_of(fleet: &Fleet, place: usize, cause: &Cause) -> String {
    let host = fleet.members[place].desired.host();
    let message = cause
        .message
        .replace("{host}", &host)
        .replace("{verb}", "PATCH");
    let (target, _) = TARGETS[fleet.relays[place].target];
    fingerprint(target, cause.kind, cause.status, &pattern(&message))
}

/// A relay that waits for another to leave its host.
#[derive(Serialize)]
struct Blocked {
    relay: RelayId,
    by: RelayId,
}

impl Blocked {
    fn of(fleet: &Fleet, place: usize) -> Option<Self> {
        let plan = &fleet.relays[place];
        let partner = plan.partner.filter(|_| plan.fate == Fate::Blocked)?;
        Some(Self {
            relay: fleet.members[place].desired.id.clone(),
            by: fleet.members[partner].desired.id.clone(),
        })
    }
}

/// The last job of a relay.
#[derive(Serialize)]
struct Job {
    id: String,
    payload: String,
    kind: &'static str,
    status: &'static str,
    attempts: i64,
    max_attempts: u32,
    run_at: i64,
    done_at: Option<i64>,
    priority: u8,
    metadata: String,
    key: Option<RelayId>,
    last_result: Option<String>,
}

impl Job {
    fn of(fleet: &mut Fleet, place: usize) -> anyhow::Result<Self> {
        let plan = &fleet.relays[place];
        let relay = &fleet.members[place].desired.id;
        let now = fleet.now.timestamp();
        let edited_at = plan.edited_at / 1000;
        let run_at = match plan.fate {
            Fate::Retrying | Fate::Leaving | Fate::Stranded => {
                now + fleet.rng.random_range(5..BLOCKED_FOR)
            }
            Fate::Blocked => now + BLOCKED_FOR,
            Fate::Synced
            | Fate::Pending
            | Fate::Refused
            | Fate::Poisonous
            | Fate::Faulty
            | Fate::Paused => edited_at,
        };
        let status = match plan.fate {
            Fate::Synced => "Done",
            Fate::Refused | Fate::Poisonous | Fate::Faulty => "Killed",
            Fate::Pending
            | Fate::Retrying
            | Fate::Stranded
            | Fate::Leaving
            | Fate::Blocked
            | Fate::Paused => "Pending",
        };
        let waits = status == "Pending";
        let priority = if waits && plan.attempts > 0 {
            Priority::Retry
        } else {
            Priority::Edit
        };
        Ok(Self {
            id: plan.job.to_string(),
            payload: serde_json::to_string(&SyncJob {
                relay_id: relay.clone(),
            })?,
            kind: JOB_TYPE,
            status,
            attempts: spent(plan),
            max_attempts: fleet.max_attempts,
            run_at,
            done_at: plan.ended_at.map(|at| at / 1000).filter(|_| !waits),
            priority: priority.number(),
            metadata: json!({ "target": TARGETS[plan.target].0, "trace": "" }).to_string(),
            key: waits.then(|| relay.clone()),
            last_result: plan.ended_at.map(|_| match plan.cause {
                None => json!({ "Ok": "accepted" }).to_string(),
                Some(cause) => json!({ "Err": cause.kind.as_str() }).to_string(),
            }),
        })
    }
}

/// The attempts of its last job that counted.
fn spent(plan: &RelayPlan) -> i64 {
    let Some(cause) = plan.cause else {
        return plan.attempts;
    };
    match cause.kind.policy() {
        // A lost worker is counted as a crash.
        _ if cause.kind == FailureKind::WorkerLost => 0,
        Policy::TargetFailure(_) | Policy::Wait | Policy::WaitForRelay => 0,
        Policy::Ambiguous | Policy::GiveUp | Policy::BackOff | Policy::Suspect => plan.attempts,
    }
}

async fn log_pauses(
    tx: &mut WriteTx,
    paused: &[(DateTime<Utc>, RelayId)],
) -> Result<(), sqlx::Error> {
    for (at, relay) in paused {
        let action = NewAction {
            actor: &Actor::Shell,
            action: OperatorActionKind::Pause,
            resource_type: OperatorResource::Relay,
            resource_id: relay.as_str(),
            affected: 1,
            detail: json!({}),
        };
        operator_action::log(tx, *at, action).await?;
    }
    Ok(())
}

const JOBS: &str = "
INSERT INTO Jobs (job, id, job_type, status, attempts, max_attempts, run_at, done_at, priority, metadata, idempotency_key,
                  last_result)
SELECT
    CAST(value ->> 'payload' AS BLOB),
    value ->> 'id',
    value ->> 'kind',
    value ->> 'status',
    value ->> 'attempts',
    value ->> 'max_attempts',
    value ->> 'run_at',
    value ->> 'done_at',
    value ->> 'priority',
    value ->> 'metadata',
    value ->> 'key',
    value ->> 'last_result'
FROM json_each($1)";

const RELAYS: &str = "
WITH ends AS MATERIALIZED (
    SELECT value AS row FROM json_each($1)
)
UPDATE relay_sync
SET synced_generation = row ->> 'synced_generation',
    synced_at = row ->> 'synced_at',
    accepted = row ->> 'accepted',
    dirty_since = row ->> 'dirty_since',
    failed_generation = row ->> 'failed_generation',
    failure_kind = row ->> 'kind',
    failure_group_id = (SELECT id FROM failure_group WHERE fingerprint = row ->> 'cause'),
    sync_error = row ->> 'sentence',
    failure_streak = row ->> 'streak',
    faults = row ->> 'faults',
    crashes = row ->> 'crashes',
    quarantined_at = row ->> 'quarantined_at',
    paused_at = row ->> 'paused_at'
FROM ends
WHERE relay_sync.relay_id = row ->> 'relay'";

const BLOCKED: &str = "
WITH pairs AS MATERIALIZED (
    SELECT value ->> 'relay' AS relay, value ->> 'by' AS by_relay FROM json_each($1)
)
UPDATE relay_sync
SET blocked_by = pairs.by_relay
FROM pairs
WHERE relay_sync.relay_id = pairs.relay";
