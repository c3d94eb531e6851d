//! Turning relays off and on.
//!
//! Invariant: a relay becomes delinquent only while it is active, and only an admin lifts that. So a payment never revives
//! what its owner turned off, and turning it off and on again never replaces a payment.

use std::sync::Arc;

use super::{
    AskedBy, Command, CommandError, Context, Trace,
    relay::{change, get},
};
use crate::{
    db::WriteTx,
    domain::{ActivityType, Relay, RelayId, RelayStatus},
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
        trace: Trace,
        id: RelayId,
    ) -> Result<Relay, CommandError> {
        let context = Arc::clone(&self.context);
        self.db
            .write(async move |tx: &mut WriteTx| mark_delinquent(tx, &context, &trace, &id).await)
            .await
    }

    /// Turns a relay on that is off for want of payment, and no other: a payment revives nothing that its owner turned off.
    ///
    /// # Errors
    /// [`CommandError::RelayUnknown`], [`CommandError::RelayRemoved`].
    pub async fn settle_relay(&self, trace: Trace, id: RelayId) -> Result<Relay, CommandError> {
        let context = Arc::clone(&self.context);
        self.db
            .write(async move |tx: &mut WriteTx| settle(tx, &context, &trace, &id).await)
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
    trace: &Trace,
    id: &RelayId,
) -> Result<Relay, CommandError> {
    turn_off(tx, context, trace, id, RelayStatus::Delinquent).await
}

/// Turns a relay on that is off for want of payment, and no other.
///
/// # Errors
/// As [`Command::settle_relay`].
pub async fn settle(
    tx: &mut WriteTx,
    context: &Context,
    trace: &Trace,
    id: &RelayId,
) -> Result<Relay, CommandError> {
    let relay = get(tx, id).await?;
    match relay.status {
        RelayStatus::Active | RelayStatus::Inactive => Ok(relay),
        RelayStatus::Delinquent => activate(tx, context, trace, id, AskedBy::Admin).await,
    }
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
