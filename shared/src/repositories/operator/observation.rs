//! What was seen of one relay at its own host, where somebody looks (`ZOOID_VERIFY`).

use serde::Serialize;
use sqlx::{FromRow, QueryBuilder, Row as _, sqlite::SqliteRow};
use utoipa::ToSchema;

use super::Snapshot;
use crate::{
    domain::{DriftField, RelayDocument, RelayId},
    repositories::row::undecodable,
};

/// What was seen of a relay. Times are unix milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Observed {
    /// The newest generation that was seen in effect; 0 for none.
    pub live_generation: i64,
    /// Since when; `None` for none.
    pub live_at: Option<i64>,
    /// The generation that zooid had accepted at the last look that was answered; 0 before the first.
    pub observed_generation: i64,
    /// When that was.
    pub observed_at: Option<i64>,
    /// What was shown, redacted; `None` when there was no relay at its host.
    pub document: Option<RelayDocument>,
    /// Since when the relay differs from what zooid accepted; `None` when it does not.
    pub drift_since: Option<i64>,
    /// In what it differs.
    pub drift: Vec<DriftField>,
    /// When it was last sent again for that; `None` for never.
    pub healed_at: Option<i64>,
    /// How often that was done.
    pub heals: u64,
}

/// What was seen of `relay`; `None` when nobody has begun to look.
///
/// # Errors
/// When the database refuses, or a row breaks a rule of the domain.
pub async fn of_relay(
    snapshot: &mut Snapshot,
    relay: &RelayId,
) -> Result<Option<Observed>, sqlx::Error> {
    let mut query = QueryBuilder::new(
        "SELECT
             live_generation,
             live_at,
             observed_generation,
             observed_at,
             observed,
             drift_since,
             coalesce(drift, '[]') AS drift,
             healed_at,
             heals
         FROM relay_observation
         WHERE relay_id = ",
    );
    query.push_bind(relay.as_str().to_owned());
    snapshot.first(query).await
}

impl FromRow<'_, SqliteRow> for Observed {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        let document: Option<&str> = row.try_get("observed")?;
        let drift: &str = row.try_get("drift")?;
        let heals: i64 = row.try_get("heals")?;
        Ok(Self {
            live_generation: row.try_get("live_generation")?,
            live_at: row.try_get("live_at")?,
            observed_generation: row.try_get("observed_generation")?,
            observed_at: row.try_get("observed_at")?,
            document: document
                .map(serde_json::from_str)
                .transpose()
                .map_err(|error| undecodable("observed", error))?,
            drift_since: row.try_get("drift_since")?,
            drift: serde_json::from_str(drift).map_err(|error| undecodable("drift", error))?,
            healed_at: row.try_get("healed_at")?,
            heals: heals.unsigned_abs(),
        })
    }
}
