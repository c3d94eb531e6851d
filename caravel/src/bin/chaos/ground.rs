//! What the processes stand on: a folder, keys, a zooid, and the variables that bring them together.

use std::fs::{self, File};
use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context as _;
use nostr::key::Keys;
use shared::clock::{Clock as _, SystemClock};
use shared::config::{ActingConfig, Source, WorkerConfig};
use shared::domain::RelayId;
use tempfile::TempDir;
use zooid_sim::{SimConfig, ZooidSim};

/// The public URL of the API, as clients sign it: each API process listens on a port of its own, as behind a proxy.
pub const SERVER_URL: &str = "http://api.example.com";
/// What the relays are subdomains of.
pub const RELAY_DOMAIN: &str = "relays.example.com";
/// A worker's lease.
pub const LEASE_SECONDS: u64 = 2;
/// How long one sync may take.
pub const CALL_MS: u64 = 1_500;
/// How long after an ambiguous call the desired state is sent once more: longer than any call hangs in zooid.
pub const SETTLE_SECONDS: u64 = 8;

/// One moment on the two clocks that things are dated by.
#[derive(Debug, Clone, Copy)]
pub struct Origin {
    /// On the harness's own.
    pub instant: Instant,
    /// On the calendar, in Unix milliseconds, as the database has it.
    pub unix_ms: i64,
}

impl Origin {
    fn now() -> Self {
        Self {
            instant: Instant::now(),
            unix_ms: SystemClock.now().timestamp_millis(),
        }
    }
}

/// Everything that outlives the processes.
pub struct Ground {
    /// zooid.
    pub sim: ZooidSim,
    /// An admin, who removes relays.
    pub admin: Keys,
    /// When zooid's own clock began, which its records go by.
    pub origin: Origin,
    folder: TempDir,
    variables: Vec<(&'static str, String)>,
}

impl Ground {
    /// Makes it, with a zooid whose chances are drawn from `seed`.
    pub async fn prepare(seed: u64, log: &str) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("caravel-chaos-").tempdir();
        let folder = folder.context("make a temporary folder")?;
        let sim = ZooidSim::start(SimConfig {
            seed,
            // All of them: the verdict looks at each.
            calls_kept: usize::MAX,
            ..SimConfig::new(folder.path().join("zooid"))
        });
        let origin = Origin::now();
        let sim = sim.await.context("start the stand-in for zooid")?;
        let signing = Keys::generate();
        sim.whitelist([signing.public_key().to_hex()]);
        let admin = Keys::generate();
        let database = folder.path().join("caravel.db");
        let variables = vec![
            ("DATABASE_URL", format!("sqlite://{}", database.display())),
            (
                "CARAVEL_SECRETS_KEY",
                hex::encode(rand::random::<[u8; 32]>()),
            ),
            ("RELAY_DOMAIN", RELAY_DOMAIN.to_owned()),
            ("SERVER_URL", SERVER_URL.to_owned()),
            ("SERVER_PORT", "0".to_owned()),
            ("SERVER_ADMIN_PUBKEYS", admin.public_key().to_hex()),
            ("ZOOID_API_URL", sim.api_url()),
            ("ZOOID_API_SECRET", signing.secret_key().to_secret_hex()),
            ("ZOOID_TIMEOUT_MS", CALL_MS.to_string()),
            ("LIVEKIT_URL", "wss://rooms.example.com".to_owned()),
            ("LIVEKIT_API_KEY", "rooms-key".to_owned()),
            ("LIVEKIT_API_SECRET", "rooms-secret".to_owned()),
            ("BLOSSOM_S3_REGION", "eu".to_owned()),
            ("BLOSSOM_S3_BUCKET", "media".to_owned()),
            ("BLOSSOM_S3_ACCESS_KEY", "media-access".to_owned()),
            ("BLOSSOM_S3_SECRET_KEY", "media-secret".to_owned()),
            ("WORKER_CONCURRENCY", "8".to_owned()),
            ("WORKER_LEASE_SECONDS", LEASE_SECONDS.to_string()),
            // Low, so that relays are quarantined and the operator has something to do.
            ("WORKER_CRASH_BUDGET", "2".to_owned()),
            ("SYNC_BACKOFF_CAP_SECONDS", "2".to_owned()),
            ("SYNC_RECONCILE_SECONDS", "1".to_owned()),
            ("SYNC_SETTLE_SECONDS", SETTLE_SECONDS.to_string()),
            ("RUST_LOG", log.to_owned()),
        ];
        Ok(Self {
            sim,
            admin,
            origin,
            folder,
            variables,
        })
    }

    /// The variables that every process is started with.
    pub fn variables(&self) -> &[(&'static str, String)] {
        &self.variables
    }

    /// What a worker makes of them.
    pub fn worker_config(&self) -> anyhow::Result<WorkerConfig> {
        Ok(WorkerConfig::load(&self.source())?)
    }

    /// What an operator's command makes of them.
    pub fn acting_config(&self) -> anyhow::Result<ActingConfig> {
        Ok(ActingConfig::load(&self.source())?)
    }

    fn source(&self) -> Source {
        let variables = self.variables.iter();
        variables
            .map(|(name, value)| (*name, value.as_str()))
            .collect()
    }

    /// A file for what a process logs.
    pub fn log_file(&self, name: &str) -> anyhow::Result<File> {
        let folder = self.folder.path().join("logs");
        let made = fs::create_dir_all(&folder).and_then(|()| File::create(folder.join(name)));
        made.with_context(|| format!("make the log file {name}"))
    }

    /// Where zooid has the configuration of this relay, if it has one.
    pub fn zooid_file(&self, relay: &RelayId) -> PathBuf {
        self.folder
            .path()
            .join("zooid")
            .join(format!("{relay}.toml"))
    }

    /// Where the database is.
    pub fn database(&self) -> PathBuf {
        self.folder.path().join("caravel.db")
    }

    /// Leaves the folder for somebody to look at.
    pub fn keep(self) -> PathBuf {
        self.folder.keep()
    }
}
