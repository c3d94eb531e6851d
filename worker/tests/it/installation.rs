//! A database, one zooid for each domain, and workers as configurations make them. All of them share one clock, which
//! runs only while a test waits.

use std::{sync::Arc, time::Duration};

use chrono::DateTime;
use shared::{
    clock::ManualClock,
    command::{Command, Context, Entropy, Trace},
    config::{Source, WorkerConfig},
    crypto::Sealer,
    db::{DatabaseOptions, Db, Role, Synchronous, WriteTx},
    domain::{
        JsonInput as _, NewRelay, NewTenant, PlanId, Pubkey, Relay, RelaySettings, Rules,
        UpdateRelayInput,
    },
};
use tokio_util::sync::CancellationToken;
use worker::{Ended, RunningWorker, start_configured};
use zooid_sim::{SimConfig, ZooidSim};

use crate::fixture::WriteFailed;

const OWNER: &str = "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
/// 32 bytes of 7.
pub const SECRETS_KEY: &str = "0707070707070707070707070707070707070707070707070707070707070707";
/// How long a condition may take to come true, on the machine's clock.
const SOON: Duration = Duration::from_secs(30);
const AT_LAST: Duration = Duration::from_mins(5);

pub const EU: &str = "eu.example.com";
pub const US: &str = "us.example.com";

/// The keys that the zooids let in, one each, and their public halves.
const KEYS: [(&str, &str); 2] = [
    (
        "0000000000000000000000000000000000000000000000000000000000000001",
        "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798",
    ),
    (
        "0000000000000000000000000000000000000000000000000000000000000002",
        "c6047f9441ed7d6d3045406e95c07cd85c778e4b8cef3ca7abac09b95c709ee5",
    ),
];

pub struct Installation {
    pub eu: ZooidSim,
    pub us: ZooidSim,
    pub db: Db,
    pub clock: ManualClock,
    command: Command,
    folder: tempfile::TempDir,
}

/// A worker that runs, and what ends it.
pub struct Worker {
    running: RunningWorker,
    stop: CancellationToken,
    db: Db,
    clock: ManualClock,
}

impl Worker {
    pub async fn stop(self) {
        self.stop.cancel();
        let ticking = async {
            loop {
                self.clock.advance(Duration::from_millis(100));
                tokio::task::yield_now().await;
            }
        };
        let ended = tokio::select! {
            ended = self.running.ended() => ended,
            () = ticking => unreachable!(),
        };
        assert_eq!(ended.unwrap(), Ended::Drained);
        self.db.close().await;
    }
}

impl Installation {
    pub async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = ManualClock::new(DateTime::from_timestamp(1_800_000_000, 0).unwrap());
        let [eu, us] = [(EU, KEYS[0]), (US, KEYS[1])].map(|(name, (_, public))| {
            let clock = clock.clone();
            ZooidSim::start(SimConfig {
                whitelist: vec![public.to_owned()],
                clock: Arc::new(move || shared::clock::Clock::now(&clock).into()),
                ..SimConfig::new(folder.path().join(name))
            })
        });
        let db = open(&folder, Role::Interactive).await;
        let context = Context {
            clock: Arc::new(clock.clone()),
            sealer: Sealer::new(SECRETS_KEY.parse().unwrap(), Vec::new()),
            entropy: Entropy::seeded(1),
            max_attempts: 5,
        };
        let command = Command::new(db.clone(), context);
        let tenant = NewTenant {
            pubkey: owner(),
            return_url: None,
        };
        command.create_tenant(tenant).await.unwrap();
        Self {
            eu: eu.await.unwrap(),
            us: us.await.unwrap(),
            db,
            clock,
            command,
            folder,
        }
    }

    /// A worker in a process of its own, as far as the database can tell.
    pub async fn worker(&self, changes: &[(&str, &str)]) -> Worker {
        let db = open(&self.folder, Role::Background).await;
        let stop = CancellationToken::new();
        let config = self.config(changes);
        let clock = Arc::new(self.clock.clone());
        let running = start_configured(db.clone(), clock, &config, stop.clone())
            .await
            .unwrap();
        Worker {
            running,
            stop,
            db,
            clock: self.clock.clone(),
        }
    }

    fn config(&self, changes: &[(&str, &str)]) -> WorkerConfig {
        let us = self
            .us
            .api_url()
            .replace("//", &format!("//{}@", KEYS[1].0));
        let targets = format!("{EU}={},{US}={us}", self.eu.api_url());
        let variables = [
            ("CARAVEL_SECRETS_KEY", SECRETS_KEY),
            ("ZOOID_TARGETS", &targets),
            ("ZOOID_API_SECRET", KEYS[0].0),
            ("BLOSSOM_S3_REGION", "eu-1"),
            ("BLOSSOM_S3_BUCKET", "blobs"),
            ("BLOSSOM_S3_ACCESS_KEY", "access"),
            ("BLOSSOM_S3_SECRET_KEY", "word"),
        ];
        WorkerConfig::load(&variables.iter().chain(changes).copied().collect::<Source>()).unwrap()
    }

    pub async fn create(&self, domain: &str, subdomain: &str, plan: PlanId) -> Relay {
        let new = NewRelay {
            tenant_pubkey: owner(),
            zooid_domain: domain.parse().unwrap(),
            settings: RelaySettings::defaults(subdomain.parse().unwrap(), plan),
        };
        self.command.create_relay(Trace::none(), new).await.unwrap()
    }

    /// Sets the custom domain of a relay as its tenant would; "" for none.
    pub async fn set_custom_domain(&self, relay: &Relay, domain: &str) {
        let body = serde_json::json!({"custom_domain": domain});
        let input = UpdateRelayInput::from_json(&body).unwrap();
        let patch = input.validate(&Rules::default()).unwrap();
        self.command
            .update_relay(Trace::none(), relay.id.clone(), patch)
            .await
            .unwrap();
    }

    /// Changes rows, to arrange a situation.
    pub async fn sql(&self, statement: &'static str) {
        self.db
            .write(async move |tx: &mut WriteTx| -> Result<(), WriteFailed> {
                sqlx::query(statement).execute(&mut *tx).await?;
                Ok(())
            })
            .await
            .unwrap();
    }

    pub async fn text(&self, sql: &'static str) -> String {
        sqlx::query_scalar(sql)
            .fetch_one(self.db.readers())
            .await
            .unwrap()
    }

    /// Waits until a query answers `wanted`.
    pub async fn until(&self, wanted: &str, sql: &'static str) {
        self.until_it(sql, SOON, |text| text == wanted).await;
    }

    /// The same for what takes thousands of calls.
    pub async fn until_at_last(&self, wanted: &str, sql: &'static str) {
        self.until_it(sql, AT_LAST, |text| text == wanted).await;
    }

    /// Waits until a query answers something else than `former`.
    pub async fn until_not(&self, former: &str, sql: &'static str) {
        self.until_it(sql, SOON, |text| text != former).await;
    }

    /// Meanwhile the clock runs, so whoever looks now and then does.
    async fn until_it(
        &self,
        sql: &'static str,
        deadline: Duration,
        is_wanted: impl Fn(&str) -> bool,
    ) {
        let waiting = async {
            while !is_wanted(&self.text(sql).await) {
                self.clock.advance(Duration::from_millis(1));
            }
        };
        let waited = tokio::time::timeout(deadline, waiting).await;
        assert!(waited.is_ok(), "still {}: {sql}", self.text(sql).await);
    }

    /// Lets time pass in steps that a heartbeat survives.
    pub async fn pass(&self, seconds: u32) {
        self.pass_by(seconds * 10, Duration::from_millis(100)).await;
    }

    /// The same in steps of a second: for many minutes, and a single worker.
    pub async fn pass_in_leaps(&self, seconds: u32) {
        self.pass_by(seconds, Duration::from_secs(1)).await;
    }

    async fn pass_by(&self, steps: u32, step: Duration) {
        for _ in 0..steps {
            self.clock.advance(step);
            self.text("SELECT 'time for the others'").await;
        }
    }
}

async fn open(folder: &tempfile::TempDir, role: Role) -> Db {
    let options = DatabaseOptions {
        path: folder.path().join("caravel.db"),
        synchronous: Synchronous::Full,
        role,
    };
    Db::open(options).await.unwrap()
}

fn owner() -> Pubkey {
    OWNER.parse().unwrap()
}
