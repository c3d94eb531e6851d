//! The `relay_sync` table with what stands beside it: how far each relay is on its way to zooid.
//!
//! Invariant: [`SyncState`] is `relay_sync.state`, which triggers keep, but for what holds a whole target or the queue: that
//! is added here and nowhere else, so every reader is told the same.

use std::collections::HashMap;

use serde::Serialize;
use sqlx::{FromRow, QueryBuilder, Row as _, sqlite::SqliteRow};
use utoipa::ToSchema;

use super::{
    operator::{
        Snapshot,
        attempt::{self, Attempt},
    },
    relay,
    row::parsed_option,
};
use crate::domain::{
    AttemptId, DesiredRelay, FailureKind, Pubkey, Relay, RelayId, RelayStatus, Subdomain,
    SyncState, ZooidDomain,
};

/// What [`sync_state`] and the columns beside it are read from, to follow `FROM relay`. Every relay has its `relay_sync`, and
/// with a custom domain its `relay_domain`.
/// A job's key is the relay's id while it waits, and ends in `:running` while it runs.
macro_rules! sync_joins {
    () => {
        "INNER JOIN relay_sync ON relay_sync.relay_id = relay.id
         LEFT JOIN relay_domain ON relay_domain.relay_id = relay.id
         LEFT JOIN target ON target.name = relay_sync.target
         LEFT JOIN Jobs AS waiting
             ON waiting.job_type = 'sync_relay'
             AND waiting.idempotency_key = relay.id
         LEFT JOIN Jobs AS running
             ON running.job_type = 'sync_relay'
             AND running.idempotency_key = relay.id || ':running' "
    };
}

/// Whether the joined target holds all that waits for it: its circuit is open, or it or the whole queue is paused.
macro_rules! is_holding {
    () => {
        "(
             coalesce(target.circuit_state = 'open', 0)
             OR target.paused_at IS NOT NULL
             OR (SELECT paused_at FROM queue WHERE name = 'sync_relay') IS NOT NULL
         )"
    };
}

/// Where a relay stands: as its row says, unless its target or the whole queue holds it.
macro_rules! sync_state {
    () => {
        concat!(
            "CASE
                 WHEN relay_sync.state IN ('pending', 'retrying') AND ",
            $crate::repositories::relay_sync::is_holding!(),
            " THEN 'held'
                 ELSE relay_sync.state
             END"
        )
    };
}

pub(super) use {is_holding, sync_joins, sync_state};

/// A relay on its way to zooid, with all that tells why it is not there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct RelaySync {
    /// The relay.
    pub relay_id: RelayId,
    /// Its owner.
    pub tenant_pubkey: Pubkey,
    /// Its label under the served domain.
    pub subdomain: Subdomain,
    /// The served domain: its target.
    pub zooid_domain: ZooidDomain,
    /// The host name zooid is to serve it at.
    pub host: String,
    /// What its tenant calls it; "" for nothing.
    pub name: String,
    /// Whether it answers.
    pub status: RelayStatus,
    /// Since when it is to be no more, in unix seconds; `None` while it is wanted.
    pub removed_at: Option<i64>,
    /// Where it stands.
    pub state: SyncState,
    /// What its tenant is told; "" when there is nothing to say.
    pub sync_error: String,
    /// The version of the desired state.
    pub generation: i64,
    /// The one zooid last accepted; 0 for none.
    pub synced_generation: i64,
    /// The one that was given up; `None` when none was.
    pub failed_generation: Option<i64>,
    /// The failure that is shown; `None` when there is none.
    pub failure: Option<Failure>,
    /// Attempts of the job that runs, waits or made the last attempt; `None` without one.
    pub attempts: Option<u32>,
    /// How many it may make.
    pub max_attempts: Option<u32>,
    /// When the waiting job is due, in unix seconds.
    pub next_attempt_at: Option<i64>,
    /// Since when the newest generation has been seen in effect, in unix seconds; as [`Relay::live_at`].
    pub live_at: Option<i64>,
    /// Since when zooid has not had the newest settings, in unix milliseconds.
    pub out_of_step_since: Option<i64>,
    /// The newest attempt, which may still run; `None` before the first.
    pub last_attempt: Option<Attempt>,
    /// The id of that attempt; 0 before the first. Only for the order of lists.
    #[serde(skip)]
    pub(crate) last_attempt_id: i64,
}

/// Why a relay is not in step, for operators.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Failure {
    /// Why.
    pub kind: FailureKind,
    /// The cause in general.
    pub sentence: &'static str,
    /// What operators can do about it.
    pub next_step: &'static str,
    /// The message of the newest attempt that failed, redacted; "" when its row is gone.
    pub message: String,
    /// Its failure group; `None` when it has none.
    pub group_id: Option<i64>,
}

/// These relays, in the order of `ids`; those that do not exist are left out.
///
/// # Errors
/// When the database refuses, or a row breaks a rule of the domain.
pub async fn by_ids(
    snapshot: &mut Snapshot,
    ids: &[RelayId],
) -> Result<Vec<RelaySync>, sqlx::Error> {
    let ids = serde_json::to_string(ids).map_err(|error| sqlx::Error::Encode(error.into()))?;
    let mut query = QueryBuilder::new(concat!(
        "SELECT ",
        relay::columns!(),
        ",
             relay_sync.failed_generation,
             relay_sync.failure_kind,
             relay_sync.failure_group_id,
             relay_sync.dirty_since,
             relay_sync.last_attempt_id,
             CASE
                 WHEN relay_sync.failure_kind IS NOT NULL THEN (
                     SELECT failed.message
                     FROM sync_attempt AS failed
                     WHERE failed.relay_id = relay.id
                       AND failed.kind IS NOT NULL
                     ORDER BY failed.number DESC
                     LIMIT 1
                 )
             END AS failure_message,
             job.attempts AS job_attempts,
             job.max_attempts AS job_max_attempts
         FROM json_each("
    ));
    query.push_bind(ids).push(concat!(
        ") AS wanted
         CROSS JOIN relay ON relay.id = wanted.value ",
        sync_joins!(),
        "LEFT JOIN Jobs AS job ON job.id = coalesce(
             running.id,
             waiting.id,
             (SELECT job_id FROM sync_attempt WHERE sync_attempt.id = relay_sync.last_attempt_id)
         )"
    ));
    let mut syncs: Vec<RelaySync> = snapshot.all(query).await?;
    let last: Vec<AttemptId> = syncs
        .iter()
        .filter(|sync| sync.last_attempt_id > 0)
        .map(|sync| AttemptId::new(sync.last_attempt_id))
        .collect();
    let mut last: HashMap<AttemptId, Attempt> = attempt::by_ids(snapshot, &last)
        .await?
        .into_iter()
        .map(|attempt| (attempt.id, attempt))
        .collect();
    for sync in &mut syncs {
        sync.last_attempt = last.remove(&AttemptId::new(sync.last_attempt_id));
    }
    Ok(syncs)
}

impl FromRow<'_, SqliteRow> for RelaySync {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        let relay = Relay::from_row(row)?;
        let kind: Option<FailureKind> = parsed_option(row, "failure_kind")?;
        let message: Option<String> = row.try_get("failure_message")?;
        let group_id = row.try_get("failure_group_id")?;
        Ok(Self {
            host: DesiredRelay::from(&relay).host(),
            relay_id: relay.id,
            tenant_pubkey: relay.tenant_pubkey,
            subdomain: relay.settings.subdomain,
            zooid_domain: relay.zooid_domain,
            name: relay.settings.info_name,
            status: relay.status,
            removed_at: relay.removed_at,
            state: relay.sync_state,
            sync_error: relay.sync_error,
            generation: relay.generation.get(),
            synced_generation: relay.synced_generation,
            failed_generation: row.try_get("failed_generation")?,
            failure: kind.map(|kind| Failure {
                kind,
                sentence: kind.operator_sentence(),
                next_step: kind.next_step(),
                message: message.unwrap_or_default(),
                group_id,
            }),
            attempts: row.try_get("job_attempts")?,
            max_attempts: row.try_get("job_max_attempts")?,
            next_attempt_at: relay.next_attempt_at,
            live_at: relay.live_at,
            out_of_step_since: row.try_get("dirty_since")?,
            last_attempt: None,
            last_attempt_id: row.try_get("last_attempt_id")?,
        })
    }
}
