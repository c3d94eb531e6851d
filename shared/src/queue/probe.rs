//! Asking a zooid whether it is back, so that its held jobs can run.
//!
//! A probe is due when the circuit is open and the pause since the last one is over, or when an operator asked for one.
//! Invariant: a due probe is taken in a write that makes it due no longer, so however many workers look, at most one of
//! them makes the call. One that dies over it leaves the probe of an open circuit due again when its lease is over.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::SqliteExecutor;

use crate::{
    db::{WakeKind, WriteTx},
    domain::{Malformed, RelayId, ZooidDomain},
};

/// The pause after the circuit has opened; it doubles with each probe that fails.
const FIRST_PAUSE: Duration = Duration::from_secs(5);

/// The longest pause: a zooid that is back is noticed within a minute.
pub(super) const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// How long to wait for the next probe when `probe_failures` failed since the last accepted sync.
#[must_use]
pub fn pause(probe_failures: u32) -> Duration {
    // 5 s doubled four times are longer than a minute already.
    FIRST_PAUSE
        .saturating_mul(2_u32.saturating_pow(probe_failures))
        .min(LONGEST_PAUSE)
}

/// A target as a worker knows it.
#[derive(Debug, Clone, Serialize)]
pub struct TargetInfo {
    /// The domain it serves.
    pub name: ZooidDomain,
    /// The base URL of its management API.
    pub url: String,
}

/// A probe that this worker, and no other, has to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueProbe {
    /// The target.
    pub target: ZooidDomain,
    /// A relay of it to ask about: the one whose failure began the row, or else any. None where it has no relay.
    pub relay: Option<RelayId>,
}

/// Makes the targets known, with their URLs. What is known of them otherwise stays.
///
/// # Errors
/// When the database refuses.
pub async fn announce(
    tx: &mut WriteTx,
    now: DateTime<Utc>,
    targets: &[TargetInfo],
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO target (name, url, circuit_since)
         SELECT value ->> 'name', value ->> 'url', $2
         FROM json_each($1)
         WHERE true
         ON CONFLICT (name) DO UPDATE
         SET url = excluded.url",
    )
    .bind(to_json(targets)?)
    .bind(now.timestamp_millis())
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// What makes a target's probe due ($1: names of targets as a JSON array, $2: now in milliseconds).
macro_rules! due {
    () => {
        "name IN (SELECT value FROM json_each($1))
         AND (
             probe_requested_at IS NOT NULL
             OR (circuit_state = 'open' AND next_probe_at <= $2)
         )"
    };
}

/// Whether a probe of one of `targets` is due.
///
/// # Errors
/// When the database refuses.
pub async fn any_due(
    executor: impl SqliteExecutor<'_>,
    now: DateTime<Utc>,
    targets: &[ZooidDomain],
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(concat!(
        "SELECT EXISTS (SELECT 1 FROM target WHERE ",
        due!(),
        ")"
    ))
    .bind(to_json(targets)?)
    .bind(now.timestamp_millis())
    .fetch_one(executor)
    .await
}

/// Takes the due probes of `targets`. Whoever takes one makes it within `lease`, and then calls [`record`].
///
/// A probe that was asked for while the circuit is closed is forgotten if its worker dies: ask again.
///
/// # Errors
/// When the database refuses.
pub async fn take_due(
    tx: &mut WriteTx,
    now: DateTime<Utc>,
    targets: &[ZooidDomain],
    lease: Duration,
) -> Result<Vec<DueProbe>, sqlx::Error> {
    let taken: Vec<(String, Option<String>)> = sqlx::query_as(concat!(
        "UPDATE target
         SET next_probe_at = CASE WHEN circuit_state = 'open' THEN $3 END,
             probe_requested_at = NULL
         WHERE ",
        due!(),
        "
         RETURNING
             name,
             coalesce(
                 first_failed_relay,
                 (SELECT relay.id FROM relay WHERE relay.zooid_domain = target.name LIMIT 1)
             )"
    ))
    .bind(to_json(targets)?)
    .bind(now.timestamp_millis())
    .bind((now + lease).timestamp_millis())
    .fetch_all(&mut *tx)
    .await?;
    let parse = |(target, relay): (String, Option<String>)| {
        Ok(DueProbe {
            target: target.parse()?,
            relay: relay.map(|relay| relay.parse()).transpose()?,
        })
    };
    let probes: Result<_, Malformed> = taken.into_iter().map(parse).collect();
    probes.map_err(|error| sqlx::Error::Decode(error.into()))
}

/// Records what a probe of `target` said: nothing, or a redacted message. A good answer closes the circuit and lets the
/// workers have its jobs; a bad one sets the time of the next probe if the circuit is open. Answers whether this closed
/// the circuit.
///
/// # Errors
/// When the database refuses.
pub async fn record(
    tx: &mut WriteTx,
    now: DateTime<Utc>,
    target: &ZooidDomain,
    said: Result<(), &str>,
) -> Result<bool, sqlx::Error> {
    let known: Option<(bool, u32)> = sqlx::query_as(
        "SELECT circuit_state = 'open', probe_failures
         FROM target
         WHERE name = $1",
    )
    .bind(target.as_str())
    .fetch_optional(&mut *tx)
    .await?;
    let Some((is_open, probe_failures)) = known else {
        // Somebody removed the row, and with it the circuit.
        return Ok(false);
    };
    match said {
        Ok(()) => {
            close(tx, now, target).await?;
            tx.wake(WakeKind::Worker);
            Ok(is_open)
        }
        Err(message) => {
            let again = now + pause(probe_failures.saturating_add(1));
            sqlx::query(
                "UPDATE target
                 SET probe_failures = probe_failures + (circuit_state = 'open'),
                     next_probe_at = CASE WHEN circuit_state = 'open' THEN $2 END,
                     probed_at = $3,
                     probe_error = $4
                 WHERE name = $1",
            )
            .bind(target.as_str())
            .bind(again.timestamp_millis())
            .bind(now.timestamp_millis())
            .bind(message)
            .execute(&mut *tx)
            .await?;
            Ok(false)
        }
    }
}

/// How far the pauses have grown stays: a zooid that answers probes and fails every sync is not asked all the time.
async fn close(
    tx: &mut WriteTx,
    now: DateTime<Utc>,
    target: &ZooidDomain,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE target
         SET circuit_state = 'closed',
             circuit_since = CASE WHEN circuit_state = 'open' THEN $2 ELSE circuit_since END,
             circuit_reason = '',
             failures = 0,
             first_failed_relay = NULL,
             several_relays = 0,
             next_probe_at = NULL,
             probed_at = $2,
             probe_error = ''
         WHERE name = $1",
    )
    .bind(target.as_str())
    .bind(now.timestamp_millis())
    .execute(&mut *tx)
    .await?;
    Ok(())
}

fn to_json(value: &(impl Serialize + ?Sized)) -> Result<String, sqlx::Error> {
    serde_json::to_string(value).map_err(|error| sqlx::Error::Encode(error.into()))
}
