//! The `relay_sync` table with what stands beside it: how far each relay is on its way to zooid.
//!
//! Invariant: [`SyncState`] is `relay_sync.state`, which triggers keep, but for what holds a whole target or the queue: that
//! is added here and nowhere else, so every reader is told the same.

use sqlx::{FromRow, QueryBuilder, Row as _, SqliteExecutor, sqlite::SqliteRow};

use super::{FindById, List, Pagination, Repository, relay, row::parsed_option};
use crate::domain::{DesiredRelay, FailureKind, Relay, RelayId, SyncState, Verb};

/// What [`sync_state`] and the columns beside it are read from, to follow `FROM relay`. Every relay has its `relay_sync`.
/// A job's key is the relay's id while it waits, and ends in `:running` while it runs.
macro_rules! sync_joins {
    () => {
        "INNER JOIN relay_sync ON relay_sync.relay_id = relay.id
         LEFT JOIN target ON target.name = relay_sync.target
         LEFT JOIN Jobs AS waiting
             ON waiting.job_type = 'sync_relay'
             AND waiting.idempotency_key = relay.id
         LEFT JOIN Jobs AS running
             ON running.job_type = 'sync_relay'
             AND running.idempotency_key = relay.id || ':running' "
    };
}

/// Where a relay stands: as its row says, unless its target or the whole queue holds it.
macro_rules! sync_state {
    () => {
        "CASE
             WHEN relay_sync.state IN ('pending', 'retrying')
                 AND (
                     target.circuit_state = 'open'
                     OR target.paused_at IS NOT NULL
                     OR (SELECT paused_at FROM queue WHERE name = 'sync_relay') IS NOT NULL
                 ) THEN 'held'
             ELSE relay_sync.state
         END"
    };
}

pub(super) use {sync_joins, sync_state};

/// A relay with all that tells why it is not in step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelaySync {
    /// The relay: its state, the error, the next try and the generations wanted and accepted.
    pub relay: Relay,
    /// The host name zooid is to serve it at.
    pub host: String,
    /// The generation that was given up; `None` when none was.
    pub failed_generation: Option<i64>,
    /// What its job has used up; `None` when it has none, not even an ended one.
    pub budget: Option<Budget>,
    /// The newest attempt, which may still run; `None` before the first.
    pub last_attempt: Option<LastAttempt>,
}

/// The attempts of the job that runs or waits, or else of the one that made the last attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Attempts so far.
    pub attempts: u32,
    /// Attempts before it is given up.
    pub max_attempts: u32,
}

/// An attempt, as far as a list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastAttempt {
    /// 1, 2, 3 … for each relay.
    pub number: i64,
    /// The generation it carried.
    pub generation: i64,
    /// Why it failed; `None` when it did not, or has not ended.
    pub kind: Option<FailureKind>,
    /// What happened, for operators; "" when there is nothing to say.
    pub message: String,
    /// The verb of the last call; `None` when none was made.
    pub verb: Option<Verb>,
    /// The status of the last answer; `None` when none came.
    pub http_status: Option<u16>,
    /// Unix milliseconds.
    pub started_at: i64,
    /// Unix milliseconds; `None` while it runs.
    pub finished_at: Option<i64>,
}

impl Repository for RelaySync {
    const ENTITY: &'static str = "sync";
    const TABLE: &'static str = "relay_sync";
}

/// A [`RelaySync`], up to the `WHERE`.
const SELECT: &str = concat!(
    "SELECT ",
    relay::columns!(),
    ",
         relay_sync.failed_generation,
         job.attempts AS job_attempts,
         job.max_attempts AS job_max_attempts,
         attempt.number AS attempt_number,
         attempt.generation AS attempt_generation,
         attempt.kind AS attempt_kind,
         attempt.message AS attempt_message,
         attempt.verb AS attempt_verb,
         attempt.http_status AS attempt_http_status,
         attempt.started_at AS attempt_started_at,
         attempt.finished_at AS attempt_finished_at
     FROM relay ",
    sync_joins!(),
    "LEFT JOIN sync_attempt AS attempt
         ON attempt.relay_id = relay.id
         AND attempt.number = relay_sync.attempt_count
     LEFT JOIN Jobs AS job ON job.id = coalesce(running.id, waiting.id, attempt.job_id) "
);

impl FindById for RelaySync {
    /// That of the relay.
    type Id = RelayId;

    async fn find_by_id<'e>(
        executor: impl SqliteExecutor<'e>,
        id: &RelayId,
    ) -> Result<Option<Self>, sqlx::Error> {
        let mut query = QueryBuilder::new(SELECT);
        query
            .push("WHERE relay.id = ")
            .push_bind(id.as_str().to_owned());
        query.build_query_as().fetch_optional(executor).await
    }
}

impl List for RelaySync {
    /// Those in this state; all that are not simply in step when `None`.
    type Filter = Option<SyncState>;
    /// The id of the last relay seen.
    type Cursor = RelayId;

    /// In the order in which the relays were created.
    async fn list<'e>(
        executor: impl SqliteExecutor<'e>,
        state: &Option<SyncState>,
        page: &Pagination<RelayId>,
    ) -> Result<Vec<Self>, sqlx::Error> {
        let mut query = QueryBuilder::new(SELECT);
        query.push("WHERE relay.id > ");
        query.push_bind(page.after.as_ref().map_or("", RelayId::as_str).to_owned());
        match state {
            Some(state) => query.push(" AND sync_state = ").push_bind(state.as_str()),
            None => query.push(" AND sync_state <> 'synced'"),
        };
        query.push(" ORDER BY relay.id LIMIT ");
        query.push_bind(page.sql_limit());
        query.build_query_as().fetch_all(executor).await
    }
}

impl FromRow<'_, SqliteRow> for RelaySync {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        let relay = Relay::from_row(row)?;
        let attempts: Option<u32> = row.try_get("job_attempts")?;
        let max_attempts: Option<u32> = row.try_get("job_max_attempts")?;
        let number: Option<i64> = row.try_get("attempt_number")?;
        Ok(Self {
            host: DesiredRelay::from(&relay).host(),
            relay,
            failed_generation: row.try_get("failed_generation")?,
            budget: attempts
                .zip(max_attempts)
                .map(|(attempts, max_attempts)| Budget {
                    attempts,
                    max_attempts,
                }),
            last_attempt: number
                .map(|number| LastAttempt::from_row(row, number))
                .transpose()?,
        })
    }
}

impl LastAttempt {
    fn from_row(row: &SqliteRow, number: i64) -> Result<Self, sqlx::Error> {
        Ok(Self {
            number,
            generation: row.try_get("attempt_generation")?,
            kind: parsed_option(row, "attempt_kind")?,
            message: row.try_get("attempt_message")?,
            verb: parsed_option(row, "attempt_verb")?,
            http_status: row.try_get("attempt_http_status")?,
            started_at: row.try_get("attempt_started_at")?,
            finished_at: row.try_get("attempt_finished_at")?,
        })
    }
}
