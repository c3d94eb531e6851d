//! The `activity` table: the audit log. Rows are added and never changed.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{AssertSqlSafe, FromRow, QueryBuilder, Row as _, SqliteExecutor, sqlite::SqliteRow};
use ulid::Ulid;

use super::{
    Direction, List, Pagination, Repository,
    columns::{Column, bind_all, column, insert_statement},
    row::parsed,
};
use crate::{
    db::WriteTx,
    domain::{Activity, ActivityType, Pubkey, Relay, RelayId, ResourceType},
};

/// The columns of an [`Activity`], for a `SELECT` or `RETURNING`.
macro_rules! columns {
    () => {
        "seq, id, tenant_pubkey, created_at, activity_type, resource_type, resource_id"
    };
}

impl Repository for Activity {
    const ENTITY: &'static str = "activity";
    const TABLE: &'static str = "activity";
}

/// One relay's line in the log: an element of the JSON array that [`log_for_relays`] binds.
#[derive(Debug, Serialize)]
struct Line<'a> {
    id: String,
    relay: &'a RelayId,
}

/// Logs that `activity_type` happened to each of `relays`, and announces it to followers after the commit. The tenants
/// it concerns are the owners; relays that do not exist are passed over.
///
/// # Errors
/// When the database refuses.
pub async fn log_for_relays(
    tx: &mut WriteTx,
    now: DateTime<Utc>,
    activity_type: ActivityType,
    relays: &[&RelayId],
) -> Result<(), sqlx::Error> {
    let lines: Vec<Line<'_>> = relays
        .iter()
        .map(|relay| Line {
            id: new_id(now),
            relay,
        })
        .collect();
    let lines = serde_json::to_string(&lines).map_err(|error| sqlx::Error::Encode(error.into()))?;
    let logged: Vec<Activity> = sqlx::query_as(concat!(
        "INSERT INTO activity (id, tenant_pubkey, created_at, activity_type, resource_type, resource_id)
         SELECT line.value ->> 'id', relay.tenant_pubkey, $2, $3, 'relay', relay.id
         FROM json_each($1) AS line
         CROSS JOIN relay ON relay.id = line.value ->> 'relay'
         RETURNING ",
        columns!()
    ))
    .bind(lines)
    .bind(now.timestamp())
    .bind(activity_type.as_str())
    .fetch_all(&mut *tx)
    .await?;
    for activity in logged {
        tx.publish(activity);
    }
    Ok(())
}

/// Logs that `activity_type` happened to the tenant, and announces it to followers after the commit.
///
/// # Errors
/// When the database refuses, as it does for a tenant who does not exist.
pub async fn log_for_tenant(
    tx: &mut WriteTx,
    now: DateTime<Utc>,
    activity_type: ActivityType,
    tenant: &Pubkey,
) -> Result<(), sqlx::Error> {
    let logged: Activity = sqlx::query_as(concat!(
        "INSERT INTO activity (id, tenant_pubkey, created_at, activity_type, resource_type, resource_id)
         VALUES ($1, $4, $2, $3, 'tenant', $4)
         RETURNING ",
        columns!()
    ))
    .bind(new_id(now))
    .bind(now.timestamp())
    .bind(activity_type.as_str())
    .bind(tenant.as_hex())
    .fetch_one(&mut *tx)
    .await?;
    tx.publish(logged);
    Ok(())
}

/// Adds a relay's first line to the log in the same text as the relay's own row, `columns`, with the moment since which
/// zooid has not known it, and announces it after the
/// commit. Creates come in bursts, and each text is a way to the connection's thread and back.
///
/// # Errors
/// When the database refuses either row.
pub(super) async fn insert_relay_and_log(
    tx: &mut WriteTx,
    now: DateTime<Utc>,
    relay: &Relay,
    columns: &[Column<'_>],
) -> Result<(), sqlx::Error> {
    let mut activity = Activity {
        seq: 0,
        id: new_id(now),
        tenant_pubkey: relay.tenant_pubkey.clone(),
        created_at: now.timestamp(),
        activity_type: ActivityType::CreateRelay,
        resource_type: ResourceType::Relay,
        resource_id: relay.id.to_string(),
    };
    let line = [
        column("id", activity.id.as_str()),
        column("tenant_pubkey", activity.tenant_pubkey.as_hex()),
        column("created_at", activity.created_at),
        column("activity_type", activity.activity_type.as_str()),
        column("resource_type", activity.resource_type.as_str()),
        column("resource_id", activity.resource_id.as_str()),
    ];
    let dirty_since = [
        column("dirty_since", now.timestamp_millis()),
        column("relay_id", relay.id.as_str()),
    ];
    let (first_line, first_dirty) = (columns.len() + 1, columns.len() + line.len() + 1);
    let statement = format!(
        "{}; UPDATE relay_sync SET dirty_since = ${first_dirty} WHERE relay_id = ${}; {} RETURNING seq",
        insert_statement(Relay::TABLE, columns, 1),
        first_dirty + 1,
        insert_statement(Activity::TABLE, &line, first_line),
    );
    let query = bind_all(sqlx::query(AssertSqlSafe(statement)), columns);
    let query = bind_all(query, &line);
    let row = bind_all(query, &dirty_since).fetch_one(&mut *tx).await?;
    activity.seq = row.try_get("seq")?;
    tx.publish(activity);
    Ok(())
}

fn new_id(now: DateTime<Utc>) -> String {
    Ulid::from_parts(now.timestamp_millis().unsigned_abs(), rand::random())
        .to_string()
        .to_ascii_lowercase()
}

/// What happened at `since` (unix seconds) or later, the oldest first, at most `limit`. A second is listed whole, so a
/// caller that comes back with the time of the last one it saw misses nothing and must expect that second again.
///
/// # Errors
/// When the database refuses.
pub async fn list_since<'e>(
    executor: impl SqliteExecutor<'e>,
    since: i64,
    limit: u32,
) -> Result<Vec<Activity>, sqlx::Error> {
    sqlx::query_as(concat!(
        "SELECT ",
        columns!(),
        " FROM activity
          WHERE created_at >= $1
          ORDER BY created_at, seq
          LIMIT $2"
    ))
    .bind(since)
    .bind(limit)
    .fetch_all(executor)
    .await
}

/// What comes after position `seq` of the log, in its order, at most `limit`.
///
/// # Errors
/// When the database refuses.
pub async fn list_after<'e>(
    executor: impl SqliteExecutor<'e>,
    seq: i64,
    limit: u32,
) -> Result<Vec<Activity>, sqlx::Error> {
    sqlx::query_as(concat!(
        "SELECT ",
        columns!(),
        " FROM activity
          WHERE seq > $1
          ORDER BY seq
          LIMIT $2"
    ))
    .bind(seq)
    .bind(limit)
    .fetch_all(executor)
    .await
}

/// When the newest activity happened, in unix seconds; `None` while there is none.
///
/// # Errors
/// When the database refuses.
pub async fn max_created_at<'e>(
    executor: impl SqliteExecutor<'e>,
) -> Result<Option<i64>, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT max(created_at)
         FROM activity",
    )
    .fetch_one(executor)
    .await
}

/// Which activities to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActivityFilter {
    /// The relay they happened to.
    pub relay: RelayId,
    /// What happened; whatever did when there is none.
    pub types: Vec<ActivityType>,
}

impl ActivityFilter {
    /// Everything that happened to `relay`.
    #[must_use]
    pub fn of(relay: RelayId) -> Self {
        Self {
            relay,
            types: Vec::new(),
        }
    }
}

impl List for Activity {
    type Filter = ActivityFilter;
    /// The `seq` of the last one seen.
    type Cursor = i64;

    /// Newest first.
    async fn list<'e>(
        executor: impl SqliteExecutor<'e>,
        filter: &ActivityFilter,
        page: &Pagination<i64>,
    ) -> Result<Vec<Self>, sqlx::Error> {
        let (compared, from_end, order) = match page.direction {
            Direction::Forward => (" AND seq < ", i64::MAX, " ORDER BY seq DESC LIMIT "),
            Direction::Backward => (" AND seq > ", 0, " ORDER BY seq LIMIT "),
        };
        let mut query = QueryBuilder::new(concat!(
            "SELECT ",
            columns!(),
            " FROM activity
              WHERE resource_type = 'relay'
                AND resource_id = "
        ));
        query.push_bind(filter.relay.as_str().to_owned());
        query
            .push(compared)
            .push_bind(page.after.unwrap_or(from_end));
        if !filter.types.is_empty() {
            query.push(" AND activity_type IN (");
            let mut types = query.separated(", ");
            for activity_type in &filter.types {
                types.push_bind(activity_type.as_str());
            }
            query.push(")");
        }
        query.push(order).push_bind(page.sql_limit());
        query.build_query_as().fetch_all(executor).await
    }
}

impl FromRow<'_, SqliteRow> for Activity {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            seq: row.try_get("seq")?,
            id: row.try_get("id")?,
            tenant_pubkey: parsed(row, "tenant_pubkey")?,
            created_at: row.try_get("created_at")?,
            activity_type: parsed(row, "activity_type")?,
            resource_type: parsed(row, "resource_type")?,
            resource_id: row.try_get("resource_id")?,
        })
    }
}
