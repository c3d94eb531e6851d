//! What a demo needs before it can begin: a folder, keys, ports, and a zooid.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, Write as _},
    net::Ipv4Addr,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use nostr::key::Keys;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use tokio::net::TcpListener;
use zooid_sim::{SimConfig, ZooidSim};

use crate::{cli::DemoArgs, keys::secrets_key};

/// The tenants, in the order in which they sign in.
pub const TENANTS: [&str; 3] = ["Ana", "Ben", "Chioma"];

/// What outlives a demo beside its database: without the keys, its secrets could not be opened again.
const KEYRING: &str = "demo.json";

/// All that stands ready.
pub struct Installation {
    /// Where everything is kept.
    pub folder: Folder,
    /// Who signs.
    pub keys: Keyring,
    /// The stand-in for the zooid that serves most relays.
    pub zooid: ZooidSim,
    /// The stand-in for a second one, which goes down now and then.
    pub annex: ZooidSim,
    /// Where the API will listen.
    pub listener: TcpListener,
    /// The URL of that.
    pub api_url: String,
}

impl Installation {
    /// Makes it in the folder asked for, or finds what an earlier demo left there.
    pub async fn start(arguments: &DemoArgs) -> anyhow::Result<Self> {
        let folder = Folder::open(arguments.data.as_deref())?;
        let found = Keyring::read(folder.path())?;
        // Relays have the ports in their host names, so they stay the same.
        let ports = found.as_ref().map_or((0, 0), Keyring::ports);
        let zooid = start_zooid(folder.path().join("zooid"), ports.0).await?;
        let annex = start_zooid(folder.path().join("annex"), ports.1).await?;
        let keys = match found {
            Some(keys) => keys,
            None => Keyring::create(folder.path(), zooid.addr().port(), annex.addr().port())?,
        };
        let signer = keys.signing()?.public_key().to_hex();
        zooid.whitelist([signer.clone()]);
        annex.whitelist([signer]);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, arguments.port))
            .await
            .with_context(|| format!("listen on port {}", arguments.port))?;
        let api_url = format!("http://{}", listener.local_addr()?);
        Ok(Self {
            folder,
            keys,
            zooid,
            annex,
            listener,
            api_url,
        })
    }

    /// The variables that `caravel serve` would be started with.
    pub fn variables(&self, log: &str) -> Vec<(&'static str, String)> {
        let database = self.folder.path().join("caravel.db");
        let targets = [
            (self.keys.relay_domain(), &self.zooid),
            (self.keys.annex_domain(), &self.annex),
        ];
        let targets = targets.map(|(domain, zooid)| format!("{domain}={}", zooid.api_url()));
        vec![
            ("DATABASE_URL", format!("sqlite://{}", database.display())),
            ("SERVER_URL", self.api_url.clone()),
            ("SERVER_ADMIN_PUBKEYS", self.keys.admin.public.clone()),
            ("CARAVEL_SECRETS_KEY", self.keys.secrets_key.clone()),
            ("ZOOID_TARGETS", targets.join(",")),
            ("ZOOID_API_SECRET", self.keys.signing.secret.clone()),
            // Shorter than an operator would choose, because somebody watches.
            ("ZOOID_TIMEOUT_MS", "1500".to_owned()),
            ("SYNC_BACKOFF_CAP_SECONDS", "4".to_owned()),
            ("RUST_LOG", log.to_owned()),
        ]
    }
}

/// On this port, or on a free one for 0.
async fn start_zooid(folder: PathBuf, port: u16) -> anyhow::Result<ZooidSim> {
    ZooidSim::start(SimConfig {
        port,
        admin_port: Some(0),
        ..SimConfig::new(folder)
    })
    .await
    .context("start a stand-in for zooid")
}

/// Where a demo keeps everything.
pub enum Folder {
    /// Removed when the demo ends.
    Temporary(TempDir),
    /// Kept.
    Given(PathBuf),
}

impl Folder {
    fn open(given: Option<&Path>) -> anyhow::Result<Self> {
        let Some(path) = given else {
            let folder = tempfile::Builder::new().prefix("caravel-demo-").tempdir();
            return Ok(Self::Temporary(folder.context("make a temporary folder")?));
        };
        fs::create_dir_all(path).with_context(|| format!("make the folder {}", path.display()))?;
        let path = path
            .canonicalize()
            .with_context(|| format!("find the folder {}", path.display()))?;
        Ok(Self::Given(path))
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        match self {
            Self::Temporary(folder) => folder.path(),
            Self::Given(path) => path,
        }
    }

    /// What becomes of the database.
    pub fn describe(&self) -> String {
        match self {
            Self::Temporary(_) => "database removed".to_owned(),
            Self::Given(path) => format!("database kept at {}", path.join("caravel.db").display()),
        }
    }

    /// Removes it if it is temporary.
    pub fn leave(self) -> io::Result<()> {
        match self {
            Self::Temporary(folder) => folder.close(),
            Self::Given(_) => Ok(()),
        }
    }
}

/// Everybody's keys, as the demo's folder keeps them.
#[derive(Serialize, Deserialize)]
pub struct Keyring {
    zooid_port: u16,
    annex_port: u16,
    secrets_key: String,
    signing: KeyPair,
    admin: KeyPair,
    tenants: [KeyPair; TENANTS.len()],
}

#[derive(Serialize, Deserialize)]
struct KeyPair {
    secret: String,
    public: String,
}

impl KeyPair {
    fn generate() -> Self {
        let keys = Keys::generate();
        Self {
            secret: keys.secret_key().to_secret_hex(),
            public: keys.public_key().to_hex(),
        }
    }

    fn keys(&self) -> anyhow::Result<Keys> {
        Keys::parse(&self.secret)
            .ok()
            .with_context(|| format!("read a key of {KEYRING}"))
    }
}

impl Keyring {
    fn read(folder: &Path) -> anyhow::Result<Option<Self>> {
        match fs::read(folder.join(KEYRING)) {
            Ok(json) => {
                let keys = serde_json::from_slice(&json);
                Ok(Some(keys.with_context(|| format!("read {KEYRING}"))?))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("read {KEYRING}")),
        }
    }

    fn create(folder: &Path, zooid_port: u16, annex_port: u16) -> anyhow::Result<Self> {
        let keys = Self {
            zooid_port,
            annex_port,
            secrets_key: secrets_key(),
            signing: KeyPair::generate(),
            admin: KeyPair::generate(),
            tenants: TENANTS.map(|_| KeyPair::generate()),
        };
        let path = folder.join(KEYRING);
        File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .and_then(|mut file| file.write_all(&serde_json::to_vec_pretty(&keys)?))
            .with_context(|| format!("write {}", path.display()))?;
        Ok(keys)
    }

    /// Who signs calls to zooid.
    pub fn signing(&self) -> anyhow::Result<Keys> {
        self.signing.keys()
    }

    /// The operator.
    pub fn admin(&self) -> anyhow::Result<Keys> {
        self.admin.keys()
    }

    /// The tenants, in the order of [`TENANTS`].
    pub fn tenants(&self) -> anyhow::Result<Vec<Keys>> {
        self.tenants.iter().map(KeyPair::keys).collect()
    }

    /// The tenants' names, by public key.
    pub fn names(&self) -> HashMap<String, &'static str> {
        self.tenants
            .iter()
            .map(|pair| pair.public.clone())
            .zip(TENANTS)
            .collect()
    }

    fn ports(&self) -> (u16, u16) {
        (self.zooid_port, self.annex_port)
    }

    /// What most relays are subdomains of. Names under `localhost` lead here without any DNS (RFC 6761).
    pub fn relay_domain(&self) -> String {
        format!("localhost:{}", self.zooid_port)
    }

    /// The same for the relays of the second zooid.
    pub fn annex_domain(&self) -> String {
        format!("localhost:{}", self.annex_port)
    }
}
