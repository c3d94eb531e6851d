//! What the external billing system writes down here. None of it concerns zooid or the activity log; turning relays off
//! and on for it stands in `relay_status`.

use std::sync::Arc;

use super::{Command, CommandError, Context, relay, tenant};
use crate::{
    db::WriteTx,
    domain::{Pubkey, Relay, RelayId, Tenant},
    repositories::Update as _,
};

/// What billing found out about a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TenantBilling {
    /// There is a subscription with this id.
    Subscribed(String),
    /// There is no subscription any more.
    Unsubscribed,
    /// The wallet could not pay: why, for the tenant.
    NwcFailed(String),
    /// The wallet's last failure is settled.
    NwcSettled,
    /// A payment is overdue. Since when stays as it was first said.
    PastDue,
    /// Nothing is overdue.
    PaidUp,
}

impl Command {
    /// Notes the billing system's id of the relay's subscription item.
    ///
    /// # Errors
    /// [`CommandError::RelayUnknown`], [`CommandError::RelayRemoved`].
    pub async fn set_relay_subscription_item(
        &self,
        id: RelayId,
        item: String,
    ) -> Result<Relay, CommandError> {
        self.relay_subscription_item(id, Some(item)).await
    }

    /// Forgets the relay's subscription item.
    ///
    /// # Errors
    /// [`CommandError::RelayUnknown`], [`CommandError::RelayRemoved`].
    pub async fn delete_relay_subscription_item(&self, id: RelayId) -> Result<Relay, CommandError> {
        self.relay_subscription_item(id, None).await
    }

    /// Notes the billing system's id of the tenant's subscription.
    ///
    /// # Errors
    /// [`CommandError::TenantUnknown`].
    pub async fn set_tenant_subscription(
        &self,
        pubkey: Pubkey,
        subscription: String,
    ) -> Result<Tenant, CommandError> {
        self.tenant_billing(pubkey, TenantBilling::Subscribed(subscription))
            .await
    }

    /// Forgets the tenant's subscription.
    ///
    /// # Errors
    /// [`CommandError::TenantUnknown`].
    pub async fn clear_tenant_subscription(&self, pubkey: Pubkey) -> Result<Tenant, CommandError> {
        self.tenant_billing(pubkey, TenantBilling::Unsubscribed)
            .await
    }

    /// Notes why the tenant's wallet could not pay.
    ///
    /// # Errors
    /// [`CommandError::TenantUnknown`].
    pub async fn set_tenant_nwc_error(
        &self,
        pubkey: Pubkey,
        message: String,
    ) -> Result<Tenant, CommandError> {
        self.tenant_billing(pubkey, TenantBilling::NwcFailed(message))
            .await
    }

    /// Forgets the wallet's last failure.
    ///
    /// # Errors
    /// [`CommandError::TenantUnknown`].
    pub async fn clear_tenant_nwc_error(&self, pubkey: Pubkey) -> Result<Tenant, CommandError> {
        self.tenant_billing(pubkey, TenantBilling::NwcSettled).await
    }

    /// Notes that a payment is overdue as of now, unless one has been for longer.
    ///
    /// # Errors
    /// [`CommandError::TenantUnknown`].
    pub async fn set_tenant_past_due(&self, pubkey: Pubkey) -> Result<Tenant, CommandError> {
        self.tenant_billing(pubkey, TenantBilling::PastDue).await
    }

    /// Notes that nothing is overdue.
    ///
    /// # Errors
    /// [`CommandError::TenantUnknown`].
    pub async fn clear_tenant_past_due(&self, pubkey: Pubkey) -> Result<Tenant, CommandError> {
        self.tenant_billing(pubkey, TenantBilling::PaidUp).await
    }

    async fn relay_subscription_item(
        &self,
        id: RelayId,
        item: Option<String>,
    ) -> Result<Relay, CommandError> {
        let context = Arc::clone(&self.context);
        self.db
            .write(async move |tx: &mut WriteTx| {
                set_relay_subscription_item(tx, &context, &id, item).await
            })
            .await
    }

    async fn tenant_billing(
        &self,
        pubkey: Pubkey,
        billing: TenantBilling,
    ) -> Result<Tenant, CommandError> {
        let context = Arc::clone(&self.context);
        self.db
            .write(async move |tx: &mut WriteTx| {
                set_tenant_billing(tx, &context, &pubkey, billing).await
            })
            .await
    }
}

/// Writes the relay's subscription item; `None` forgets it.
///
/// # Errors
/// [`CommandError::RelayUnknown`], [`CommandError::RelayRemoved`].
pub async fn set_relay_subscription_item(
    tx: &mut WriteTx,
    context: &Context,
    id: &RelayId,
    item: Option<String>,
) -> Result<Relay, CommandError> {
    let before = relay::get(tx, id).await?;
    let after = Relay {
        stripe_subscription_item_id: item,
        ..before.clone()
    };
    if after == before {
        return Ok(before);
    }
    Ok(Relay::update(tx, &before, &after, context.clock.now()).await?)
}

/// Writes what billing found out about a tenant.
///
/// # Errors
/// [`CommandError::TenantUnknown`].
pub async fn set_tenant_billing(
    tx: &mut WriteTx,
    context: &Context,
    pubkey: &Pubkey,
    billing: TenantBilling,
) -> Result<Tenant, CommandError> {
    let now = context.clock.now();
    let before = tenant::get(tx, pubkey).await?;
    let mut after = before.clone();
    match billing {
        TenantBilling::Subscribed(id) => after.stripe_subscription_id = Some(id),
        TenantBilling::Unsubscribed => after.stripe_subscription_id = None,
        TenantBilling::NwcFailed(message) => after.nwc_error = Some(message),
        TenantBilling::NwcSettled => after.nwc_error = None,
        TenantBilling::PastDue => {
            after.past_due_at.get_or_insert(now.timestamp());
        }
        TenantBilling::PaidUp => after.past_due_at = None,
    }
    if after == before {
        return Ok(before);
    }
    Ok(Tenant::update(tx, &before, &after, now).await?)
}
