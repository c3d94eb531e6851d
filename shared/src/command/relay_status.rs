//! Turning relays off and on.
//!
//! Invariant: a relay becomes delinquent only while it is active, and only an admin lifts that. So a payment never revives
//! what its owner turned off, and turning it off and on again never replaces a payment. What is done for want of payment is
//! done in the name of an admin, and leaves its line in the record of operators' actions in the same write.

use std::sync::Arc;

use serde_json::json;

use super::{
    AskedBy, Command, CommandError, Context, Trace,
    operator::{ByOperator, Deed, record},
    relay::{change, get},
};
use crate::{
    db::WriteTx,
    domain::{ActivityType, OperatorActionKind, OperatorResource, Relay, RelayId, RelayStatus},
};

impl Command {
    /// Turns a relay off on its owner's wish. One that is off already, for whatever reason, stays as it is.
    ///
    /// # Errors
    /// [`CommandError::RelayUnknown`], [`CommandError::RelayRemoved`].
    pub async fn deactivate_relay(&self, trace: Trace, id: RelayId) -> Result<Relay, CommandError> {
        let context = Arc::clone(&self.context);
        self.db
            .write(async move |tx: &mut WriteTx| deactivate(tx, &context, &trace, &id).await)
            .await
    }

    /// Turns a relay off for want of payment. One that is off already, for whatever reason, stays as it is.
    ///
    /// # Errors
    /// [`CommandError::RelayUnknown`], [`CommandError::RelayRemoved`].
    pub async fn mark_relay_delinquent(
        &self,
        by: ByOperator,
        id: RelayId,
    ) -> Result<Relay, CommandError> {
        let context = Arc::clone(&self.context);
        self.db
            .write(async move |tx: &mut WriteTx| mark_delinquent(tx, &context, &by, &id).await)
            .await
    }

    /// Turns a relay on that is off for want of payment, and no other: a payment revives nothing that its owner turned off.
    ///
    /// # Errors
    /// [`CommandError::RelayUnknown`], [`CommandError::RelayRemoved`].
    pub async fn settle_relay(&self, by: ByOperator, id: RelayId) -> Result<Relay, CommandError> {
        let context = Arc::clone(&self.context);
        self.db
            .write(async move |tx: &mut WriteTx| settle(tx, &context, &by, &id).await)
            .await
    }

    /// Turns a relay on.
    ///
    /// # Errors
    /// [`CommandError::RelayUnknown`], [`CommandError::RelayRemoved`]; [`CommandError::RelayDelinquent`] when a tenant asks for
    /// a relay that is off for want of payment.
    pub async fn activate_relay(
        &self,
        trace: Trace,
        id: RelayId,
        asked_by: AskedBy,
    ) -> Result<Relay, CommandError> {
        let context = Arc::clone(&self.context);
        self.db
            .write(async move |tx: &mut WriteTx| {
                activate(tx, &context, &trace, &id, asked_by).await
            })
            .await
    }
}

/// Turns a relay off on its owner's wish.
///
/// # Errors
/// As [`Command::deactivate_relay`].
pub async fn deactivate(
    tx: &mut WriteTx,
    context: &Context,
    trace: &Trace,
    id: &RelayId,
) -> Result<Relay, CommandError> {
    turn_off(tx, context, trace, id, RelayStatus::Inactive).await
}

/// Turns a relay off for want of payment.
///
/// # Errors
/// As [`Command::mark_relay_delinquent`].
pub async fn mark_delinquent(
    tx: &mut WriteTx,
    context: &Context,
    by: &ByOperator,
    id: &RelayId,
) -> Result<Relay, CommandError> {
    let before = get(tx, id).await?;
    match before.status {
        RelayStatus::Inactive | RelayStatus::Delinquent => Ok(before),
        RelayStatus::Active => {
            record_billing(tx, context, by, id, OperatorActionKind::MarkDelinquent).await?;
            turn_off(tx, context, &by.trace, id, RelayStatus::Delinquent).await
        }
    }
}

/// Turns a relay on that is off for want of payment, and no other.
///
/// # Errors
/// As [`Command::settle_relay`].
pub async fn settle(
    tx: &mut WriteTx,
    context: &Context,
    by: &ByOperator,
    id: &RelayId,
) -> Result<Relay, CommandError> {
    let before = get(tx, id).await?;
    match before.status {
        RelayStatus::Active | RelayStatus::Inactive => Ok(before),
        RelayStatus::Delinquent => {
            record_billing(tx, context, by, id, OperatorActionKind::Settle).await?;
            activate(tx, context, &by.trace, id, AskedBy::Admin).await
        }
    }
}

async fn record_billing(
    tx: &mut WriteTx,
    context: &Context,
    by: &ByOperator,
    id: &RelayId,
    action: OperatorActionKind,
) -> Result<(), CommandError> {
    let deed = Deed {
        action,
        resource_type: OperatorResource::Relay,
        resource_id: id.as_str(),
    };
    record(tx, context.clock.now(), by, deed, 1, json!({})).await?;
    Ok(())
}

/// Turns a relay on.
///
/// # Errors
/// As [`Command::activate_relay`].
pub async fn activate(
    tx: &mut WriteTx,
    context: &Context,
    trace: &Trace,
    id: &RelayId,
    asked_by: AskedBy,
) -> Result<Relay, CommandError> {
    let before = get(tx, id).await?;
    match (before.status, asked_by) {
        (RelayStatus::Active | RelayStatus::Inactive, _)
        | (RelayStatus::Delinquent, AskedBy::Admin) => {}
        (RelayStatus::Delinquent, AskedBy::Tenant) => {
            return Err(CommandError::RelayDelinquent(before.id));
        }
    }
    let after = Relay {
        status: RelayStatus::Active,
        ..before.clone()
    };
    change(
        tx,
        context,
        trace,
        ActivityType::ActivateRelay,
        before,
        after,
    )
    .await
}

async fn turn_off(
    tx: &mut WriteTx,
    context: &Context,
    trace: &Trace,
    id: &RelayId,
    off: RelayStatus,
) -> Result<Relay, CommandError> {
    let before = get(tx, id).await?;
    let after = Relay {
        status: match before.status {
            RelayStatus::Active => off,
            RelayStatus::Inactive | RelayStatus::Delinquent => before.status,
        },
        ..before.clone()
    };
    change(
        tx,
        context,
        trace,
        ActivityType::DeactivateRelay,
        before,
        after,
    )
    .await
}
