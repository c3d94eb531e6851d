//! A database as production opens it, commands on it, and relays to work with.

use std::{path::PathBuf, sync::Arc, time::Duration};

use futures::{StreamExt, stream};
use shared::{
    clock::SystemClock,
    command::{Command, Context, Entropy, Trace},
    crypto::{Sealer, SecretsKey},
    db::{DatabaseOptions, Db, Role, Synchronous},
    domain::{NewRelay, NewTenant, PlanId, Pubkey, Relay, RelaySettings, ZooidDomain},
    queue::RetryPolicy,
};

/// The secrets key that every process of a benchmark shares.
pub const SECRETS_KEY: [u8; 32] = [7; 32];
/// The domain the relays live under.
pub const RELAY_DOMAIN: &str = "relays.example.com";

pub const POLICY: RetryPolicy = RetryPolicy {
    max_attempts: 25,
    base: Duration::from_secs(1),
    cap: Duration::from_mins(15),
    call_deadline: Duration::from_secs(5),
    settle_after: Duration::from_mins(1),
};

pub struct Fixture {
    pub folder: tempfile::TempDir,
    pub db: Db,
    pub command: Command,
    pub owner: Pubkey,
}

impl Fixture {
    /// A new database with one tenant.
    pub async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let db = open(folder.path().join("caravel.db"), Role::Interactive).await;
        let context = Context {
            clock: Arc::new(SystemClock),
            sealer: Sealer::new(SecretsKey::from_bytes(&SECRETS_KEY), Vec::new()),
            entropy: Entropy::from_system(),
            max_attempts: POLICY.max_attempts,
        };
        let command = Command::new(db.clone(), context);
        let owner = nostr::key::Keys::generate()
            .public_key()
            .to_hex()
            .parse()
            .unwrap();
        let fixture = Self {
            folder,
            db,
            command,
            owner,
        };
        fixture.add_tenant().await;
        fixture
    }

    async fn add_tenant(&self) {
        let tenant = NewTenant {
            pubkey: self.owner.clone(),
            return_url: None,
        };
        self.command.create_tenant(tenant).await.unwrap();
    }

    pub fn database(&self) -> PathBuf {
        self.db.path().to_owned()
    }

    pub async fn create(&self, subdomain: &str) -> Relay {
        let new = NewRelay {
            tenant_pubkey: self.owner.clone(),
            zooid_domain: domain(),
            settings: RelaySettings::defaults(subdomain.parse().unwrap(), PlanId::Free),
        };
        self.command.create_relay(Trace::none(), new).await.unwrap()
    }

    /// Creates relays `r0 …`, many at a time.
    pub async fn create_many(&self, count: usize) {
        stream::iter(0..count)
            .for_each_concurrent(128, async |number| {
                self.create(&format!("r{number}")).await;
            })
            .await;
    }

    /// How many relays are out of step with zooid.
    pub async fn behind(&self) -> i64 {
        sqlx::query_scalar(
            "SELECT count(*) FROM relay_sync WHERE synced_generation < desired_generation",
        )
        .fetch_one(self.db.readers())
        .await
        .unwrap()
    }

    /// Waits until all relays are in step. One seek in a partial index a look, so that looking costs nothing.
    pub async fn all_synced(&self) {
        until(Duration::from_mins(5), async || {
            let behind: bool = sqlx::query_scalar(
                "SELECT EXISTS (
                     SELECT 1
                     FROM relay_sync INDEXED BY relay_sync_out_of_step
                     WHERE synced_generation < desired_generation
                 )",
            )
            .fetch_one(self.db.readers())
            .await
            .unwrap();
            !behind
        })
        .await;
    }
}

pub async fn open(path: PathBuf, role: Role) -> Db {
    let options = DatabaseOptions {
        path,
        synchronous: Synchronous::Full,
        role,
    };
    Db::open(options).await.unwrap()
}

pub fn domain() -> ZooidDomain {
    RELAY_DOMAIN.parse().unwrap()
}

/// Looks every few milliseconds until `done`, within a deadline.
pub async fn until(deadline: Duration, done: impl AsyncFn() -> bool) {
    let looking = async {
        let mut look = tokio::time::interval(Duration::from_millis(5));
        while !done().await {
            look.tick().await;
        }
    };
    tokio::time::timeout(deadline, looking).await.unwrap();
}
