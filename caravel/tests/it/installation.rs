//! A database, a zooid and the variables that bring Caravel's processes together with them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::{StreamExt as _, stream};
use nostr::key::Keys;
use shared::clock::SystemClock;
use shared::command::{Command as Commands, Context, Entropy, Trace};
use shared::crypto::{Sealer, SecretsKey};
use shared::db::{DatabaseOptions, Db, Role, Synchronous};
use shared::domain::{NewRelay, NewTenant, PlanId, Pubkey, Relay, RelaySettings};
use tempfile::TempDir;
use tokio::process::Command;
use zooid_sim::{SimConfig, ZooidSim};

use crate::client::Client;
use crate::process::Process;
use crate::wait::until;

/// What the relays are subdomains of.
pub const RELAY_DOMAIN: &str = "relays.example.com";

pub struct Installation {
    pub sim: ZooidSim,
    pub admin: Keys,
    pub tenant: Keys,
    signing: Keys,
    folder: TempDir,
    variables: Vec<(&'static str, String)>,
}

impl Installation {
    /// Seals what `create_relays` makes, and is the key of its processes unless another one is set.
    pub const SECRETS_KEY: [u8; 32] = [7; 32];

    /// A zooid, and nothing of Caravel yet.
    pub async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = SimConfig {
            admin_port: Some(0),
            ..SimConfig::new(folder.path().join("zooid"))
        };
        let sim = ZooidSim::start(config).await.unwrap();
        let signing = Keys::generate();
        sim.whitelist([signing.public_key().to_hex()]);
        Self {
            sim,
            admin: Keys::generate(),
            tenant: Keys::generate(),
            signing,
            folder,
            variables: Vec::new(),
        }
    }

    /// The same, with a variable set for its processes.
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.variables.push((name, value.to_owned()));
        self
    }

    /// A Caravel program of this installation, in an environment that has nothing else.
    pub fn program(&self, arguments: &[&str]) -> Command {
        self.at_home(program(arguments))
    }

    /// The same, started by another program.
    pub fn program_under(&self, starter: &[&str], arguments: &[&str]) -> Command {
        let mut command = Command::new(starter[0]);
        command.args(&starter[1..]).env_clear();
        command.arg(env!("CARGO_BIN_EXE_caravel")).args(arguments);
        self.at_home(command)
    }

    /// A worker of the chaos harness: something happens to it when it comes to a step.
    pub fn doomed_worker(&self, step: &str, action: &str, relay: &str) -> Process {
        let mut command = Command::new(env!("CARGO_BIN_EXE_chaos"));
        command.arg("child-worker").env_clear();
        command.args(["--step", step, "--action", action, "--relay", relay]);
        Process::spawn(self.at_home(command))
    }

    fn at_home(&self, mut command: Command) -> Command {
        command
            .current_dir(self.folder.path())
            .env(
                "DATABASE_URL",
                format!("sqlite://{}", self.database().display()),
            )
            .env("CARAVEL_SECRETS_KEY", hex::encode(Self::SECRETS_KEY))
            .env("RELAY_DOMAIN", RELAY_DOMAIN)
            .env("SERVER_URL", Client::SERVER_URL)
            .env("SERVER_PORT", "0")
            .env("SERVER_ADMIN_PUBKEYS", self.admin.public_key().to_hex())
            .env("ZOOID_API_URL", self.sim.api_url())
            .env(
                "ZOOID_API_SECRET",
                self.signing.secret_key().to_secret_hex(),
            )
            .env("RUST_LOG", "info")
            .envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// A worker that takes jobs.
    pub async fn worker(&self) -> Process {
        let mut worker = Process::spawn(self.program(&["worker"]));
        worker.printed("worker ").await;
        worker
    }

    /// An API, and the tenant as its client.
    pub async fn api(&self) -> (Process, Client) {
        let mut api = Process::spawn(self.program(&["api"]));
        let url = api.printed("listening on ").await;
        (api, self.tenant_at(&url).await)
    }

    /// The tenant as a client of the API at `url`.
    pub async fn tenant_at(&self, url: &str) -> Client {
        Client::sign_in(url, self.tenant.clone()).await
    }

    /// API and worker in one process, and the tenant as its client.
    pub async fn serve(&self) -> (Process, Client) {
        let (process, url) = self.serving().await;
        (process, Client::sign_in(&url, self.tenant.clone()).await)
    }

    /// API and worker in one process, and where the API listens.
    pub async fn serving(&self) -> (Process, String) {
        let mut process = Process::spawn(self.program(&["serve"]));
        let url = process.printed("listening on ").await;
        process.printed("worker ").await;
        (process, url)
    }

    /// Where its processes run.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where the database is. Its folder does not exist before a process made it.
    pub fn database(&self) -> PathBuf {
        self.folder.path().join("data/caravel.db")
    }

    /// The database, as one more process that answers people.
    pub async fn db(&self) -> Db {
        Db::open(DatabaseOptions {
            path: self.database(),
            synchronous: Synchronous::Full,
            role: Role::Interactive,
        })
        .await
        .unwrap()
    }
}

/// A Caravel program that is told nothing but its arguments.
pub fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_caravel"));
    command.args(arguments).env_clear();
    command
}

/// Creates relays `r0 …` without HTTP, many at a time.
pub async fn create_relays(installation: &Installation, db: &Db, count: usize) -> Vec<Relay> {
    let names = (0..count).map(|number| format!("r{number}"));
    create_named(installation, db, names).await
}

/// Creates relays of these names without HTTP, many at a time.
pub async fn create_named(
    installation: &Installation,
    db: &Db,
    names: impl Iterator<Item = String>,
) -> Vec<Relay> {
    let context = Context {
        clock: Arc::new(SystemClock),
        sealer: Sealer::new(
            SecretsKey::from_bytes(&Installation::SECRETS_KEY),
            Vec::new(),
        ),
        entropy: Entropy::from_system(),
        max_attempts: 25,
    };
    let commands = Commands::new(db.clone(), context);
    let owner: Pubkey = installation.tenant.public_key().to_hex().parse().unwrap();
    let tenant = NewTenant {
        pubkey: owner.clone(),
        return_url: None,
    };
    commands.create_tenant(tenant).await.unwrap();
    stream::iter(names)
        .map(async |name| {
            let subdomain = name.parse().unwrap();
            let new = NewRelay {
                tenant_pubkey: owner.clone(),
                zooid_domain: RELAY_DOMAIN.parse().unwrap(),
                settings: RelaySettings::defaults(subdomain, PlanId::Free),
            };
            commands.create_relay(Trace::none(), new).await.unwrap()
        })
        .buffered(128)
        .collect()
        .await
}

/// One number from the database.
pub async fn number(db: &Db, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql)
        .fetch_one(db.readers())
        .await
        .unwrap()
}

/// Waits until zooid has the newest settings of so many relays.
pub async fn until_in_step(db: &Db, relays: i64) {
    until("every relay to be in step", async || {
        let in_step =
            "SELECT count(*) FROM relay_sync WHERE synced_generation = desired_generation";
        number(db, in_step).await == relays
    })
    .await;
}
