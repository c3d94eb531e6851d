//! What each program needs: its concerns, put together.

use std::time::Duration;

use super::operations::{PruneConfig, WatchConfig, read_metrics_token};
use super::reader::{Read, Reader};
use super::secrets::read_sealer;
use super::variable::{WORKER_LEASE_SECONDS, ZOOID_TIMEOUT_MS};
use super::{
    BlossomStorage, ConfigError, ConfigErrors, DatabaseConfig, DomainsConfig, LiveKitConfig,
    LogConfig, QueueConfig, RetryConfig, ServerConfig, SigningKey, Source, TargetConfig,
    ZooidConfig,
};
use crate::crypto::{Redactor, Sealer, SecretText};

/// The API server's configuration.
#[derive(Debug, Clone)]
pub struct ApiConfig {
    /// Logging.
    pub log: LogConfig,
    /// The database.
    pub database: DatabaseConfig,
    /// HTTP.
    pub server: ServerConfig,
    /// Seals the secrets of new relays.
    pub sealer: Sealer,
    /// The domains under which relays are served, at least one; with what it takes to read the members of their
    /// relays from zooid, which the API can do without.
    pub targets: Vec<TargetConfig<Option<ZooidConfig>>>,
    /// The budget of the jobs it enqueues.
    pub retry: RetryConfig,
    /// What whoever wants the metrics must know; without it, nobody gets them.
    pub metrics_token: Option<SecretText>,
    /// Where relays store blobs, as far as the API was told: it only shows what workers send.
    pub storage: BlossomStorage,
    /// The calls that relays offer, as far as the API was told.
    pub livekit: Option<LiveKitConfig>,
    /// How long workers may be silent.
    pub lease: Duration,
}

/// A worker's configuration.
#[derive(Debug, Clone)]
pub struct WorkerConfig {
    /// Logging.
    pub log: LogConfig,
    /// The database.
    pub database: DatabaseConfig,
    /// Opens the secrets of relays.
    pub sealer: Sealer,
    /// The zooids that are kept in step, at least one: it takes the jobs of their domains.
    pub targets: Vec<TargetConfig>,
    /// Where relays store blobs.
    pub storage: BlossomStorage,
    /// The calls that relays offer, if any.
    pub livekit: Option<LiveKitConfig>,
    /// How it works the queue off.
    pub queue: QueueConfig,
    /// When it tries again.
    pub retry: RetryConfig,
    /// How it looks custom domains up.
    pub domains: DomainsConfig,
    /// What it forgets.
    pub prune: PruneConfig,
    /// How it shows how it is.
    pub watch: WatchConfig,
    /// What a person should know although the program can run; for the log.
    pub warnings: Vec<String>,
}

/// The configuration of an operator's command: it works on the database alone.
#[derive(Debug, Clone)]
pub struct ShellConfig {
    /// Logging.
    pub log: LogConfig,
    /// The database.
    pub database: DatabaseConfig,
    /// The budget of the jobs it enqueues.
    pub retry: RetryConfig,
    /// How long workers may be silent.
    pub lease: Duration,
}

/// The configuration of an operator's command that changes something.
#[derive(Debug, Clone)]
pub struct ActingConfig {
    /// What every operator's command needs.
    pub shell: ShellConfig,
    /// Signs previews; seals secrets anew.
    pub sealer: Sealer,
}

/// The configuration of the command that explains a relay.
#[derive(Debug, Clone)]
pub struct ExplainConfig {
    /// What every operator's command needs.
    pub shell: ShellConfig,
    /// Tells whether secrets in a relay's configuration have changed.
    pub sealer: Sealer,
    /// Where relays store blobs, as far as this host was told: it only shows what workers send.
    pub storage: BlossomStorage,
    /// The calls that relays offer, as far as this host was told.
    pub livekit: Option<LiveKitConfig>,
}

/// The configuration of API and worker in one process.
#[derive(Debug, Clone)]
pub struct ServeConfig {
    /// The API's part.
    pub api: ApiConfig,
    /// The worker's part.
    pub worker: WorkerConfig,
}

impl ApiConfig {
    /// Reads what the API needs.
    ///
    /// # Errors
    ///
    /// Everything that is missing or malformed, at once.
    pub fn load(source: &Source) -> Result<Self, ConfigErrors> {
        Reader::load(source, Self::read)
    }

    fn read(reader: &mut Reader<'_>) -> Read<Self> {
        let log = LogConfig::read(reader);
        let database = DatabaseConfig::read(reader);
        let server = ServerConfig::read(reader);
        let sealer = read_sealer(reader);
        let targets = TargetConfig::read_optional(reader);
        let retry = RetryConfig::read(reader);
        let metrics_token = read_metrics_token(reader);
        let storage = BlossomStorage::read(reader);
        let livekit = LiveKitConfig::read_optional(reader);
        let lease = reader.seconds(&WORKER_LEASE_SECONDS);
        Ok(Self {
            log: log?,
            database: database?,
            server: server?,
            sealer: sealer?,
            targets: targets?,
            retry: retry?,
            metrics_token: metrics_token?,
            storage: storage?,
            livekit: livekit?,
            lease: lease?,
        })
    }

    /// A redactor that knows every secret in here that zooid, or something on the way to it, may send back.
    #[must_use]
    pub fn redactor(&self) -> Redactor {
        let secrets: Vec<_> = self
            .targets
            .iter()
            .filter_map(|target| Some(target.zooid.as_ref()?.signing_key.secret()))
            .collect();
        Redactor::new(secrets.iter().map(SecretText::expose))
    }
}

impl WorkerConfig {
    /// Reads what a worker needs.
    ///
    /// # Errors
    ///
    /// Everything that is missing or malformed, at once.
    pub fn load(source: &Source) -> Result<Self, ConfigErrors> {
        Reader::load(source, Self::read)
    }

    fn read(reader: &mut Reader<'_>) -> Read<Self> {
        let log = LogConfig::read(reader);
        let database = DatabaseConfig::read(reader);
        let sealer = read_sealer(reader);
        let targets = TargetConfig::read_all(reader);
        let storage = BlossomStorage::read(reader);
        let livekit = LiveKitConfig::read_optional(reader);
        let queue = QueueConfig::read(reader);
        let retry = RetryConfig::read(reader);
        let domains = DomainsConfig::read(reader);
        let prune = PruneConfig::read(reader);
        let watch = WatchConfig::read(reader);
        check_deadline(reader)?;
        Ok(Self {
            log: log?,
            database: database?,
            sealer: sealer?,
            targets: targets?,
            storage: storage?,
            livekit: livekit?,
            queue: queue?,
            retry: retry?,
            domains: domains?,
            prune: prune?,
            watch: watch?,
            warnings: reader.take_warnings(),
        })
    }

    /// A redactor that knows every secret in here that zooid, or something on the way to it, may send back.
    #[must_use]
    pub fn redactor(&self) -> Redactor {
        let keys = self.targets.iter().map(|target| &target.zooid.signing_key);
        let mut secrets: Vec<_> = keys.map(SigningKey::secret).collect();
        if let BlossomStorage::S3(s3) = &self.storage {
            secrets.extend([s3.access_key.clone(), s3.secret_key.clone()]);
        }
        if let Some(livekit) = &self.livekit {
            secrets.extend([livekit.api_key.clone(), livekit.api_secret.clone()]);
        }
        Redactor::new(secrets.iter().map(SecretText::expose))
    }
}

/// A call that outlived its lease would run beside the one of the worker that took the job over.
fn check_deadline(reader: &mut Reader<'_>) -> Read<()> {
    let timeout = reader.millis(&ZOOID_TIMEOUT_MS)?;
    let lease = reader.seconds(&WORKER_LEASE_SECONDS)?;
    if timeout < lease {
        return Ok(());
    }
    Err(reader.refuse(ConfigError::Disagree {
        name: ZOOID_TIMEOUT_MS.name,
        other: WORKER_LEASE_SECONDS.name,
        rule: "a call must end before the lease does",
    }))
}

impl ShellConfig {
    /// Reads what an operator's command needs.
    ///
    /// # Errors
    ///
    /// Everything that is missing or malformed, at once.
    pub fn load(source: &Source) -> Result<Self, ConfigErrors> {
        Reader::load(source, Self::read)
    }

    fn read(reader: &mut Reader<'_>) -> Read<Self> {
        let log = LogConfig::read(reader);
        let database = DatabaseConfig::read(reader);
        let retry = RetryConfig::read(reader);
        let lease = reader.seconds(&WORKER_LEASE_SECONDS);
        Ok(Self {
            log: log?,
            database: database?,
            retry: retry?,
            lease: lease?,
        })
    }
}

impl ActingConfig {
    /// Reads what an operator's command needs that changes something.
    ///
    /// # Errors
    ///
    /// Everything that is missing or malformed, at once.
    pub fn load(source: &Source) -> Result<Self, ConfigErrors> {
        Reader::load(source, |reader| {
            let shell = ShellConfig::read(reader);
            let sealer = read_sealer(reader);
            Ok(Self {
                shell: shell?,
                sealer: sealer?,
            })
        })
    }
}

impl ExplainConfig {
    /// Reads what explaining a relay needs.
    ///
    /// # Errors
    ///
    /// Everything that is missing or malformed, at once.
    pub fn load(source: &Source) -> Result<Self, ConfigErrors> {
        Reader::load(source, |reader| {
            let shell = ShellConfig::read(reader);
            let sealer = read_sealer(reader);
            let storage = BlossomStorage::read(reader);
            let livekit = LiveKitConfig::read_optional(reader);
            Ok(Self {
                shell: shell?,
                sealer: sealer?,
                storage: storage?,
                livekit: livekit?,
            })
        })
    }
}

impl ServeConfig {
    /// Reads what API and worker need together.
    ///
    /// # Errors
    ///
    /// Everything that is missing or malformed, at once.
    pub fn load(source: &Source) -> Result<Self, ConfigErrors> {
        Reader::load(source, |reader| {
            let api = ApiConfig::read(reader);
            let worker = WorkerConfig::read(reader);
            Ok(Self {
                api: api?,
                worker: worker?,
            })
        })
    }
}
