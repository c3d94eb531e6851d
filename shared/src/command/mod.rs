//! Every change that people and programs ask for: one atomic step each.
//!
//! Invariant: a change, its line in the activity log and the job that brings it to zooid are one write. A method of
//! [`Command`] is that write; the free functions beside it do the same on a write transaction that is already open.
//! Asking for what is so already changes nothing, logs nothing and enqueues nothing.

pub mod billing;
pub mod custom_domain;
mod dashboard_session;
mod entropy;
mod error;
pub mod operator;
mod origin;
pub mod relay;
pub mod relay_request;
pub mod relay_status;
mod relay_sync;
pub mod tenant;

use std::sync::Arc;

use tokio::sync::broadcast;

pub use custom_domain::LookedUp;
pub use dashboard_session::SignedIn;
pub use entropy::Entropy;
pub use error::CommandError;
pub use origin::{AskedBy, Trace};
pub use relay_request::{ChangeTerms, Changed, CreateTerms, Created, RelayChange, Version};

use crate::{clock::SharedClock, crypto::Sealer, db::Db, domain::Activity};

/// Changes the state, one write a call. Clones share everything.
#[derive(Debug, Clone)]
pub struct Command {
    db: Db,
    context: Arc<Context>,
    /// Where each committed activity is announced, in the order of the commits.
    pub notify: broadcast::Sender<Activity>,
}

/// What commands need beside the transaction.
#[derive(Debug, Clone)]
pub struct Context {
    /// The time of every change.
    pub clock: SharedClock,
    /// Seals relay secrets and wallet URLs.
    pub sealer: Sealer,
    /// Where new ids and secrets come from.
    pub entropy: Entropy,
    /// Attempts of a sync before it is given up.
    pub max_attempts: u32,
}

impl Command {
    /// Commands on `db`.
    #[must_use]
    pub fn new(db: Db, context: Context) -> Self {
        Self {
            notify: db.notify().clone(),
            db,
            context: Arc::new(context),
        }
    }
}
