//! A database with relays that wait to be synced, and a worker whose clock stands still until a test moves it.

use std::{future::Future, sync::Arc, time::Duration};

use chrono::DateTime;
use shared::{
    clock::{ManualClock, SharedClock},
    command::{Command, Context, Entropy, Trace},
    config::PruneConfig,
    crypto::{Sealer, SecretsKey},
    db::{DatabaseOptions, Db, Role, Synchronous},
    domain::{
        FailureKind, NewRelay, NewTenant, PlanId, Pubkey, Relay, RelaySettings, SyncFailure,
        SyncReport, Verb, ZooidDomain,
    },
    queue::{ClaimedSync, EngineConfig, RetryPolicy},
};
use tokio_util::sync::CancellationToken;
use worker::{MaintenanceConfig, RunConfig, RunningWorker};

const OWNER: &str = "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";

pub struct Fixture {
    _folder: tempfile::TempDir,
    pub db: Db,
    pub clock: ManualClock,
    pub stop: CancellationToken,
    command: Command,
}

impl Fixture {
    pub async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = ManualClock::new(DateTime::from_timestamp(1_800_000_000, 0).unwrap());
        let path = folder.path().join("caravel.db");
        let options = |role| DatabaseOptions {
            path: path.clone(),
            synchronous: Synchronous::Full,
            role,
        };
        // Two handles, as two processes have them: nothing but the file and the wake connects them.
        let db = Db::open(options(Role::Background)).await.unwrap();
        let api = Db::open(options(Role::Interactive)).await.unwrap();
        let context = Context {
            clock: Arc::new(clock.clone()),
            sealer: Sealer::new(SecretsKey::from_bytes(&[7; 32]), Vec::new()),
            entropy: Entropy::seeded(1),
            max_attempts: 5,
        };
        let command = Command::new(api, context);
        let tenant = NewTenant {
            pubkey: owner(),
            return_url: None,
        };
        command.create_tenant(tenant).await.unwrap();
        Self {
            _folder: folder,
            db,
            clock,
            stop: CancellationToken::new(),
            command,
        }
    }

    pub async fn create(&self, subdomain: &str) -> Relay {
        let new = NewRelay {
            tenant_pubkey: owner(),
            zooid_domain: domain(),
            settings: RelaySettings::defaults(subdomain.parse().unwrap(), PlanId::Free),
        };
        self.command.create_relay(Trace::none(), new).await.unwrap()
    }

    pub async fn start<H, F>(&self, slots: usize, drain: Duration, handler: H) -> RunningWorker
    where
        H: Fn(ClaimedSync) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = SyncReport> + Send + 'static,
    {
        let clock = Arc::new(self.clock.clone());
        self.start_by(clock, slots, drain, handler).await
    }

    /// The same with a clock of the test's own.
    pub async fn start_by<H, F>(
        &self,
        clock: SharedClock,
        slots: usize,
        drain: Duration,
        handler: H,
    ) -> RunningWorker
    where
        H: Fn(ClaimedSync) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = SyncReport> + Send + 'static,
    {
        let policy = RetryPolicy {
            max_attempts: 5,
            base: Duration::from_mins(1),
            cap: Duration::from_mins(15),
            call_deadline: Duration::from_secs(5),
            settle_after: Duration::from_mins(1),
        };
        let config = RunConfig {
            engine: EngineConfig {
                worker: "worker-under-test".parse().unwrap(),
                slots,
                targets: vec![domain()],
                lease: Duration::from_secs(10),
                crash_budget: 3,
                policy,
            },
            maintenance: MaintenanceConfig {
                reconcile_every: Duration::from_secs(30),
                max_attempts: policy.max_attempts,
                prune: PruneConfig {
                    after: Duration::from_hours(14 * 24),
                    keep_rows: 1_000_000,
                },
            },
            drain,
        };
        worker::start(self.db.clone(), clock, config, handler, self.stop.clone())
            .await
            .unwrap()
    }

    /// The answer of a query that counts something.
    pub async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql)
            .fetch_one(self.db.readers())
            .await
            .unwrap()
    }

    /// Waits until a query counts `wanted`.
    pub async fn until(&self, wanted: i64, sql: &'static str) {
        let looking = async {
            while self.count(sql).await != wanted {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), looking)
            .await
            .unwrap_or_else(|_| panic!("never {wanted}: {sql}"));
    }
}

pub const SYNCED: &str =
    "SELECT count(*) FROM relay_sync WHERE synced_generation = desired_generation";

fn owner() -> Pubkey {
    OWNER.parse().unwrap()
}

pub fn domain() -> ZooidDomain {
    "relays.example.com".parse().unwrap()
}

pub fn accepted() -> SyncReport {
    SyncReport {
        verb: Some(Verb::Post),
        status: Some(201),
        result: Ok("{}".to_owned()),
    }
}

pub fn unreachable() -> SyncReport {
    SyncReport {
        verb: Some(Verb::Post),
        status: None,
        result: Err(SyncFailure {
            kind: FailureKind::Unreachable,
            status: None,
            message: "connection refused".to_owned(),
            excerpt: None,
            retry_after: None,
            taken: None,
        }),
    }
}

/// Why rows could not be arranged.
#[derive(Debug, thiserror::Error)]
pub enum WriteFailed {
    #[error(transparent)]
    Sql(#[from] sqlx::Error),
    #[error(transparent)]
    Write(#[from] shared::db::WriteError),
}
