//! Which relays are to be looked at, at their own hosts, and what follows from what was seen there.
//!
//! Looks are no part of a turn: a sync is over when zooid has accepted it. They follow the log of activities, so a sync
//! writes nothing for them. Invariants: a relay is looked at by one worker at a time, who moves `due_at` ahead by a lease
//! and whose news counts only while it stands there and the relay is in step at the generation that was looked at; and a
//! relay is sent again for what was seen at most once in [`PERIOD`].

use std::{collections::BTreeSet, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use sqlx::{SqliteExecutor, SqlitePool};

use super::{
    enqueue::{Enqueue, enqueue},
    job::Priority,
};
use crate::{
    crypto::Sealed,
    db::WriteTx,
    domain::{
        ActivityType, DesiredRelay, Generation, Malformed, Observation, RelayId, ZooidDomain,
    },
    repositories::{activity, relay},
};

/// Between two looks at a relay, and between two times that it is sent again for what was seen.
pub const PERIOD: Duration = Duration::from_mins(15);

/// When a relay is looked at again whose host told nothing: its zooid may be back soon.
const UNSEEN_PAUSE: TimeDelta = TimeDelta::minutes(1);

/// Activities read at once, and relays found or added by one write.
const BATCH: u32 = 500;

/// Activities that are made up for after a time in which nobody followed them. Of more, the periodic looks take care.
const BACKLOG: i64 = 5_000;

/// Activities that nobody has followed yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    from: i64,
    upto: i64,
    /// Of which zooid has accepted something.
    accepted: BTreeSet<RelayId>,
}

/// A relay that was not looked at yet, and when it is to be.
#[derive(Debug, Clone, Serialize)]
pub struct Enrolled {
    /// The relay.
    pub relay: RelayId,
    /// Unix milliseconds.
    pub due_at: i64,
}

/// A relay to be looked at by this worker and no other.
#[derive(Debug, Clone)]
pub struct DueLook {
    /// What zooid accepted for it.
    pub desired: DesiredRelay,
    /// Its secret key, sealed: what it shows as `self` follows from it.
    pub secret: Sealed,
    /// The proof that it is still this worker's.
    pub ticket: Ticket,
}

/// Whose look it is, and of what.
#[derive(Debug, Clone)]
pub struct Ticket {
    relay: RelayId,
    generation: Generation,
    taken_until: i64,
}

/// What became of a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// The relay is in effect.
    Live,
    /// It differs, and was not sent again: that was done less than a period ago.
    Drifted,
    /// It differs, and is sent again.
    Healing,
    /// The relay has changed since, or is somebody else's to look at: nothing was recorded.
    Outdated,
}

/// Begins to follow acceptances, or goes on where some worker was.
///
/// # Errors
/// When the database refuses.
pub async fn begin(tx: &mut WriteTx, now: DateTime<Utc>) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO maintenance (name, last_run_at, position)
         SELECT 'observation', $1, coalesce(max(seq), 0)
         FROM activity
         WHERE true
         ON CONFLICT (name) DO UPDATE
         SET position = CASE WHEN excluded.position - position > $2 THEN excluded.position ELSE position END",
    )
    .bind(now.timestamp_millis())
    .bind(BACKLOG)
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// The next relays, by id, that zooid has accepted and that are not looked at; none after the last.
///
/// # Errors
/// When the database refuses, or an id is none.
pub async fn unwatched(
    executor: impl SqliteExecutor<'_>,
    after: Option<&RelayId>,
) -> Result<Vec<RelayId>, sqlx::Error> {
    let ids: Vec<String> = sqlx::query_scalar(
        "SELECT relay_sync.relay_id
         FROM relay_sync
         WHERE relay_sync.relay_id > $1
           AND relay_sync.synced_at IS NOT NULL
           AND NOT EXISTS (SELECT 1 FROM relay_observation WHERE relay_observation.relay_id = relay_sync.relay_id)
         ORDER BY relay_sync.relay_id
         LIMIT $2",
    )
    .bind(after.map_or("", RelayId::as_str))
    .bind(BATCH)
    .fetch_all(executor)
    .await?;
    ids.iter().map(|id| id.parse().map_err(decode)).collect()
}

/// Adds relays to those that are looked at; the others stay as they are.
///
/// # Errors
/// When the database refuses.
pub async fn enrol(tx: &mut WriteTx, relays: &[Enrolled]) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO relay_observation (relay_id, target, due_at)
         SELECT relay_sync.relay_id, relay_sync.target, found.value ->> 'due_at'
         FROM json_each($1) AS found
         CROSS JOIN relay_sync ON relay_sync.relay_id = found.value ->> 'relay'
         CROSS JOIN relay ON relay.id = relay_sync.relay_id
         WHERE relay.removed_at IS NULL
         ON CONFLICT (relay_id) DO NOTHING",
    )
    .bind(to_json(relays)?)
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// What happened since acceptances were last followed; `None` when nothing did.
///
/// # Errors
/// When the database refuses.
pub async fn unread(readers: &SqlitePool) -> Result<Option<Unread>, sqlx::Error> {
    let from: Option<i64> = sqlx::query_scalar(
        "SELECT position
         FROM maintenance
         WHERE name = 'observation'",
    )
    .fetch_optional(readers)
    .await?;
    let Some(from) = from else {
        return Ok(None);
    };
    let activities = activity::list_after(readers, from, BATCH).await?;
    let Some(last) = activities.last() else {
        return Ok(None);
    };
    let accepted = activities
        .iter()
        .filter(|activity| activity.activity_type == ActivityType::CompleteRelaySync)
        .map(|activity| activity.resource_id.parse().map_err(decode))
        .collect::<Result<_, _>>()?;
    Ok(Some(Unread {
        from,
        upto: last.seq,
        accepted,
    }))
}

/// Makes what was accepted due at once, unless another worker did so. Relays that were removed are nobody's to look at.
///
/// # Errors
/// When the database refuses.
pub async fn follow(
    tx: &mut WriteTx,
    now: DateTime<Utc>,
    unread: &Unread,
) -> Result<(), sqlx::Error> {
    let moved = sqlx::query(
        "UPDATE maintenance
         SET position = $2,
             last_run_at = $3
         WHERE name = 'observation'
           AND position = $1",
    )
    .bind(unread.from)
    .bind(unread.upto)
    .bind(now.timestamp_millis())
    .execute(&mut *tx)
    .await?;
    if moved.rows_affected() == 0 || unread.accepted.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO relay_observation (relay_id, target, due_at)
         SELECT relay_sync.relay_id, relay_sync.target, $2
         FROM json_each($1) AS accepted
         CROSS JOIN relay_sync ON relay_sync.relay_id = accepted.value
         CROSS JOIN relay ON relay.id = relay_sync.relay_id
         WHERE relay.removed_at IS NULL
         ON CONFLICT (relay_id) DO UPDATE
         SET due_at = excluded.due_at",
    )
    .bind(to_json(&unread.accepted)?)
    .bind(now.timestamp_millis())
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// What is due at a target ($1) by now ($2, milliseconds), as a condition; nothing while the target is taken for down or
/// held back.
macro_rules! due {
    () => {
        "target = $1
         AND due_at <= $2
         AND NOT EXISTS (
             SELECT 1
             FROM target AS held
             WHERE held.name = $1
               AND (held.circuit_state = 'open' OR held.paused_at IS NOT NULL)
         )"
    };
}

/// Whether a relay of `target` is due.
///
/// # Errors
/// When the database refuses.
pub async fn any_due(
    executor: impl SqliteExecutor<'_>,
    now: DateTime<Utc>,
    target: &ZooidDomain,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(concat!(
        "SELECT EXISTS (
             SELECT 1
             FROM relay_observation INDEXED BY relay_observation_due
             WHERE ",
        due!(),
        ")"
    ))
    .bind(target.as_str())
    .bind(now.timestamp_millis())
    .fetch_one(executor)
    .await
}

/// Takes up to `limit` due relays of `target`, the longest due first. Whoever takes one looks at it and records what came
/// of it within `lease`. Those that are not in step are left to the acceptance that will bring them there.
///
/// # Errors
/// When the database refuses, or an id is none.
pub async fn take_due(
    tx: &mut WriteTx,
    now: DateTime<Utc>,
    target: &ZooidDomain,
    limit: usize,
    lease: Duration,
) -> Result<Vec<DueLook>, sqlx::Error> {
    let taken_until = (now + lease).timestamp_millis();
    let taken: Vec<(String, bool)> = sqlx::query_as(concat!(
        "UPDATE relay_observation
         SET due_at = CASE
                 WHEN (SELECT state FROM relay_sync WHERE relay_sync.relay_id = relay_observation.relay_id) = 'synced' THEN $4
                 ELSE $5
             END
         WHERE relay_id IN (
             SELECT relay_id
             FROM relay_observation INDEXED BY relay_observation_due
             WHERE ",
        due!(),
        "    ORDER BY due_at
             LIMIT $3
         )
         RETURNING relay_id, due_at = $4"
    ))
    .bind(target.as_str())
    .bind(now.timestamp_millis())
    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
    .bind(taken_until)
    .bind((now + PERIOD).timestamp_millis())
    .fetch_all(&mut *tx)
    .await?;
    let in_step: Vec<RelayId> = taken
        .iter()
        .filter(|(_, is_in_step)| *is_in_step)
        .map(|(id, _)| id.parse().map_err(decode))
        .collect::<Result<_, _>>()?;
    if in_step.is_empty() {
        return Ok(Vec::new());
    }
    let states = relay::desired_states(tx, &in_step).await?;
    Ok(states
        .into_values()
        .map(|state| DueLook {
            ticket: Ticket {
                relay: state.desired.id.clone(),
                generation: state.desired.generation,
                taken_until,
            },
            desired: state.desired,
            secret: state.secret,
        })
        .collect())
}

/// Records what was seen. A relay that differs is sent once more, when nobody waits for something else, unless that was
/// done for the same reason less than a period ago.
///
/// # Errors
/// When the database refuses.
pub async fn record(
    tx: &mut WriteTx,
    now: DateTime<Utc>,
    ticket: &Ticket,
    seen: &Observation,
    max_attempts: u32,
) -> Result<Recorded, sqlx::Error> {
    let drift = match seen.drift.as_slice() {
        [] => None,
        fields => Some(to_json(fields)?),
    };
    let shown = seen.document.as_ref().map(to_json).transpose()?;
    let recorded: Option<Option<i64>> = sqlx::query_scalar(
        "UPDATE relay_observation
         SET due_at = $5,
             observed_generation = $2,
             observed_at = $4,
             observed = $6,
             live_at = CASE
                 WHEN $7 IS NULL AND (live_generation < $2 OR drift_since IS NOT NULL) THEN $4
                 ELSE live_at
             END,
             live_generation = CASE WHEN $7 IS NULL THEN $2 ELSE live_generation END,
             drift_since = CASE WHEN $7 IS NOT NULL THEN coalesce(drift_since, $4) END,
             drift = $7
         WHERE relay_id = $1
           AND due_at = $3
           AND EXISTS (
               SELECT 1
               FROM relay_sync
               WHERE relay_sync.relay_id = $1
                 AND relay_sync.synced_generation = $2
                 AND relay_sync.desired_generation = $2
           )
         RETURNING healed_at",
    )
    .bind(ticket.relay.as_str())
    .bind(ticket.generation.get())
    .bind(ticket.taken_until)
    .bind(now.timestamp_millis())
    .bind((now + PERIOD).timestamp_millis())
    .bind(shown)
    .bind(drift.as_deref())
    .fetch_optional(&mut *tx)
    .await?;
    match (recorded, drift) {
        (None, _) => Ok(Recorded::Outdated),
        (Some(_), None) => Ok(Recorded::Live),
        (Some(healed_at), Some(_)) if was_lately(now, healed_at) => Ok(Recorded::Drifted),
        (Some(_), Some(_)) => {
            heal(tx, now, &ticket.relay, max_attempts).await?;
            Ok(Recorded::Healing)
        }
    }
}

/// Leaves a relay for a while whose host told nothing: its target is down, and that is nothing a sync could mend.
///
/// # Errors
/// When the database refuses.
pub async fn put_off(
    tx: &mut WriteTx,
    now: DateTime<Utc>,
    ticket: &Ticket,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE relay_observation
         SET due_at = $3
         WHERE relay_id = $1
           AND due_at = $2",
    )
    .bind(ticket.relay.as_str())
    .bind(ticket.taken_until)
    .bind((now + UNSEEN_PAUSE).timestamp_millis())
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// Whether `then` is less than a period ago. A time to come was written by a clock that has been set back since.
fn was_lately(now: DateTime<Utc>, then: Option<i64>) -> bool {
    let then = then.and_then(DateTime::from_timestamp_millis);
    then.and_then(|then| (now - then).to_std().ok())
        .is_some_and(|ago| ago < PERIOD)
}

async fn heal(
    tx: &mut WriteTx,
    now: DateTime<Utc>,
    relay: &RelayId,
    max_attempts: u32,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE relay_observation
         SET healed_at = $2,
             heals = heals + 1
         WHERE relay_id = $1",
    )
    .bind(relay.as_str())
    .bind(now.timestamp_millis())
    .execute(&mut *tx)
    .await?;
    let target = relay::bump_generation(tx, relay).await?;
    let job = Enqueue {
        relay,
        target: &target,
        priority: Priority::Background,
        max_attempts,
        trace: "",
    };
    enqueue(tx, now, job).await?;
    Ok(())
}

fn to_json(value: &(impl Serialize + ?Sized)) -> Result<String, sqlx::Error> {
    serde_json::to_string(value).map_err(|error| sqlx::Error::Encode(error.into()))
}

fn decode(error: Malformed) -> sqlx::Error {
    sqlx::Error::Decode(error.into())
}
