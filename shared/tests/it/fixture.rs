//! A real database in a folder of its own, opened as production opens it, with a clock that stands still.

use chrono::DateTime;
use serde_json::Value;
use shared::{
    clock::ManualClock,
    command::{Command, CommandError, Context, Entropy, Trace, operator::ByOperator},
    crypto::{Sealer, SecretsKey},
    db::{DatabaseOptions, Db, Role, Synchronous},
    domain::{
        Actor, CreateTenantInput, JsonInput as _, NewRelay, PlanId, Pubkey, Relay, RelayPatch,
        RelaySettings, Rules, Tenant, UpdateRelayInput,
    },
    query::Query,
};
use sqlx::{Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};
use tempfile::TempDir;

/// When every test begins, in unix seconds.
pub const START: i64 = 1_800_000_000;
/// The domain all relays are served under.
pub const DOMAIN: &str = "spaces.example.com";
/// Attempts of a job.
pub const MAX_ATTEMPTS: u32 = 25;

const OWNER: &str = "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
const STRANGER: &str = "3bf0c63fcb93463407af97a5e5ee64fa883d107ef9e558472c4eb9aaaefa459d";

pub struct Fixture {
    pub db: Db,
    pub clock: ManualClock,
    pub sealer: Sealer,
    pub context: Context,
    pub command: Command,
    pub query: Query,
    /// Goes last: the files are in it.
    _folder: TempDir,
}

impl Fixture {
    pub async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = DatabaseOptions {
            path: folder.path().join("caravel.db"),
            synchronous: Synchronous::Full,
            role: Role::Interactive,
        };
        let db = Db::open(options).await.unwrap();
        let clock = ManualClock::new(DateTime::from_timestamp(START, 0).unwrap());
        let sealer = Sealer::new(SecretsKey::from_bytes(&[7; 32]), Vec::new());
        let context = Context {
            clock: std::sync::Arc::new(clock.clone()),
            sealer: sealer.clone(),
            entropy: Entropy::seeded(1),
            max_attempts: MAX_ATTEMPTS,
        };
        Self {
            command: Command::new(db.clone(), context.clone()),
            query: Query::new(&db),
            db,
            clock,
            sealer,
            context,
            _folder: folder,
        }
    }

    /// A database with one tenant, [`owner`].
    pub async fn with_tenant() -> Self {
        let fixture = Self::new().await;
        fixture.sign_up(owner()).await;
        fixture
    }

    /// A database with one tenant and one relay on the basic plan, `mine`.
    pub async fn with_relay() -> (Self, Relay) {
        let fixture = Self::with_tenant().await;
        let relay = fixture.create("mine").await;
        (fixture, relay)
    }

    pub async fn sign_up(&self, pubkey: Pubkey) -> Tenant {
        let new = CreateTenantInput::default().validate(pubkey).unwrap();
        self.command.create_tenant(new).await.unwrap()
    }

    pub async fn create(&self, subdomain: &str) -> Relay {
        let new = new_relay(owner(), subdomain);
        self.command
            .create_relay(Trace::new("trace-create"), new)
            .await
            .unwrap()
    }

    /// Updates as an API client does, with a JSON object.
    pub async fn update(&self, relay: &Relay, body: Value) -> Result<Relay, CommandError> {
        self.command
            .update_relay(Trace::new("trace-update"), relay.id.clone(), patch(&body))
            .await
    }

    /// Changes what no command would, to arrange a situation.
    pub async fn sql(&self, statement: &'static str) {
        let mut connection = self.second_connection().await;
        sqlx::query(statement)
            .execute(&mut connection)
            .await
            .unwrap();
    }

    /// A connection that shares nothing with the database under test but the file.
    pub async fn second_connection(&self) -> SqliteConnection {
        let options = SqliteConnectOptions::new().filename(self.db.path());
        SqliteConnection::connect_with(&options).await.unwrap()
    }

    /// A number that `statement` selects, as a second connection sees it.
    pub async fn number(&self, statement: &'static str) -> i64 {
        let mut connection = self.second_connection().await;
        sqlx::query_scalar(statement)
            .fetch_one(&mut connection)
            .await
            .unwrap()
    }

    /// A text that `statement` selects, as a second connection sees it.
    pub async fn text(&self, statement: &'static str) -> String {
        let mut connection = self.second_connection().await;
        sqlx::query_scalar(statement)
            .fetch_one(&mut connection)
            .await
            .unwrap()
    }

    /// How much there is of what a command may leave behind: lines in the log, and waiting jobs.
    pub async fn traces(&self) -> Traces {
        Traces {
            activities: self.number("SELECT count(*) FROM activity").await,
            waiting_jobs: self
                .number("SELECT count(*) FROM Jobs WHERE status = 'Pending' AND lock_by IS NULL")
                .await,
        }
    }

    /// Takes every waiting job out of the queue, as if a worker had done it.
    pub async fn drain(&self) {
        self.sql("UPDATE Jobs SET status = 'Done', idempotency_key = NULL")
            .await;
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Traces {
    pub activities: i64,
    pub waiting_jobs: i64,
}

/// The tenant that owns what the fixture creates.
pub fn owner() -> Pubkey {
    OWNER.parse().unwrap()
}

/// A key that is nobody's until it signs up.
pub fn stranger() -> Pubkey {
    STRANGER.parse().unwrap()
}

/// The billing system, which acts with an admin's key.
pub fn by_billing() -> ByOperator {
    ByOperator {
        actor: Actor::Admin(stranger()),
        trace: Trace::new("trace-billing"),
    }
}

pub fn new_relay(owner: Pubkey, subdomain: &str) -> NewRelay {
    NewRelay {
        tenant_pubkey: owner,
        zooid_domain: DOMAIN.parse().unwrap(),
        settings: RelaySettings::defaults(subdomain.parse().unwrap(), PlanId::Basic),
    }
}

pub fn patch(body: &Value) -> RelayPatch {
    let rules = Rules {
        served_domains: vec![DOMAIN.parse().unwrap()],
        ..Rules::default()
    };
    UpdateRelayInput::from_json(body)
        .unwrap()
        .validate(&rules)
        .unwrap()
}
