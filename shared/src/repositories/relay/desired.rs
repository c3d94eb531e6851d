//! The relay as the queue needs it: its desired state with the sealed secret, without what only people read.

use std::collections::HashMap;

use sqlx::{FromRow, Row as _, sqlite::SqliteRow};

use super::read::{generation, settings, settings_columns};
use crate::{
    crypto::Sealed,
    db::WriteTx,
    domain::{DesiredRelay, InZooid, RelayId, ZooidDomain},
    repositories::row::{parsed, undecodable},
};

/// What is to be told to zooid, and how far zooid is.
#[derive(Debug, Clone)]
pub struct DesiredState {
    /// The newest desired state.
    pub desired: DesiredRelay,
    /// The generation zooid last accepted, 0 for never.
    pub synced_generation: i64,
    /// Workers lost in a row while they held it.
    pub crashes: u32,
    /// The relay's secret key, sealed with its id as associated data; of a removed one nothing, sealed likewise.
    pub secret: Sealed,
}

/// The newest desired state of each of `relays`. Those that do not exist, or whose row cannot be read, are missing from
/// the answer: one bad row must not keep its neighbours from being synced.
///
/// # Errors
/// When the database refuses.
pub async fn desired_states(
    tx: &mut WriteTx,
    relays: &[RelayId],
) -> Result<HashMap<RelayId, DesiredState>, sqlx::Error> {
    let ids = serde_json::to_string(relays).map_err(|error| sqlx::Error::Encode(error.into()))?;
    let rows = sqlx::query(concat!(
        "SELECT
             relay.id,
             relay.generation,
             relay.tenant_pubkey,
             relay.zooid_domain,
             relay.schema,
             relay.removed_at IS NOT NULL AS is_removed,
             relay.status,
             relay.custom_domain_verified,
             relay.secret,
             relay_sync.synced_generation,
             relay_sync.crashes,
             EXISTS (
                 SELECT 1
                 FROM relay_observation
                 WHERE relay_observation.relay_id = relay.id
                   AND instr(relay_observation.drift, '\"self\"') > 0
             ) AS has_other_key, ",
        settings_columns!(),
        " FROM json_each($1) AS wanted
          CROSS JOIN relay ON relay.id = wanted.value
          CROSS JOIN relay_sync ON relay_sync.relay_id = relay.id"
    ))
    .bind(ids)
    .fetch_all(&mut *tx)
    .await?;
    Ok(rows
        .iter()
        .filter_map(|row| {
            DesiredState::from_row(row)
                .inspect_err(|error| {
                    let id: Option<&str> = row.try_get("id").ok();
                    tracing::error!(relay.id = id, %error, "cannot read a relay");
                })
                .ok()
        })
        .map(|state| (state.desired.id.clone(), state))
        .collect())
}

/// Raises the generation of `relay`, so that its state is sent once more. Answers the target that serves it.
///
/// # Errors
/// When the database refuses; [`sqlx::Error::RowNotFound`] when there is no such relay.
pub async fn bump_generation(
    tx: &mut WriteTx,
    relay: &RelayId,
) -> Result<ZooidDomain, sqlx::Error> {
    let row = sqlx::query(
        "UPDATE relay
         SET generation = generation + 1
         WHERE id = $1
         RETURNING zooid_domain",
    )
    .bind(relay.as_str())
    .fetch_one(&mut *tx)
    .await?;
    parsed(&row, "zooid_domain")
}

impl FromRow<'_, SqliteRow> for DesiredState {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        let synced_generation: i64 = row.try_get("synced_generation")?;
        let secret: String = row.try_get("secret")?;
        Ok(Self {
            desired: DesiredRelay {
                id: parsed(row, "id")?,
                generation: generation(row)?,
                tenant_pubkey: parsed(row, "tenant_pubkey")?,
                zooid_domain: parsed(row, "zooid_domain")?,
                schema: parsed(row, "schema")?,
                is_removed: row.try_get("is_removed")?,
                status: parsed(row, "status")?,
                custom_domain_verified: row.try_get("custom_domain_verified")?,
                settings: settings(row)?,
                in_zooid: match (synced_generation > 0, row.try_get("has_other_key")?) {
                    (false, _) => InZooid::Nothing,
                    (true, false) => InZooid::Accepted,
                    (true, true) => InZooid::OtherKey,
                },
            },
            synced_generation,
            crashes: row.try_get("crashes")?,
            secret: Sealed::parse(secret).map_err(|error| undecodable("secret", error))?,
        })
    }
}
