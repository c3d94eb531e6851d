//! Relays: what their tenants asked for.

use std::collections::HashMap;

use sqlx::{Row, sqlite::SqliteRow};

use crate::{
    crypto::Sealed,
    db::WriteTx,
    domain::{DesiredRelay, RelayId, RelaySettings, ZooidDomain},
};

/// What a sync needs to know of one relay.
#[derive(Debug, Clone)]
pub struct DesiredState {
    /// What zooid is to be told.
    pub desired: DesiredRelay,
    /// The relay's secret key, sealed.
    pub secret: Sealed,
    /// The newest generation zooid has accepted; 0 before the first.
    pub synced_generation: i64,
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
    let rows = sqlx::query(
        "SELECT
             relay.id, relay.generation, relay.tenant_pubkey, relay.zooid_domain, relay.schema, relay.status,
             relay.custom_domain_verified, relay.secret, relay.subdomain, relay.custom_domain, relay.plan_id,
             relay.info_name, relay.info_icon, relay.info_description, relay.policy_public_read,
             relay.policy_public_write, relay.policy_public_join, relay.policy_strip_signatures, relay.groups_enabled,
             relay.management_enabled, relay.members_can_invite, relay.blossom_enabled, relay.livekit_enabled,
             relay.push_enabled, relay_sync.synced_generation
         FROM json_each($1) AS wanted
         CROSS JOIN relay ON relay.id = wanted.value
         CROSS JOIN relay_sync ON relay_sync.relay_id = relay.id",
    )
    .bind(ids)
    .fetch_all(&mut *tx)
    .await?;
    Ok(rows
        .iter()
        .filter_map(|row| {
            desired_state(row)
                .inspect_err(|error| {
                    let id: Option<String> = row.try_get("id").ok();
                    tracing::error!(relay.id = id, %error, "cannot read a relay");
                })
                .ok()
        })
        .map(|state| (state.desired.id.clone(), state))
        .collect())
}

fn desired_state(row: &SqliteRow) -> Result<DesiredState, sqlx::Error> {
    let synced_generation: i64 = row.try_get("synced_generation")?;
    Ok(DesiredState {
        desired: DesiredRelay {
            id: parsed(row, "id")?,
            generation: row
                .try_get::<i64, _>("generation")?
                .try_into()
                .map_err(|error| decode("generation", error))?,
            tenant_pubkey: parsed(row, "tenant_pubkey")?,
            zooid_domain: parsed(row, "zooid_domain")?,
            schema: parsed(row, "schema")?,
            status: parsed(row, "status")?,
            custom_domain_verified: row.try_get("custom_domain_verified")?,
            settings: settings(row)?,
            ever_accepted: synced_generation > 0,
        },
        secret: Sealed::parse(row.try_get::<String, _>("secret")?)
            .map_err(|error| decode("secret", error))?,
        synced_generation,
    })
}

/// Reads the editable part of a relay from a row that has its columns.
fn settings(row: &SqliteRow) -> Result<RelaySettings, sqlx::Error> {
    let custom_domain: String = row.try_get("custom_domain")?;
    Ok(RelaySettings {
        subdomain: parsed(row, "subdomain")?,
        custom_domain: (!custom_domain.is_empty())
            .then(|| custom_domain.parse())
            .transpose()
            .map_err(|error| decode("custom_domain", error))?,
        plan_id: parsed(row, "plan_id")?,
        info_name: row.try_get("info_name")?,
        info_icon: row.try_get("info_icon")?,
        info_description: row.try_get("info_description")?,
        policy_public_read: row.try_get("policy_public_read")?,
        policy_public_write: row.try_get("policy_public_write")?,
        policy_public_join: row.try_get("policy_public_join")?,
        policy_strip_signatures: row.try_get("policy_strip_signatures")?,
        groups_enabled: row.try_get("groups_enabled")?,
        management_enabled: row.try_get("management_enabled")?,
        members_can_invite: row.try_get("members_can_invite")?,
        blossom_enabled: row.try_get("blossom_enabled")?,
        livekit_enabled: row.try_get("livekit_enabled")?,
        push_enabled: row.try_get("push_enabled")?,
    })
}

/// Raises the generation of `relay`, so that its state is sent once more. Answers the target that serves it.
///
/// # Errors
/// When there is no such relay or the database refuses.
pub async fn bump_generation(
    tx: &mut WriteTx,
    relay: &RelayId,
) -> Result<ZooidDomain, sqlx::Error> {
    let target: String = sqlx::query_scalar(
        "UPDATE relay
         SET generation = generation + 1
         WHERE id = $1
         RETURNING zooid_domain",
    )
    .bind(relay.as_str())
    .fetch_one(&mut *tx)
    .await?;
    target
        .parse()
        .map_err(|error| decode("zooid_domain", error))
}

fn parsed<T>(row: &SqliteRow, column: &str) -> Result<T, sqlx::Error>
where
    T: std::str::FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    row.try_get::<String, _>(column)?
        .parse()
        .map_err(|error| decode(column, error))
}

fn decode(column: &str, error: impl std::error::Error + Send + Sync + 'static) -> sqlx::Error {
    sqlx::Error::ColumnDecode {
        index: column.to_owned(),
        source: error.into(),
    }
}
