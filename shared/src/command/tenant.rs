//! Creating and changing tenants.

use std::sync::Arc;

use super::{Command, CommandError, Context};
use crate::{
    crypto::Sealed,
    db::WriteTx,
    domain::{ActivityType, NewTenant, NwcChange, Pubkey, Tenant},
    repositories::{Create as _, FindById as _, StoreError, activity, tenant::set_nwc_url},
};

impl Command {
    /// Creates a tenant, or answers the one who is there: every sign-in may ask.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn create_tenant(&self, new: NewTenant) -> Result<Tenant, CommandError> {
        // Tenants sign in far more often than they sign up: those we know need no place in the line of writers.
        if let Some(known) = Tenant::find_by_id(self.db.readers(), &new.pubkey).await? {
            return Ok(known);
        }
        let context = Arc::clone(&self.context);
        self.db
            .write(async move |tx: &mut WriteTx| create(tx, &context, new).await)
            .await
    }

    /// Changes the tenant's wallet connection, which is kept sealed.
    ///
    /// # Errors
    /// [`CommandError::TenantUnknown`].
    pub async fn update_tenant(
        &self,
        pubkey: Pubkey,
        change: NwcChange,
    ) -> Result<Tenant, CommandError> {
        let context = Arc::clone(&self.context);
        self.db
            .write(async move |tx: &mut WriteTx| update(tx, &context, &pubkey, &change).await)
            .await
    }
}

/// Creates a tenant, or answers the one who is there.
///
/// # Errors
/// As [`Command::create_tenant`].
pub async fn create(
    tx: &mut WriteTx,
    context: &Context,
    new: NewTenant,
) -> Result<Tenant, CommandError> {
    let now = context.clock.now();
    let pubkey = new.pubkey.clone();
    let tenant = Tenant {
        pubkey: new.pubkey,
        return_url: new.return_url,
        nwc_is_set: false,
        created_at: now.timestamp(),
        billing_anchor: None,
        stripe_customer_id: None,
        stripe_payment_method_id: None,
        stripe_subscription_id: None,
        nwc_error: None,
        stripe_error: None,
        past_due_at: None,
        churned_at: None,
    };
    match Tenant::create(tx, tenant).await {
        Ok(tenant) => {
            activity::log_for_tenant(tx, now, ActivityType::CreateTenant, &pubkey).await?;
            Ok(tenant)
        }
        Err(StoreError::AlreadyExists { .. }) => get(tx, &pubkey).await,
        Err(error @ (StoreError::UnknownTenant(_) | StoreError::Database(_))) => Err(error.into()),
    }
}

/// Changes the tenant's wallet connection. A URL is sealed with the tenant's key as associated data.
///
/// # Errors
/// As [`Command::update_tenant`].
pub async fn update(
    tx: &mut WriteTx,
    context: &Context,
    pubkey: &Pubkey,
    change: &NwcChange,
) -> Result<Tenant, CommandError> {
    let tenant = get(tx, pubkey).await?;
    let sealed: Option<Sealed> = match change {
        NwcChange::Keep => return Ok(tenant),
        NwcChange::Disconnect if !tenant.nwc_is_set => return Ok(tenant),
        NwcChange::Disconnect => None,
        NwcChange::Set(url) => Some(context.sealer.seal(url.as_bytes(), pubkey.as_hex())),
    };
    let now = context.clock.now();
    set_nwc_url(tx, pubkey, sealed.as_ref(), now).await?;
    activity::log_for_tenant(tx, now, ActivityType::UpdateTenant, pubkey).await?;
    Ok(Tenant {
        nwc_is_set: sealed.is_some(),
        ..tenant
    })
}

/// The tenant as it is now.
pub(super) async fn get(tx: &mut WriteTx, pubkey: &Pubkey) -> Result<Tenant, CommandError> {
    Tenant::find_by_id(&mut *tx, pubkey)
        .await?
        .ok_or_else(|| CommandError::TenantUnknown(pubkey.clone()))
}
