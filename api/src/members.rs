//! Who is a member of a relay: zooid knows, nobody else.
//!
//! Invariant: a request waits a short, fixed time for zooid, and a relay that zooid has never accepted costs no call.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use shared::clock::SharedClock;
use shared::config::ApiConfig;
use shared::domain::{Pubkey, Relay, SyncFailure, ZooidDomain};
use shared::zooid::{ZooidClient, ZooidClientError};

/// How long zooid may take to list members while a person waits.
const TIMEOUT: Duration = Duration::from_secs(3);

/// The zooids that members are read from, by the domain each serves.
pub struct Members(HashMap<ZooidDomain, ZooidClient>);

/// zooid gave no list.
#[derive(Debug, thiserror::Error)]
pub enum MembersUnavailable {
    /// The configuration has no key for the zooid of this domain.
    #[error("cannot read members from the zooid of {0}: no key is configured")]
    NotConfigured(ZooidDomain),
    /// It was asked in vain.
    #[error("cannot read members from zooid")]
    Failed(#[from] SyncFailure),
}

impl MembersUnavailable {
    /// When zooid asked to be asked again.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::NotConfigured(_) => None,
            Self::Failed(failure) => failure.retry_after,
        }
    }
}

impl Members {
    /// Clients of the zooids that `config` has a key for.
    ///
    /// # Errors
    /// When TLS cannot be initialised.
    pub fn new(config: &ApiConfig, clock: &SharedClock) -> Result<Self, ZooidClientError> {
        let mut clients = HashMap::new();
        for target in &config.targets {
            if let Some(zooid) = &target.zooid {
                let client = ZooidClient::new(zooid.clone(), config.redactor(), Arc::clone(clock))?;
                clients.insert(target.domain.clone(), client);
            }
        }
        Ok(Self(clients))
    }

    /// The members of `relay`, sorted; none before zooid has accepted it, nor after it was removed.
    ///
    /// # Errors
    /// When zooid gives no list in time.
    pub async fn of(&self, relay: &Relay) -> Result<Vec<Pubkey>, MembersUnavailable> {
        if !relay.synced || relay.removed_at.is_some() {
            return Ok(Vec::new());
        }
        let domain = &relay.zooid_domain;
        let client = self
            .0
            .get(domain)
            .ok_or_else(|| MembersUnavailable::NotConfigured(domain.clone()))?;
        Ok(client.members(&relay.id, TIMEOUT).await?)
    }
}

impl fmt::Debug for Members {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
