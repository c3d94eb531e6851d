//! Why a command was not carried out. Nothing of it is in the database then.

use crate::{
    db::WriteError,
    domain::{Pubkey, RelayId, ValidationError, ZooidDomain},
    repositories::StoreError,
};

/// A command that was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// There is no such tenant.
    #[error("there is no tenant {0}")]
    TenantUnknown(Pubkey),
    /// There is no such relay.
    #[error("there is no relay {0}")]
    RelayUnknown(RelayId),
    /// A value that must be unique is taken.
    #[error("a {entity} with {field} {value} exists already")]
    AlreadyExists {
        /// What has it.
        entity: &'static str,
        /// The field whose value is taken.
        field: &'static str,
        /// The value.
        value: String,
    },
    /// A rule that depends on the present state is broken.
    #[error(transparent)]
    Rule(#[from] ValidationError),
    /// The relay is not of the version that the change was meant for.
    #[error("relay {0} has changed since it was read")]
    RelayChanged(RelayId),
    /// The idempotency key was used for a request with another body.
    #[error("the idempotency key stands for another request")]
    RequestKeyReused,
    /// A removed relay does not change any more.
    #[error("relay {0} was removed")]
    RelayRemoved(RelayId),
    /// A relay that is off for want of payment stays off for its tenant.
    #[error("relay {0} is delinquent, its tenant cannot activate it")]
    RelayDelinquent(RelayId),
    /// A quarantined relay is sent again only once it is released.
    #[error("relay {0} is quarantined")]
    RelayQuarantined(RelayId),
    /// zooid has the newest state of the relay: there is nothing to try again.
    #[error("relay {0} is in step")]
    RelayInStep(RelayId),
    /// No worker serves this target, and no relay is served by it.
    #[error("there is no target {0}")]
    TargetUnknown(ZooidDomain),
    /// The token was not made for this action and this filter, or too long ago.
    #[error("the token of the preview is not valid for this action on these relays")]
    BulkTokenInvalid,
    /// Far more or fewer relays match than when they were previewed.
    #[error("{affected} relays match, which is not what was previewed")]
    BulkChanged {
        /// How many do now.
        affected: u64,
    },
    /// The database refused a statement.
    #[error("cannot carry out the command in the database")]
    Database(#[from] sqlx::Error),
    /// The write as a whole was lost.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl From<StoreError> for CommandError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::AlreadyExists {
                entity,
                field,
                value,
            } => Self::AlreadyExists {
                entity,
                field,
                value,
            },
            StoreError::UnknownTenant(pubkey) => Self::TenantUnknown(pubkey),
            StoreError::Database(error) => Self::Database(error),
        }
    }
}
