//! What the external billing system writes down here, in the name of an admin. None of it concerns zooid or the activity
//! log; turning relays off and on for it stands in `relay_status`.
//!
//! Invariant: each change leaves its line in the record of operators' actions, in the same write.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    Command, CommandError, Context,
    operator::{ByOperator, Deed, record},
    relay, tenant,
};
use crate::{
    db::WriteTx,
    domain::{OperatorActionKind, OperatorResource, Pubkey, Relay, RelayId, Tenant},
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

impl TenantBilling {
    /// What it is called in the record, with what else there is to know. What went wrong with a wallet is the tenant's own
    /// business.
    fn recorded(&self) -> (OperatorActionKind, Value) {
        match self {
            Self::Subscribed(id) => (OperatorActionKind::SetSubscription, json!({ "id": id })),
            Self::Unsubscribed => (OperatorActionKind::ClearSubscription, json!({})),
            Self::NwcFailed(_) => (OperatorActionKind::SetNwcError, json!({})),
            Self::NwcSettled => (OperatorActionKind::ClearNwcError, json!({})),
            Self::PastDue => (OperatorActionKind::SetPastDue, json!({})),
            Self::PaidUp => (OperatorActionKind::ClearPastDue, json!({})),
        }
    }
}

impl Command {
    /// Notes the billing system's id of the relay's subscription item.
    ///
    /// # Errors
    /// [`CommandError::RelayUnknown`], [`CommandError::RelayRemoved`].
    pub async fn set_relay_subscription_item(
        &self,
        by: ByOperator,
        id: RelayId,
        item: String,
    ) -> Result<Relay, CommandError> {
        self.relay_subscription_item(by, id, Some(item)).await
    }

    /// Forgets the relay's subscription item.
    ///
    /// # Errors
    /// [`CommandError::RelayUnknown`], [`CommandError::RelayRemoved`].
    pub async fn delete_relay_subscription_item(
        &self,
        by: ByOperator,
        id: RelayId,
    ) -> Result<Relay, CommandError> {
        self.relay_subscription_item(by, id, None).await
    }

    /// Notes the billing system's id of the tenant's subscription.
    ///
    /// # Errors
    /// [`CommandError::TenantUnknown`].
    pub async fn set_tenant_subscription(
        &self,
        by: ByOperator,
        pubkey: Pubkey,
        subscription: String,
    ) -> Result<Tenant, CommandError> {
        self.tenant_billing(by, pubkey, TenantBilling::Subscribed(subscription))
            .await
    }

    /// Forgets the tenant's subscription.
    ///
    /// # Errors
    /// [`CommandError::TenantUnknown`].
    pub async fn clear_tenant_subscription(
        &self,
        by: ByOperator,
        pubkey: Pubkey,
    ) -> Result<Tenant, CommandError> {
        self.tenant_billing(by, pubkey, TenantBilling::Unsubscribed)
            .await
    }

    /// Notes why the tenant's wallet could not pay.
    ///
    /// # Errors
    /// [`CommandError::TenantUnknown`].
    pub async fn set_tenant_nwc_error(
        &self,
        by: ByOperator,
        pubkey: Pubkey,
        message: String,
    ) -> Result<Tenant, CommandError> {
        self.tenant_billing(by, pubkey, TenantBilling::NwcFailed(message))
            .await
    }

    /// Forgets the wallet's last failure.
    ///
    /// # Errors
    /// [`CommandError::TenantUnknown`].
    pub async fn clear_tenant_nwc_error(
        &self,
        by: ByOperator,
        pubkey: Pubkey,
    ) -> Result<Tenant, CommandError> {
        self.tenant_billing(by, pubkey, TenantBilling::NwcSettled)
            .await
    }

    /// Notes that a payment is overdue as of now, unless one has been for longer.
    ///
    /// # Errors
    /// [`CommandError::TenantUnknown`].
    pub async fn set_tenant_past_due(
        &self,
        by: ByOperator,
        pubkey: Pubkey,
    ) -> Result<Tenant, CommandError> {
        self.tenant_billing(by, pubkey, TenantBilling::PastDue)
            .await
    }

    /// Notes that nothing is overdue.
    ///
    /// # Errors
    /// [`CommandError::TenantUnknown`].
    pub async fn clear_tenant_past_due(
        &self,
        by: ByOperator,
        pubkey: Pubkey,
    ) -> Result<Tenant, CommandError> {
        self.tenant_billing(by, pubkey, TenantBilling::PaidUp).await
    }

    async fn relay_subscription_item(
        &self,
        by: ByOperator,
        id: RelayId,
        item: Option<String>,
    ) -> Result<Relay, CommandError> {
        let context = Arc::clone(&self.context);
        self.db
            .write(async move |tx: &mut WriteTx| {
                set_relay_subscription_item(tx, &context, &by, &id, item).await
            })
            .await
    }

    async fn tenant_billing(
        &self,
        by: ByOperator,
        pubkey: Pubkey,
        billing: TenantBilling,
    ) -> Result<Tenant, CommandError> {
        let context = Arc::clone(&self.context);
        self.db
            .write(async move |tx: &mut WriteTx| {
                set_tenant_billing(tx, &context, &by, &pubkey, billing).await
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
    by: &ByOperator,
    id: &RelayId,
    item: Option<String>,
) -> Result<Relay, CommandError> {
    let now = context.clock.now();
    let (action, detail) = match &item {
        Some(item) => (OperatorActionKind::SetSubscription, json!({ "id": item })),
        None => (OperatorActionKind::ClearSubscription, json!({})),
    };
    let before = relay::get(tx, id).await?;
    let after = Relay {
        stripe_subscription_item_id: item,
        ..before.clone()
    };
    if after == before {
        return Ok(before);
    }
    let deed = Deed {
        action,
        resource_type: OperatorResource::Relay,
        resource_id: id.as_str(),
    };
    record(tx, now, by, deed, 1, detail).await?;
    Ok(Relay::update(tx, &before, &after, now).await?)
}

/// Writes what billing found out about a tenant.
///
/// # Errors
/// [`CommandError::TenantUnknown`].
pub async fn set_tenant_billing(
    tx: &mut WriteTx,
    context: &Context,
    by: &ByOperator,
    pubkey: &Pubkey,
    billing: TenantBilling,
) -> Result<Tenant, CommandError> {
    let now = context.clock.now();
    let (action, detail) = billing.recorded();
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
    let deed = Deed {
        action,
        resource_type: OperatorResource::Tenant,
        resource_id: pubkey.as_hex(),
    };
    record(tx, now, by, deed, 1, detail).await?;
    Ok(Tenant::update(tx, &before, &after, now).await?)
}
