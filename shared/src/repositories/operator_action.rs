//! The `operator_action` table: who did what with an operator's hands. Rows are added and never changed.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::FromRow;
use ulid::Ulid;

use crate::{
    db::WriteTx,
    domain::{Actor, OperatorActionKind, OperatorResource},
};

/// An action to be put on record.
#[derive(Debug, Clone)]
pub struct NewAction<'a> {
    /// Who did it.
    pub actor: &'a Actor,
    /// What was done.
    pub action: OperatorActionKind,
    /// What it was done to.
    pub resource_type: OperatorResource,
    /// Which one; "" for the queue and for relays that pass a filter.
    pub resource_id: &'a str,
    /// How many relays it touched; 1 for a target or the queue.
    pub affected: u64,
    /// What else there is to know: a JSON object.
    pub detail: Value,
}

/// What became of an action, as the record has it.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct RecordedAction {
    /// A lower-case ULID.
    pub id: String,
    /// How many relays it touched.
    #[sqlx(try_from = "i64")]
    pub affected: u64,
}

/// Puts an action on record. Answers its id.
///
/// # Errors
/// When the database refuses, as it does for a second action with the same token.
pub async fn log(
    tx: &mut WriteTx,
    now: DateTime<Utc>,
    action: NewAction<'_>,
) -> Result<String, sqlx::Error> {
    let id = Ulid::from_parts(now.timestamp_millis().unsigned_abs(), rand::random())
        .to_string()
        .to_ascii_lowercase();
    sqlx::query(
        "INSERT INTO operator_action (id, acted_at, actor, action, resource_type, resource_id, affected, detail)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(&id)
    .bind(now.timestamp_millis())
    .bind(action.actor.to_string())
    .bind(action.action.as_str())
    .bind(action.resource_type.as_str())
    .bind(action.resource_id)
    .bind(i64::try_from(action.affected).unwrap_or(i64::MAX))
    .bind(action.detail.to_string())
    .execute(&mut *tx)
    .await?;
    Ok(id)
}

/// The action on many relays that was carried out with this token, if one was.
///
/// # Errors
/// When the database refuses.
pub async fn find_by_token(
    tx: &mut WriteTx,
    token: &str,
) -> Result<Option<RecordedAction>, sqlx::Error> {
    sqlx::query_as(
        "SELECT id, affected
         FROM operator_action INDEXED BY operator_action_by_token
         WHERE resource_type = 'relays'
           AND json_extract(detail, '$.token') = $1",
    )
    .bind(token)
    .fetch_optional(&mut *tx)
    .await
}
