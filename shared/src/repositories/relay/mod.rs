//! The `relay` table. What is read beside it stands in `read` (for people) and `desired` (for the queue), what becomes of
//! removed relays in `removal`.

mod desired;
mod read;
mod removal;

use chrono::{DateTime, Utc};

pub use desired::{DesiredState, bump_generation, desired_states};
pub use read::RelayFilter;
pub(super) use read::{columns, settings_columns};
pub use removal::{bury, wipe_secret};

use super::{
    FindById as _, Repository, StoreError, Update, activity,
    columns::{Column, changed, column, update},
    error::is_dangling,
};
use crate::{
    crypto::Sealed,
    db::WriteTx,
    domain::{CustomDomain, Pubkey, Relay},
};

impl Repository for Relay {
    const ENTITY: &'static str = "relay";
    const TABLE: &'static str = "relay";
}

/// A relay to be added, with the secret that no [`Relay`] shows.
#[derive(Debug, Clone)]
pub struct RelayDraft {
    /// The relay as it will be read.
    pub relay: Relay,
    /// Its secret key, sealed with its id as associated data.
    pub secret: Sealed,
}

/// Adds a relay, and `create_relay` to the log.
///
/// # Errors
/// [`StoreError::AlreadyExists`] when a value that must be unique is taken, [`StoreError::UnknownTenant`] for an owner who
/// is none.
pub async fn create(
    tx: &mut WriteTx,
    now: DateTime<Utc>,
    draft: RelayDraft,
) -> Result<Relay, StoreError> {
    let RelayDraft { relay, secret } = draft;
    let mut columns = columns_of(&relay);
    columns.extend([
        column("id", relay.id.as_str()),
        column("tenant_pubkey", relay.tenant_pubkey.as_hex()),
        column("zooid_domain", relay.zooid_domain.as_str()),
        column("schema", relay.schema.as_str()),
        column("secret", secret.as_str()),
        column("created_at", relay.created_at),
        column("updated_at", relay.updated_at),
    ]);
    let created = activity::insert_relay_and_log(tx, now, &relay, &columns)
        .await
        .map_err(|error| StoreError::of_write::<Relay>(error, &columns));
    match created {
        Ok(()) => Ok(relay),
        // The owner is all that the rows refer to.
        Err(error) if is_dangling(&error) => Err(StoreError::UnknownTenant(relay.tenant_pubkey)),
        Err(error) => Err(error),
    }
}

/// How many relays the tenant has, those that were removed left aside.
///
/// # Errors
/// When the database refuses.
pub async fn count_for_tenant(tx: &mut WriteTx, tenant: &Pubkey) -> Result<u32, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT count(*)
         FROM relay
         WHERE tenant_pubkey = $1
           AND removed_at IS NULL",
    )
    .bind(tenant.as_hex())
    .fetch_one(&mut *tx)
    .await
}

impl Update for Relay {
    async fn update(
        tx: &mut WriteTx,
        before: &Self,
        after: &Self,
        now: DateTime<Utc>,
    ) -> Result<Self, StoreError> {
        let mut columns = changed(&columns_of(before), columns_of(after));
        columns.push(column("updated_at", now.timestamp()));
        let guard = [
            column("id", before.id.as_str()),
            column("generation", before.generation.get()),
            column("status", before.status.as_str()),
        ];
        update::<Self>(tx, &columns, &guard).await?;
        let updated = Self::find_by_id(&mut *tx, &before.id).await?;
        updated.ok_or(StoreError::Database(sqlx::Error::RowNotFound))
    }
}

/// What can change.
fn columns_of(relay: &Relay) -> Vec<Column<'_>> {
    let settings = &relay.settings;
    let custom_domain = settings.custom_domain.as_ref();
    vec![
        column("subdomain", settings.subdomain.as_str()),
        column(
            "custom_domain",
            custom_domain.map_or("", CustomDomain::as_str),
        ),
        column("custom_domain_verified", relay.custom_domain_verified),
        column("plan_id", settings.plan_id.as_str()),
        column(
            "stripe_subscription_item_id",
            relay.stripe_subscription_item_id.as_deref(),
        ),
        column("status", relay.status.as_str()),
        column("info_name", settings.info_name.as_str()),
        column("info_icon", settings.info_icon.as_str()),
        column("info_description", settings.info_description.as_str()),
        column("policy_public_read", settings.policy_public_read),
        column("policy_public_write", settings.policy_public_write),
        column("policy_public_join", settings.policy_public_join),
        column("policy_strip_signatures", settings.policy_strip_signatures),
        column("groups_enabled", settings.groups_enabled),
        column("management_enabled", settings.management_enabled),
        column("members_can_invite", settings.members_can_invite),
        column("push_enabled", settings.push_enabled),
        column("blossom_enabled", settings.blossom_enabled),
        column("livekit_enabled", settings.livekit_enabled),
        column("generation", relay.generation.get()),
        column("removed_at", relay.removed_at),
    ]
}
