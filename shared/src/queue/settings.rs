//! Bringing relays up that zooid was told other settings of this installation for: another bucket, another `LiveKit`,
//! another zooid.
//!
//! What a relay was told stands in `relay_sync.accepted`; `target.settings_hash` says with which settings a worker last
//! went through all of them. So a walk that is cut short is done again by the next worker that starts, and finds only
//! what is left. Invariant: a relay that is out of step already is not touched, because it is sent anyway.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{FromRow, Row as _, SqliteExecutor, sqlite::SqliteRow};

use super::{
    enqueue::{Enqueue, enqueue},
    job::Priority,
};
use crate::{
    db::WriteTx,
    domain::{Generation, RelayId, WorkerId, ZooidDomain},
    repositories::relay,
};

/// Relays read at once. A page of them is also the most that one write enqueues.
const PAGE: i64 = 500;

/// A relay that zooid has accepted, and that no sync is going to bring up.
#[derive(Debug, Clone)]
pub struct AcceptedRelay {
    /// The relay.
    pub id: RelayId,
    /// The target that serves it.
    pub target: ZooidDomain,
    /// Its newest generation: accepted, or given up.
    pub generation: Generation,
    /// Whether that generation was given up after a final failure; an earlier one was accepted.
    pub given_up: bool,
    /// Whether it stores blobs.
    pub blossom_enabled: bool,
    /// Whether it offers calls.
    pub livekit_enabled: bool,
    /// What zooid last accepted: JSON, secrets as keyed hashes.
    pub record: String,
}

/// A relay to be sent again.
#[derive(Debug, Clone, Serialize)]
pub struct Outdated {
    /// The relay.
    pub id: RelayId,
    /// The generation it was found at. Once it has another, it is sent anyway.
    pub generation: Generation,
}

/// The hash of the settings that a worker last brought all relays of `target` up to; `None` before any did.
///
/// # Errors
/// When the database refuses.
pub async fn settled_hash(
    executor: impl SqliteExecutor<'_>,
    target: &ZooidDomain,
) -> Result<Option<String>, sqlx::Error> {
    let hash: Option<String> = sqlx::query_scalar(
        "SELECT settings_hash
         FROM target
         WHERE name = $1
           AND settings_hash <> ''",
    )
    .bind(target.as_str())
    .fetch_optional(executor)
    .await?;
    Ok(hash)
}

/// Remembers that all relays of `target` are brought up to these settings, or that there was nothing to compare with.
///
/// # Errors
/// When the database refuses.
pub async fn settle(tx: &mut WriteTx, target: &ZooidDomain, hash: &str) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE target
         SET settings_hash = $2
         WHERE name = $1",
    )
    .bind(target.as_str())
    .bind(hash)
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// How many workers other than `me` seem to run.
///
/// # Errors
/// When the database refuses.
pub async fn other_workers(
    executor: impl SqliteExecutor<'_>,
    me: &WorkerId,
) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT count(*)
         FROM worker_heartbeat
         WHERE stopped_at IS NULL
           AND dead_at IS NULL
           AND worker_id <> $1",
    )
    .bind(me.as_str())
    .fetch_one(executor)
    .await
}

/// The next relays, by id, that zooid has accepted once and that are in step or given up; none after the last. Those that
/// were removed are told no settings any more.
///
/// # Errors
/// When the database refuses, or a row breaks a rule of the domain.
pub async fn accepted_relays(
    executor: impl SqliteExecutor<'_>,
    after: Option<&RelayId>,
) -> Result<Vec<AcceptedRelay>, sqlx::Error> {
    sqlx::query_as(
        "SELECT
             relay.id,
             relay.zooid_domain,
             relay.generation,
             relay_sync.synced_generation < relay_sync.desired_generation AS given_up,
             relay.blossom_enabled,
             relay.livekit_enabled,
             relay_sync.accepted
         FROM relay_sync
         CROSS JOIN relay ON relay.id = relay_sync.relay_id
         WHERE relay_sync.relay_id > $1
           AND relay_sync.accepted IS NOT NULL
           AND relay.removed_at IS NULL
           AND relay_sync.desired_generation IN (relay_sync.synced_generation, relay_sync.failed_generation)
         ORDER BY relay_sync.relay_id
         LIMIT $2",
    )
    .bind(after.map_or("", RelayId::as_str))
    .bind(PAGE)
    .fetch_all(executor)
    .await
}

/// Sends relays once more, when nobody waits for something else. Answers how many: those whose generation has grown
/// meanwhile are left out.
///
/// # Errors
/// When the database refuses.
pub async fn send_again(
    tx: &mut WriteTx,
    now: DateTime<Utc>,
    outdated: &[Outdated],
    max_attempts: u32,
) -> Result<usize, sqlx::Error> {
    let found =
        serde_json::to_string(outdated).map_err(|error| sqlx::Error::Encode(error.into()))?;
    let still: Vec<String> = sqlx::query_scalar(
        "SELECT relay.id
         FROM json_each($1) AS found
         CROSS JOIN relay ON relay.id = found.value ->> 'id'
         WHERE relay.generation = found.value ->> 'generation'",
    )
    .bind(found)
    .fetch_all(&mut *tx)
    .await?;
    for id in &still {
        let id: RelayId = id.parse().map_err(decode)?;
        let target = relay::bump_generation(tx, &id).await?;
        let job = Enqueue {
            relay: &id,
            target: &target,
            priority: Priority::Background,
            max_attempts,
            trace: "",
        };
        enqueue(tx, now, job).await?;
    }
    Ok(still.len())
}

impl FromRow<'_, SqliteRow> for AcceptedRelay {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        let generation: i64 = row.try_get("generation")?;
        let text = |column| row.try_get::<&str, _>(column);
        Ok(Self {
            id: text("id")?.parse().map_err(decode)?,
            target: text("zooid_domain")?.parse().map_err(decode)?,
            generation: generation.try_into().map_err(decode)?,
            given_up: row.try_get("given_up")?,
            blossom_enabled: row.try_get("blossom_enabled")?,
            livekit_enabled: row.try_get("livekit_enabled")?,
            record: row.try_get("accepted")?,
        })
    }
}

fn decode(error: crate::domain::Malformed) -> sqlx::Error {
    sqlx::Error::Decode(error.into())
}
