//! Writes what happened, in its order: relays as they are created, attempts, and the log.
//!
//! Attempts are inserted as rows that have ended. What follows an attempt that ends in the field, the rollups, the counts
//! by outcome and by cause, is added up in the same write.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use serde::Serialize;
use shared::{
    command::CommandError,
    db::WriteTx,
    domain::{
        ActivityType, AttemptOutcome, FailureKind, Pubkey, RelayId, Verb, fingerprint, pattern,
    },
    repositories::relay::{self, RelayDraft},
};
use ulid::Ulid;

use super::{
    causes::Cause,
    fleet::{Fleet, moment, worker},
    plan::{Attempt, Event, TARGETS, What},
    progress,
};

/// Events that one write holds: some tens of milliseconds.
const BATCH: usize = 1000;

/// Writes all of it.
pub async fn write(fleet: &mut Fleet, events: &[Event]) -> anyhow::Result<()> {
    let mut causes = Causes::default();
    let mut done = 0;
    for batch in events.chunks(BATCH) {
        let chunk = Chunk::of(fleet, &mut causes, batch)?;
        fleet
            .db
            .write(async move |tx: &mut WriteTx| chunk.write(tx).await)
            .await?;
        done += batch.len();
        progress("events", done, batch.len(), events.len());
    }
    Ok(())
}

/// What one write holds.
#[derive(Default)]
struct Chunk {
    relays: Vec<(DateTime<Utc>, RelayDraft)>,
    attempts: Vec<AttemptRow>,
    groups: BTreeMap<String, GroupRow>,
    lines: Vec<Line>,
}

/// A row of `sync_attempt`.
#[derive(Serialize)]
struct AttemptRow {
    relay: RelayId,
    number: i64,
    job: String,
    generation: i64,
    worker: &'static str,
    verb: Option<&'static str>,
    status: Option<u16>,
    outcome: &'static str,
    kind: Option<&'static str>,
    message: String,
    excerpt: Option<String>,
    started: i64,
    finished: i64,
    target: &'static str,
    /// The fingerprint of its failure group.
    cause: Option<String>,
    lag: Option<i64>,
}

/// A row of `failure_group`, with the attempts of one write.
#[derive(Serialize)]
struct GroupRow {
    fingerprint: String,
    target: &'static str,
    kind: &'static str,
    status: Option<u16>,
    pattern: String,
    message: String,
    attempts: i64,
    first: i64,
    last: i64,
}

/// A line of the log.
#[derive(Serialize)]
struct Line {
    id: String,
    tenant: Pubkey,
    at: i64,
    what: &'static str,
    relay: RelayId,
}

/// What the failures with a cause at a target have in common. Finding it out for each would take longer than all else.
#[derive(Default)]
pub struct Causes(HashMap<(usize, &'static str), Common>);

struct Common {
    fingerprint: String,
    pattern: String,
}

impl Causes {
    /// The fingerprint, and the pattern of `message`, which is one of its messages.
    fn of(&mut self, target: usize, cause: &'static Cause, message: &str) -> &Common {
        self.0.entry((target, cause.message)).or_insert_with(|| {
            let pattern = pattern(message);
            let (name, _) = TARGETS[target];
            Common {
                fingerprint: fingerprint(name, cause.kind, cause.status, &pattern),
                pattern,
            }
        })
    }
}

impl Chunk {
    fn of(fleet: &mut Fleet, causes: &mut Causes, events: &[Event]) -> anyhow::Result<Self> {
        let mut chunk = Self::default();
        for event in events {
            match &event.what {
                What::Created => {
                    let draft = fleet.create(event.at)?;
                    chunk.relays.push((moment(event.at)?, draft));
                }
                What::Edited => chunk.log(fleet, event.relay, event.at, ActivityType::UpdateRelay),
                What::Attempt(attempt) => chunk.attempt(fleet, causes, event, attempt),
            }
        }
        Ok(chunk)
    }

    fn log(&mut self, fleet: &mut Fleet, place: usize, at: i64, what: ActivityType) {
        let id = Ulid::from_parts(at.unsigned_abs(), rand::RngExt::random(&mut fleet.rng));
        let desired = &fleet.members[place].desired;
        self.lines.push(Line {
            id: id.to_string().to_ascii_lowercase(),
            tenant: desired.tenant_pubkey.clone(),
            at: at / 1000,
            what: what.as_str(),
            relay: desired.id.clone(),
        });
    }

    fn attempt(
        &mut self,
        fleet: &mut Fleet,
        causes: &mut Causes,
        event: &Event,
        attempt: &Attempt,
    ) {
        let place = event.relay;
        let target = fleet.relays[place].target;
        let desired = &fleet.members[place].desired;
        let outcome = match attempt.cause.map(|cause| cause.kind) {
            None => AttemptOutcome::Accepted,
            Some(FailureKind::WorkerLost) => AttemptOutcome::Lost,
            Some(_) => AttemptOutcome::Failed,
        };
        let verb = if attempt.is_first {
            Verb::Post
        } else {
            Verb::Patch
        };
        let worker = worker(place, outcome == AttemptOutcome::Lost);
        let filled = |text: &str| {
            text.replace("{verb}", verb.as_str())
                .replace("{host}", &desired.host())
                .replace("{worker}", worker)
        };
        let message = attempt
            .cause
            .map_or(String::new(), |cause| filled(cause.message));
        let is_grouped = outcome == AttemptOutcome::Failed;
        let group = attempt.cause.filter(|_| is_grouped).map(|cause| {
            let common = causes.of(target, cause, &message);
            self.count(common, target, cause, &message, attempt.ended);
            common.fingerprint.clone()
        });
        self.attempts.push(AttemptRow {
            relay: desired.id.clone(),
            number: attempt.number,
            job: attempt.job.to_string(),
            generation: attempt.generation,
            worker,
            verb: attempt
                .cause
                .is_none_or(Cause::was_sent)
                .then_some(verb.as_str()),
            status: match attempt.cause {
                None if attempt.is_first => Some(201),
                None => Some(200),
                Some(cause) => cause.status,
            },
            outcome: outcome.as_str(),
            kind: attempt.cause.map(|cause| cause.kind.as_str()),
            excerpt: attempt.cause.and_then(|cause| cause.excerpt).map(filled),
            message,
            started: event.at,
            finished: attempt.ended,
            target: TARGETS[target].0,
            cause: group,
            lag: attempt.lag,
        });
        match outcome {
            AttemptOutcome::Accepted => {
                self.log(fleet, place, attempt.ended, ActivityType::CompleteRelaySync);
            }
            AttemptOutcome::Failed => {
                self.log(fleet, place, attempt.ended, ActivityType::FailRelaySync);
            }
            AttemptOutcome::Lost | AttemptOutcome::Released => {}
        }
    }

    /// Counts a failure for its group.
    fn count(&mut self, common: &Common, target: usize, cause: &Cause, message: &str, at: i64) {
        let group = self
            .groups
            .entry(common.fingerprint.clone())
            .or_insert_with(|| GroupRow {
                fingerprint: common.fingerprint.clone(),
                target: TARGETS[target].0,
                kind: cause.kind.as_str(),
                status: cause.status,
                pattern: common.pattern.clone(),
                message: String::new(),
                attempts: 0,
                first: at,
                last: at,
            });
        message.clone_into(&mut group.message);
        group.attempts += 1;
        group.first = group.first.min(at);
        group.last = group.last.max(at);
    }

    async fn write(self, tx: &mut WriteTx) -> Result<(), CommandError> {
        for (created_at, draft) in self.relays {
            relay::create(tx, created_at, draft).await?;
        }
        let groups: Vec<GroupRow> = self.groups.into_values().collect();
        run(tx, GROUPS, &groups).await?;
        run(tx, ATTEMPTS, &self.attempts).await?;
        run(tx, ROLLUPS, &self.attempts).await?;
        run(tx, LOG, &self.lines).await?;
        Ok(())
    }
}

/// Runs statements that take `rows` as a JSON array.
pub async fn run<T: Serialize>(
    tx: &mut WriteTx,
    statements: &'static str,
    rows: &[T],
) -> Result<(), sqlx::Error> {
    if rows.is_empty() {
        return Ok(());
    }
    let rows = serde_json::to_string(rows).map_err(|error| sqlx::Error::Encode(error.into()))?;
    sqlx::query(statements).bind(rows).execute(&mut *tx).await?;
    Ok(())
}

const GROUPS: &str = "
INSERT INTO failure_group (fingerprint, target, kind, http_status, pattern, message, attempts, first_seen_at, last_seen_at)
SELECT
    value ->> 'fingerprint',
    value ->> 'target',
    value ->> 'kind',
    value ->> 'status',
    value ->> 'pattern',
    value ->> 'message',
    value ->> 'attempts',
    value ->> 'first',
    value ->> 'last'
FROM json_each($1)
WHERE TRUE
ON CONFLICT (fingerprint) DO UPDATE
SET attempts = attempts + excluded.attempts,
    message = excluded.message,
    last_seen_at = max(last_seen_at, excluded.last_seen_at)";

const ATTEMPTS: &str = "
INSERT INTO sync_attempt (relay_id, number, job_id, generation, worker_id, verb, http_status, outcome, kind, message, excerpt,
                          started_at, finished_at, target, failure_group_id)
SELECT
    value ->> 'relay',
    value ->> 'number',
    value ->> 'job',
    value ->> 'generation',
    value ->> 'worker',
    value ->> 'verb',
    value ->> 'status',
    value ->> 'outcome',
    value ->> 'kind',
    value ->> 'message',
    value ->> 'excerpt',
    value ->> 'started',
    value ->> 'finished',
    value ->> 'target',
    (SELECT id FROM failure_group WHERE fingerprint = value ->> 'cause')
FROM json_each($1)";

/// As the triggers of an attempt that ends have it.
const ROLLUPS: &str = "
INSERT INTO sync_minute (minute, target, accepted, failed, lost)
SELECT
    (value ->> 'finished') / 60000 AS minute,
    value ->> 'target' AS target,
    sum(value ->> 'outcome' = 'accepted'),
    sum(value ->> 'outcome' = 'failed'),
    sum(value ->> 'outcome' = 'lost')
FROM json_each($1)
WHERE TRUE
GROUP BY minute, target
ON CONFLICT (minute, target) DO UPDATE
SET accepted = accepted + excluded.accepted,
    failed = failed + excluded.failed,
    lost = lost + excluded.lost;
INSERT INTO attempt_count (target, outcome, kind, attempts, total_ms)
SELECT
    value ->> 'target' AS target,
    value ->> 'outcome' AS outcome,
    coalesce(value ->> 'kind', '') AS kind,
    count(*),
    sum((value ->> 'finished') - (value ->> 'started'))
FROM json_each($1)
WHERE TRUE
GROUP BY target, outcome, kind
ON CONFLICT (target, outcome, kind) DO UPDATE
SET attempts = attempts + excluded.attempts,
    total_ms = total_ms + excluded.total_ms;
INSERT INTO sync_lag (minute, target, upper_ms, syncs)
SELECT
    (value ->> 'finished') / 60000 AS minute,
    value ->> 'target' AS target,
    (SELECT min(bucket.upper_ms) FROM lag_bucket AS bucket WHERE bucket.upper_ms >= value ->> 'lag') AS upper_ms,
    count(*)
FROM json_each($1)
WHERE value ->> 'lag' IS NOT NULL
GROUP BY minute, target, upper_ms
ON CONFLICT (minute, target, upper_ms) DO UPDATE SET syncs = syncs + excluded.syncs;
INSERT INTO lag_count (target, upper_ms, syncs, total_ms)
SELECT
    value ->> 'target' AS target,
    (SELECT min(bucket.upper_ms) FROM lag_bucket AS bucket WHERE bucket.upper_ms >= value ->> 'lag') AS upper_ms,
    count(*),
    sum(value ->> 'lag')
FROM json_each($1)
WHERE value ->> 'lag' IS NOT NULL
GROUP BY target, upper_ms
ON CONFLICT (target, upper_ms) DO UPDATE
SET syncs = syncs + excluded.syncs,
    total_ms = total_ms + excluded.total_ms";

const LOG: &str = "
INSERT INTO activity (id, tenant_pubkey, created_at, activity_type, resource_type, resource_id)
SELECT value ->> 'id', value ->> 'tenant', value ->> 'at', value ->> 'what', 'relay', value ->> 'relay'
FROM json_each($1)";
