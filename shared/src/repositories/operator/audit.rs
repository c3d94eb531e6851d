//! The record of what operators did, newest first.

use serde::Serialize;
use serde_json::Value;
use sqlx::{FromRow, QueryBuilder, Row as _, sqlite::SqliteRow};
use utoipa::ToSchema;

use super::{Snapshot, keyset::Page};
use crate::repositories::row::undecodable;

/// One line of the record, as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct AuditEntry {
    /// Its place in the record.
    pub seq: i64,
    /// A lower-case ULID.
    pub id: String,
    /// Unix milliseconds.
    pub acted_at: i64,
    /// The admin's key, or `shell`.
    pub actor: String,
    /// What was done.
    pub action: String,
    /// What kind of thing it was done to.
    pub resource_type: String,
    /// Which one; "" for the queue and for all that match a filter.
    pub resource_id: String,
    /// How many relays it touched.
    pub affected: u64,
    /// What else there is to know: a JSON object.
    #[schema(value_type = Object)]
    pub detail: Value,
}

/// Which lines to list: those that pass every filter given.
#[derive(Debug, Clone, Default, PartialEq, Eq, ToSchema)]
pub struct AuditFilter {
    /// By this admin, as hex or npub, or `shell`.
    pub actor: Option<String>,
    /// Of this kind of action.
    pub action: Option<String>,
    /// Done to this kind of thing.
    pub resource_type: Option<String>,
    /// Done to this one.
    pub resource_id: Option<String>,
}

/// The lines that pass `filter`, newest first, those before `after`.
///
/// # Errors
/// When the database refuses.
pub async fn list(
    snapshot: &mut Snapshot,
    filter: &AuditFilter,
    after: Option<i64>,
    limit: u32,
) -> Result<Page<AuditEntry>, sqlx::Error> {
    let mut query = QueryBuilder::new(
        "SELECT seq, id, acted_at, actor, action, resource_type, resource_id, affected, detail
         FROM operator_action
         WHERE seq < ",
    );
    query.push_bind(after.unwrap_or(i64::MAX));
    for (condition, value) in [
        (" AND resource_type = ", &filter.resource_type),
        (" AND resource_id = ", &filter.resource_id),
        (" AND actor = ", &filter.actor),
        (" AND action = ", &filter.action),
    ] {
        if let Some(value) = value {
            query.push(condition).push_bind(value.clone());
        }
    }
    query.push(" ORDER BY seq DESC LIMIT ").push_bind(limit + 1);
    let entries = snapshot.all(query).await?;
    Ok(Page::cut(entries, limit, |entry: &AuditEntry| {
        entry.seq.to_string()
    }))
}

impl FromRow<'_, SqliteRow> for AuditEntry {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        let affected: i64 = row.try_get("affected")?;
        let detail: &str = row.try_get("detail")?;
        Ok(Self {
            seq: row.try_get("seq")?,
            id: row.try_get("id")?,
            acted_at: row.try_get("acted_at")?,
            actor: row.try_get("actor")?,
            action: row.try_get("action")?,
            resource_type: row.try_get("resource_type")?,
            resource_id: row.try_get("resource_id")?,
            affected: affected.unsigned_abs(),
            detail: serde_json::from_str(detail).map_err(|error| undecodable("detail", error))?,
        })
    }
}
