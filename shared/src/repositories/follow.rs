//! What followers of the fleet have not seen yet.
//!
//! Each read costs what is new, not what there is: logs from a position on, and the few rows that are small by nature.

use sqlx::{Row as _, SqliteExecutor, sqlite::SqliteRow};

use super::row::parsed;
use crate::domain::OperatorResource;

/// How far the logs go, and the look of what is small, as one text each: to be compared, not read.
#[derive(Debug, Clone, Default, PartialEq, Eq, sqlx::FromRow)]
pub struct Marks {
    /// The newest activity's position.
    pub activity: i64,
    /// The newest attempt's id.
    pub attempt: i64,
    /// The newest operator's action's position.
    pub action: i64,
    /// The counts of relays, the queue, and which workers are there.
    pub counts: String,
}

/// The marks as they are now.
///
/// # Errors
/// When the database refuses.
pub async fn marks<'e>(executor: impl SqliteExecutor<'e>) -> Result<Marks, sqlx::Error> {
    sqlx::query_as(
        "SELECT
             (SELECT coalesce(max(seq), 0) FROM activity) AS activity,
             (SELECT coalesce(max(id), 0) FROM sync_attempt) AS attempt,
             (SELECT coalesce(max(seq), 0) FROM operator_action) AS action,
             json_array(
                 (SELECT json_group_array(json_array(target, state, relays)) FROM standing_count),
                 (SELECT json_group_array(paused_at) FROM queue),
                 (SELECT json_group_array(worker_id)
                  FROM worker_heartbeat INDEXED BY worker_heartbeat_alive
                  WHERE stopped_at IS NULL AND dead_at IS NULL)
             ) AS counts",
    )
    .fetch_one(executor)
    .await
}

/// The targets, by name, with all of their state as one text.
///
/// # Errors
/// When the database refuses.
pub async fn targets<'e>(
    executor: impl SqliteExecutor<'e>,
) -> Result<Vec<(String, String)>, sqlx::Error> {
    sqlx::query_as(
        "SELECT
             name,
             json_array(url, circuit_state, circuit_since, circuit_reason, failures, next_probe_at, paused_at, not_before,
                        probe_requested_at, probe_error)
         FROM target
         ORDER BY name",
    )
    .fetch_all(executor)
    .await
}

/// The relays that attempts after `attempt` are of, at most `limit`.
///
/// # Errors
/// When the database refuses.
pub async fn relays_attempted_after<'e>(
    executor: impl SqliteExecutor<'e>,
    attempt: i64,
    limit: u32,
) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT relay_id
         FROM sync_attempt
         WHERE id > $1
         ORDER BY id
         LIMIT $2",
    )
    .bind(attempt)
    .bind(limit)
    .fetch_all(executor)
    .await
}

/// What operators' actions after `action` were about, as type and id, at most `limit`.
///
/// # Errors
/// When the database refuses.
pub async fn resources_acted_on_after<'e>(
    executor: impl SqliteExecutor<'e>,
    action: i64,
    limit: u32,
) -> Result<Vec<(OperatorResource, String)>, sqlx::Error> {
    sqlx::query(
        "SELECT resource_type, resource_id
         FROM operator_action
         WHERE seq > $1
         ORDER BY seq
         LIMIT $2",
    )
    .bind(action)
    .bind(limit)
    .try_map(|row: SqliteRow| Ok((parsed(&row, "resource_type")?, row.try_get("resource_id")?)))
    .fetch_all(executor)
    .await
}
