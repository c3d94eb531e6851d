//! Which relays an action applies to.

use chrono::{DateTime, Utc};
use sqlx::{FromRow, QueryBuilder, Sqlite, SqliteExecutor};

use crate::{
    db::WriteTx,
    domain::{BulkFilter, RelayAction, RelayId, ZooidDomain},
    repositories::relay_sync_filter,
};

/// A job of the relay runs.
macro_rules! runs {
    () => {
        "EXISTS (
             SELECT 1
             FROM Jobs
             WHERE Jobs.job_type = 'sync_relay'
               AND Jobs.idempotency_key = relay_sync.relay_id || ':running'
         )"
    };
}

/// A job of the relay waits.
macro_rules! waits {
    () => {
        "EXISTS (
             SELECT 1
             FROM Jobs
             WHERE Jobs.job_type = 'sync_relay'
               AND Jobs.idempotency_key = relay_sync.relay_id
         )"
    };
}

/// What decides whether a relay can be sent again, beside what [`matching`] asks.
#[derive(Debug, Clone, FromRow)]
pub(crate) struct Standing {
    /// The number of its newest attempt, 0 before the first.
    pub(crate) attempt_count: i64,
    /// Whether zooid has the newest generation.
    pub(crate) in_step: bool,
    /// Whether it is kept from the workers.
    pub(crate) quarantined: bool,
    /// The end of the pause that zooid asked for, in unix seconds; it may have passed.
    pub(crate) not_before: Option<i64>,
}

/// Where a relay stands; `None` when there is no such relay.
pub(crate) async fn standing(
    tx: &mut WriteTx,
    relay: &RelayId,
) -> Result<Option<Standing>, sqlx::Error> {
    sqlx::query_as(
        "SELECT
             attempt_count,
             synced_generation = desired_generation AS in_step,
             quarantined_at IS NOT NULL AS quarantined,
             not_before
         FROM relay_sync
         WHERE relay_id = $1",
    )
    .bind(relay.as_str())
    .fetch_optional(&mut *tx)
    .await
}

/// The relays that pass `filter` and that `action` would change. Tombstones that rest are not among them: there
/// is nothing to act on.
pub(crate) async fn matching(
    executor: impl SqliteExecutor<'_>,
    now: DateTime<Utc>,
    action: RelayAction,
    filter: &BulkFilter,
) -> Result<Vec<RelayId>, sqlx::Error> {
    let mut query = QueryBuilder::new(
        "SELECT json_group_array(relay_sync.relay_id)
         FROM relay_sync
         INNER JOIN relay ON relay.id = relay_sync.relay_id
         LEFT JOIN target ON target.name = relay_sync.target
         WHERE (relay.gone_at IS NULL OR relay_sync.state <> 'synced')
           AND ",
    );
    push_changed_by(&mut query, now, action);
    relay_sync_filter::push(&mut query, filter);
    let found: String = query.build_query_scalar().fetch_one(executor).await?;
    ids(&found)
}

/// The relays that `action` would change. One that runs, or waits for nothing but a worker, is on its way: sending it
/// again would only be a second click.
fn push_changed_by(query: &mut QueryBuilder<Sqlite>, now: DateTime<Utc>, action: RelayAction) {
    match action {
        RelayAction::Retry => {
            query.push(concat!(
                "relay_sync.synced_generation < relay_sync.desired_generation
                 AND relay_sync.quarantined_at IS NULL
                 AND NOT ",
                runs!(),
                " AND (relay_sync.failed_generation = relay_sync.desired_generation OR NOT "
            ));
            push_due(query, now);
            query.push(")");
        }
        RelayAction::Sync => {
            query.push(concat!(
                "relay_sync.quarantined_at IS NULL AND NOT ",
                runs!(),
                " AND NOT "
            ));
            push_due(query, now);
        }
        RelayAction::Cancel => {
            query.push(concat!(
                "relay_sync.synced_generation < relay_sync.desired_generation
                 AND (relay_sync.failed_generation IS NOT relay_sync.desired_generation OR ",
                waits!(),
                ")"
            ));
        }
        RelayAction::Pause => {
            query.push("relay_sync.paused_at IS NULL");
        }
        RelayAction::Resume => {
            query.push("relay_sync.paused_at IS NOT NULL");
        }
        RelayAction::Release => {
            query.push("relay_sync.quarantined_at IS NOT NULL");
        }
    }
}

/// A job of the relay waits and is due, or will be as soon as the pause is over that zooid asked for.
fn push_due(query: &mut QueryBuilder<Sqlite>, now: DateTime<Utc>) {
    query.push(
        "EXISTS (
             SELECT 1
             FROM Jobs
             WHERE Jobs.job_type = 'sync_relay'
               AND Jobs.idempotency_key = relay_sync.relay_id
               AND Jobs.run_at <= max(coalesce(relay_sync.not_before, 0), coalesce(target.not_before, 0), ",
    );
    query.push_bind(now.timestamp());
    query.push("))");
}

/// A relay is out of step although no job covers it and nobody holds it back or gave it up: one in these states neither
/// runs, nor is in step, given up, paused or quarantined.
macro_rules! is_uncovered {
    () => {
        concat!(
            "relay_sync.state IN ('pending', 'retrying', 'held') AND NOT ",
            waits!()
        )
    };
}

/// The relays that are uncovered, of `target` alone where one is named.
pub(crate) async fn uncovered(
    tx: &mut WriteTx,
    target: Option<&ZooidDomain>,
) -> Result<Vec<RelayId>, sqlx::Error> {
    let found: String = sqlx::query_scalar(concat!(
        "SELECT json_group_array(relay_sync.relay_id)
         FROM relay_sync
         WHERE ($1 IS NULL OR relay_sync.target = $1) AND ",
        is_uncovered!()
    ))
    .bind(target.map(ZooidDomain::as_str))
    .fetch_one(&mut *tx)
    .await?;
    ids(&found)
}

/// Those of the JSON array `relays` that are uncovered.
pub(super) async fn uncovered_of(
    tx: &mut WriteTx,
    relays: &str,
) -> Result<Vec<RelayId>, sqlx::Error> {
    let found: String = sqlx::query_scalar(concat!(
        "SELECT json_group_array(relay_sync.relay_id)
         FROM json_each($1) AS wanted
         CROSS JOIN relay_sync ON relay_sync.relay_id = wanted.value
         WHERE ",
        is_uncovered!()
    ))
    .bind(relays)
    .fetch_one(&mut *tx)
    .await?;
    ids(&found)
}

/// All relays that are not quarantined, of `target` alone where one is named.
pub(crate) async fn all(
    tx: &mut WriteTx,
    target: Option<&ZooidDomain>,
) -> Result<Vec<RelayId>, sqlx::Error> {
    let found: String = sqlx::query_scalar(
        "SELECT json_group_array(relay_id)
         FROM relay_sync
         WHERE quarantined_at IS NULL
           AND ($1 IS NULL OR target = $1)",
    )
    .bind(target.map(ZooidDomain::as_str))
    .fetch_one(&mut *tx)
    .await?;
    ids(&found)
}

/// The relays of a JSON array, which costs one row however many there are, in the order in which they were created: that is
/// how they lie in the tables.
fn ids(array: &str) -> Result<Vec<RelayId>, sqlx::Error> {
    let mut relays: Vec<RelayId> =
        serde_json::from_str(array).map_err(|error| sqlx::Error::Decode(error.into()))?;
    relays.sort_unstable();
    Ok(relays)
}
