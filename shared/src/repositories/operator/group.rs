//! Failure groups: what failed, by cause.

use std::{fmt, str::FromStr};

use serde::Serialize;
use sqlx::{FromRow, QueryBuilder, Row as _, sqlite::SqliteRow};
use utoipa::ToSchema;

use super::{
    LOOK, Snapshot, json_array,
    keyset::{NO_CURSOR, Page},
};
use crate::{
    domain::{FailureKind, Malformed, ZooidDomain},
    repositories::row::parsed,
};

/// Failures of one cause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FailureGroup {
    /// Its number.
    pub id: i64,
    /// The target that it happened at.
    pub target: ZooidDomain,
    /// Why.
    pub kind: FailureKind,
    /// The status of the answers; `None` when none came.
    pub http_status: Option<u16>,
    /// The message with its names and numbers as placeholders. Redacted.
    pub pattern: String,
    /// The newest message. Redacted.
    pub message: String,
    /// The cause in general.
    pub sentence: &'static str,
    /// What operators can do about it.
    pub next_step: &'static str,
    /// Attempts that ever failed like this.
    pub attempts: u64,
    /// Relays that are in it now.
    pub relays: u64,
    /// Unix milliseconds.
    pub first_seen_at: i64,
    /// Unix milliseconds.
    pub last_seen_at: i64,
}

/// Which groups to list: those that pass every filter given.
#[derive(Debug, Clone, Default, PartialEq, Eq, ToSchema)]
pub struct GroupFilter {
    /// At one of these targets.
    #[schema(rename = "target")]
    pub targets: Vec<ZooidDomain>,
    /// Of one of these kinds.
    #[schema(rename = "kind")]
    pub kinds: Vec<FailureKind>,
}

/// The place of a group in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupCursor {
    relays: u64,
    id: i64,
}

impl fmt::Display for GroupCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.relays, self.id)
    }
}

impl FromStr for GroupCursor {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        text.split_once('-')
            .and_then(|(relays, id)| {
                Some(Self {
                    relays: relays.parse().ok()?,
                    id: id.parse().ok()?,
                })
            })
            .ok_or(NO_CURSOR)
    }
}

/// The groups that relays are in now, most relays first.
///
/// # Errors
/// When the database refuses.
pub async fn list(
    snapshot: &mut Snapshot,
    filter: &GroupFilter,
    after: Option<GroupCursor>,
    limit: u32,
) -> Result<Page<FailureGroup>, sqlx::Error> {
    let mut query = QueryBuilder::new(
        "SELECT *
         FROM failure_group INDEXED BY failure_group_current
         WHERE relays > 0",
    );
    if let Some(GroupCursor { relays, id }) = after {
        query
            .push(" AND (relays, id) < (")
            .push_bind(relays.cast_signed());
        query.push(", ").push_bind(id).push(")");
    }
    if !filter.targets.is_empty() {
        let targets = json_array(&filter.targets)?;
        query
            .push(" AND target IN (SELECT value FROM json_each(")
            .push_bind(targets)
            .push("))");
    }
    if !filter.kinds.is_empty() {
        let kinds = json_array(&filter.kinds)?;
        query
            .push(" AND kind IN (SELECT value FROM json_each(")
            .push_bind(kinds)
            .push("))");
    }
    query
        .push(" ORDER BY relays DESC, id DESC LIMIT ")
        .push_bind(limit + 1);
    let groups: Vec<FailureGroup> = snapshot.all(query).await?;
    Ok(Page::cut(groups, limit, |group| {
        GroupCursor {
            relays: group.relays,
            id: group.id,
        }
        .to_string()
    }))
}

/// How many relays are in groups of these kinds.
///
/// # Errors
/// When the database refuses.
pub(super) async fn relays_of_kinds(
    snapshot: &mut Snapshot,
    kinds: &[FailureKind],
) -> Result<u64, sqlx::Error> {
    let mut query = QueryBuilder::new(
        "SELECT coalesce(sum(relays), 0)
         FROM failure_group INDEXED BY failure_group_current
         WHERE relays > 0
           AND kind IN (SELECT value FROM json_each(",
    );
    query.push_bind(json_array(kinds)?).push("))");
    let relays: Option<(i64,)> = snapshot.first(query).await?;
    Ok(relays.map_or(0, |(relays,)| relays.unsigned_abs()))
}

/// Which groups a text is searched in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Among {
    /// Those that relays are in now.
    Current,
    /// The newest of those looked at.
    All,
}

/// At most `limit` groups whose message or pattern has `text` in it, in either case of its letters.
///
/// # Errors
/// When the database refuses.
pub async fn containing(
    snapshot: &mut Snapshot,
    text: &str,
    among: Among,
    limit: u32,
) -> Result<Vec<i64>, sqlx::Error> {
    let mut query = QueryBuilder::new(
        "SELECT id
         FROM (
             SELECT id, message, pattern
             FROM failure_group ",
    );
    query.push(match among {
        Among::Current => {
            "INDEXED BY failure_group_current WHERE relays > 0 ORDER BY relays DESC, id DESC"
        }
        Among::All => "WHERE id > 0 ORDER BY id DESC",
    });
    query
        .push(" LIMIT ")
        .push_bind(LOOK)
        .push(") AS looked_at WHERE instr(lower(message), ");
    let text = text.to_ascii_lowercase();
    query
        .push_bind(text.clone())
        .push(") OR instr(lower(pattern), ");
    query.push_bind(text).push(") LIMIT ").push_bind(limit);
    let found: Vec<(i64,)> = snapshot.all(query).await?;
    Ok(found.into_iter().map(|(id,)| id).collect())
}

impl FromRow<'_, SqliteRow> for FailureGroup {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        let kind: FailureKind = parsed(row, "kind")?;
        let count = |column| -> Result<u64, sqlx::Error> {
            let number: i64 = row.try_get(column)?;
            Ok(number.unsigned_abs())
        };
        Ok(Self {
            id: row.try_get("id")?,
            target: parsed(row, "target")?,
            kind,
            http_status: row.try_get("http_status")?,
            pattern: row.try_get("pattern")?,
            message: row.try_get("message")?,
            sentence: kind.operator_sentence(),
            next_step: kind.next_step(),
            attempts: count("attempts")?,
            relays: count("relays")?,
            first_seen_at: row.try_get("first_seen_at")?,
            last_seen_at: row.try_get("last_seen_at")?,
        })
    }
}
