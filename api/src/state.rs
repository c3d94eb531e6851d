//! What every request may use.

use std::sync::Arc;
use std::time::Duration;

use shared::clock::SharedClock;
use shared::command::{Command, Context, Entropy};
use shared::config::{AllowOrigins, ApiConfig, AuthConfig, BaseUrl};
use shared::crypto::SecretText;
use shared::db::Db;
use shared::domain::{Malformed, Pubkey, Rules};
use shared::query::Query;
use shared::query::operator::Viewpoint;
use shared::watch::Health;
use shared::zooid::{Preview, ZooidClientError};
use tokio_util::sync::CancellationToken;

use crate::auth::VerifiedTokens;
use crate::feed::Feed;
use crate::following::Following;
use crate::limits::Limits;
use crate::members::Members;
use crate::role::{Role, Roles};

/// The pause between two things that streams are told: four times a second is as often as people can follow, however much
/// happens.
const STREAM_PAUSE: Duration = Duration::from_millis(250);

/// The shared state of the API. Clones are handles on the same.
#[derive(Debug, Clone)]
pub struct ApiState(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    command: Command,
    query: Query,
    rules: Rules,
    clock: SharedClock,
    lease: Duration,
    preview: Preview,
    base_url: BaseUrl,
    auth: AuthConfig,
    roles: Roles,
    allow_origins: AllowOrigins,
    session_lifetime: Duration,
    feed: Feed,
    limits: Limits,
    verified: VerifiedTokens,
    members: Members,
    following: Following,
    closing: CancellationToken,
    tenant_max_relays: Option<u32>,
    db: Db,
    health: Health,
    metrics_token: Option<SecretText>,
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
    /// When the key of an admin or a reader is none after all, or TLS cannot be initialised.
    pub fn new(config: &ApiConfig, db: Db, clock: SharedClock) -> Result<Self, StateError> {
        let roles = Roles::new(&config.server)
            .map_err(|(variable, source)| StateError::Malformed { variable, source })?;
        let query = Query::new(&db);
        let closing = CancellationToken::new();
        let context = Context {
            clock: Arc::clone(&clock),
            sealer: config.sealer.clone(),
            entropy: Entropy::from_system(),
            max_attempts: config.retry.max_attempts,
        };
        Ok(Self(Arc::new(Shared {
            command: Command::new(db.clone(), context),
            feed: Feed::new(query.clone(), STREAM_PAUSE),
            following: Following::new(query.clone(), closing.clone()),
            closing,
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
            limits: Limits::new(config.server.limits.clone()),
            verified: VerifiedTokens::default(),
            members: Members::new(config, &clock)?,
            health: Health::new(db.clone(), Arc::clone(&clock)),
            db,
            clock,
            lease: config.lease,
            preview: Preview::new(
                config.storage.clone(),
                config.livekit.clone(),
                config.sealer.clone(),
            ),
            base_url: config.server.url.clone(),
            auth: config.server.auth,
            roles,
            allow_origins: config.server.allow_origins.clone(),
            session_lifetime: config.server.dashboard_session,
            metrics_token: config.metrics_token.clone(),
        })))
    }

    /// Whether this process is ready; whoever runs a worker in it lets it be watched here.
    #[must_use]
    pub fn health(&self) -> &Health {
        &self.0.health
    }

    /// What the metrics are read from, and the feed.
    pub(crate) fn db(&self) -> &Db {
        &self.0.db
    }

    /// What whoever wants the metrics must know.
    pub(crate) fn metrics_token(&self) -> Option<&SecretText> {
        self.0.metrics_token.as_ref()
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

    /// From where and when operators look.
    pub(crate) fn viewpoint(&self) -> Viewpoint {
        Viewpoint::new(self.0.clock.now(), self.0.lease)
    }

    /// What is known here of what workers send.
    pub(crate) fn preview(&self) -> &Preview {
        &self.0.preview
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

    /// What `pubkey` is to the operators' part of the API; `None` for nothing.
    pub(crate) fn role(&self, pubkey: &Pubkey) -> Option<Role> {
        self.0.roles.of(pubkey)
    }

    /// How long somebody stays signed in at the dashboard.
    pub(crate) fn session_lifetime(&self) -> Duration {
        self.0.session_lifetime
    }

    /// What event streams are told.
    pub(crate) fn feed(&self) -> &Feed {
        &self.0.feed
    }

    /// The most relays that a tenant can create; `None` for no limit.
    pub(crate) fn tenant_max_relays(&self) -> Option<u32> {
        self.0.tenant_max_relays
    }

    /// How much clients may use of the API.
    pub(crate) fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// The session headers whose signature was found right.
    pub(crate) fn verified(&self) -> &VerifiedTokens {
        &self.0.verified
    }

    /// Where relays are followed on their way to zooid.
    pub(crate) fn following(&self) -> &Following {
        &self.0.following
    }

    /// Cancelled when the server stops: what would go on for long ends then.
    pub(crate) fn closing(&self) -> &CancellationToken {
        &self.0.closing
    }

    /// The members of relays, as zooid knows them.
    pub(crate) fn members(&self) -> &Members {
        &self.0.members
    }

    pub(crate) fn allow_origins(&self) -> &AllowOrigins {
        &self.0.allow_origins
    }
}
