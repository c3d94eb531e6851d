//! What every request may use.

use std::collections::HashSet;
use std::sync::Arc;

use shared::clock::SharedClock;
use shared::command::{Command, Context, Entropy};
use shared::config::{AllowOrigins, ApiConfig, AuthConfig, BaseUrl};
use shared::db::Db;
use shared::domain::{Malformed, Pubkey, Rules};
use shared::query::Query;
use shared::zooid::ZooidClientError;

use crate::members::Members;

/// The shared state of the API. Clones are handles on the same.
#[derive(Debug, Clone)]
pub struct ApiState(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    command: Command,
    query: Query,
    rules: Rules,
    clock: SharedClock,
    base_url: BaseUrl,
    auth: AuthConfig,
    admins: HashSet<Pubkey>,
    allow_origins: AllowOrigins,
    members: Members,
    tenant_max_relays: Option<u32>,
}

/// The API cannot be set up as configured.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// A value is none that the domain accepts.
    #[error("cannot use {variable}")]
    Malformed {
        /// The variable that has it.
        variable: &'static str,
        /// The rule.
        #[source]
        source: Malformed,
    },
    /// zooid cannot be called.
    #[error(transparent)]
    Zooid(#[from] ZooidClientError),
}

impl ApiState {
    /// The API on `db`, as configured.
    ///
    /// # Errors
    /// When an admin's key is none after all, or TLS cannot be initialised.
    pub fn new(config: &ApiConfig, db: Db, clock: SharedClock) -> Result<Self, StateError> {
        let unusable = |variable| move |source| StateError::Malformed { variable, source };
        let admins = config
            .server
            .admin_pubkeys
            .iter()
            .map(|key| Pubkey::try_from(*key))
            .collect::<Result<_, _>>()
            .map_err(unusable("SERVER_ADMIN_PUBKEYS"))?;
        let query = Query::new(&db);
        let context = Context {
            clock: Arc::clone(&clock),
            sealer: config.sealer.clone(),
            entropy: Entropy::from_system(),
            max_attempts: config.retry.max_attempts,
        };
        Ok(Self(Arc::new(Shared {
            command: Command::new(db, context),
            query,
            rules: Rules {
                served_domains: config
                    .targets
                    .iter()
                    .map(|target| target.domain.clone())
                    .collect(),
                own_host: config.server.url.url().host_str().map(str::to_owned),
                reserved_subdomains: Vec::new(),
            },
            tenant_max_relays: config.server.tenant_max_relays,
            members: Members::new(config, &clock)?,
            clock,
            base_url: config.server.url.clone(),
            auth: config.server.auth,
            admins,
            allow_origins: config.server.allow_origins.clone(),
        })))
    }

    /// Every change.
    pub(crate) fn command(&self) -> &Command {
        &self.0.command
    }

    /// Every read.
    pub(crate) fn query(&self) -> &Query {
        &self.0.query
    }

    /// The rules of input.
    pub(crate) fn rules(&self) -> &Rules {
        &self.0.rules
    }

    pub(crate) fn clock(&self) -> &SharedClock {
        &self.0.clock
    }

    /// The URL under which clients know us.
    pub(crate) fn base_url(&self) -> &BaseUrl {
        &self.0.base_url
    }

    /// The URL under which clients find `path`.
    pub(crate) fn url_of(&self, path: &str) -> String {
        format!("{}{path}", self.base_url().as_str().trim_end_matches('/'))
    }

    pub(crate) fn auth(&self) -> AuthConfig {
        self.0.auth
    }

    pub(crate) fn is_admin(&self, pubkey: &Pubkey) -> bool {
        self.0.admins.contains(pubkey)
    }

    /// The most relays that a tenant can create; `None` for no limit.
    pub(crate) fn tenant_max_relays(&self) -> Option<u32> {
        self.0.tenant_max_relays
    }

    /// The members of relays, as zooid knows them.
    pub(crate) fn members(&self) -> &Members {
        &self.0.members
    }

    pub(crate) fn allow_origins(&self) -> &AllowOrigins {
        &self.0.allow_origins
    }
}
