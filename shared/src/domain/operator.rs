//! What operators do with their own hands, and the record of it.
//!
//! Invariant: every change by an operator has an [`Actor`] and leaves a line in the table `operator_action`.

use std::{fmt, str::FromStr};

use super::{
    Pubkey,
    text::{Malformed, text_enum},
};

/// Who acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// An admin, by their key.
    Admin(Pubkey),
    /// Whoever has a shell on the server.
    Shell,
}

/// The text of [`Actor::Shell`].
const SHELL: &str = "shell";

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Admin(pubkey) => pubkey.fmt(f),
            Self::Shell => f.write_str(SHELL),
        }
    }
}

impl FromStr for Actor {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == SHELL {
            return Ok(Self::Shell);
        }
        text.parse().map(Self::Admin)
    }
}

text_enum! {
    /// What an operator can do to relays: to one, or to all that pass a filter.
    RelayAction, "action" {
        /// Send the present state as soon as possible, with a fresh budget.
        Retry = "retry",
        /// The same, although zooid may have that state already.
        Sync = "sync",
        /// Give the present state up: it is not sent again until it changes.
        Cancel = "cancel",
        /// Hold the relay's syncs back.
        Pause = "pause",
        /// Let them go on.
        Resume = "resume",
        /// Lift a quarantine, and send the present state.
        Release = "release",
    }
}

impl RelayAction {
    /// What the record calls it.
    #[must_use]
    pub fn kind(self) -> OperatorActionKind {
        match self {
            Self::Retry => OperatorActionKind::Retry,
            Self::Sync => OperatorActionKind::SyncNow,
            Self::Cancel => OperatorActionKind::Cancel,
            Self::Pause => OperatorActionKind::Pause,
            Self::Resume => OperatorActionKind::Resume,
            Self::Release => OperatorActionKind::Release,
        }
    }
}

text_enum! {
    /// What was done, as the record has it.
    OperatorActionKind, "action" {
        /// Relays were sent again.
        Retry = "retry",
        /// Relays were sent although zooid may have had their state.
        SyncNow = "sync_now",
        /// The present state of relays was given up.
        Cancel = "cancel",
        /// Relays, a target or the queue are held back.
        Pause = "pause",
        /// They are not any more.
        Resume = "resume",
        /// A probe of a target was asked for.
        Probe = "probe",
        /// A quarantine was lifted.
        Release = "release",
        /// Relays that no job covered were enqueued, or all of them.
        Reconcile = "reconcile",
        /// A relay was removed.
        Remove = "remove",
        /// Secrets were sealed under a new key.
        RotateSecrets = "rotate_secrets",
        /// A relay was turned off for want of payment.
        MarkDelinquent = "mark_delinquent",
        /// A relay that was off for want of payment was turned on.
        Settle = "settle",
        /// The subscription of a tenant, or the item of a relay in it, was noted.
        SetSubscription = "set_subscription",
        /// It was forgotten.
        ClearSubscription = "clear_subscription",
        /// Why a tenant's wallet could not pay was noted.
        SetNwcError = "set_nwc_error",
        /// It was forgotten.
        ClearNwcError = "clear_nwc_error",
        /// A tenant's payment was found overdue.
        SetPastDue = "set_past_due",
        /// Nothing is overdue any more.
        ClearPastDue = "clear_past_due",
    }
}

text_enum! {
    /// What it was done to.
    OperatorResource, "resource type" {
        /// One relay.
        Relay = "relay",
        /// One tenant.
        Tenant = "tenant",
        /// One zooid.
        Target = "target",
        /// The queue as a whole.
        Queue = "queue",
        /// All relays that pass a filter.
        Relays = "relays",
        /// The sealed secrets.
        Secrets = "secrets",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_actor_reads_back_as_it_was_written() {
        let admin = "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
        for text in [admin, "shell"] {
            assert_eq!(text.parse::<Actor>().unwrap().to_string(), text);
        }
        assert!("somebody".parse::<Actor>().is_err());
    }
}
