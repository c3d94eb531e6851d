//! What `relay_sync` knows of one relay beyond what lists show.

use sqlx::{FromRow, QueryBuilder, Row as _, sqlite::SqliteRow};

use super::{Snapshot, host};
use crate::domain::RelayId;

/// The marks of one relay. Times are unix milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marks {
    /// When zooid last accepted it.
    pub synced_at: Option<i64>,
    /// Since when it is kept from the workers.
    pub quarantined_at: Option<i64>,
    /// Workers lost in a row while they held it.
    pub crashes: u32,
    /// Attempts in a row that failed by our own fault.
    pub faults: u32,
    /// Since when an operator holds it back.
    pub paused_at: Option<i64>,
    /// Until when zooid asked us to wait with it.
    pub not_before: Option<i64>,
    /// The host of the relay that has the name this one wants.
    pub blocked_by: Option<String>,
    /// What zooid last accepted: canonical JSON, secrets as keyed hashes.
    pub accepted: Option<String>,
    /// Since when, if it was removed, its names are free.
    pub gone_at: Option<i64>,
}

/// Those of `relay`, if there is such a relay.
///
/// # Errors
/// When the database refuses.
pub async fn marks(snapshot: &mut Snapshot, relay: &RelayId) -> Result<Option<Marks>, sqlx::Error> {
    let mut query = QueryBuilder::new(concat!(
        "SELECT
             relay_sync.synced_at,
             relay_sync.quarantined_at,
             relay_sync.crashes,
             relay_sync.faults,
             relay_sync.paused_at,
             relay_sync.not_before,
             CASE WHEN relay.id IS NOT NULL THEN ",
        host!(),
        " END AS blocked_by,
             relay_sync.accepted,
             (SELECT tombstone.gone_at FROM relay AS tombstone WHERE tombstone.id = relay_sync.relay_id) AS gone_at
         FROM relay_sync
         LEFT JOIN relay ON relay.id = relay_sync.blocked_by
         WHERE relay_sync.relay_id = "
    ));
    query.push_bind(relay.as_str().to_owned());
    snapshot.first(query).await
}

impl FromRow<'_, SqliteRow> for Marks {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        let in_millis = |column| -> Result<Option<i64>, sqlx::Error> {
            let seconds: Option<i64> = row.try_get(column)?;
            Ok(seconds.map(|seconds| seconds * 1000))
        };
        Ok(Self {
            synced_at: row.try_get("synced_at")?,
            quarantined_at: in_millis("quarantined_at")?,
            crashes: row.try_get("crashes")?,
            faults: row.try_get("faults")?,
            paused_at: in_millis("paused_at")?,
            not_before: in_millis("not_before")?,
            blocked_by: row.try_get("blocked_by")?,
            accepted: row.try_get("accepted")?,
            gone_at: in_millis("gone_at")?,
        })
    }
}
