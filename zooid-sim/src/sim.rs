//! The stand-in as a whole, and the handle to it.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use serde_json::{Map, Value};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::admin;
use crate::auth::Clock;
use crate::config::Config;
use crate::faults::{Fault, FaultError};
use crate::injector::Faults;
use crate::management::Management;
use crate::recorder::{Call, Recorder, RelayRecord, Totals};
use crate::routes::App;
use crate::server::Server;
use crate::store::{LoadError, Store};

/// How to start a stand-in.
#[derive(Clone)]
pub struct SimConfig {
    /// The folder of TOML files; created if need be.
    pub config_dir: PathBuf,
    /// The address to bind.
    pub host: IpAddr,
    /// The port to bind; 0 takes a free one.
    pub port: u16,
    /// The `Host` header of the management API; `127.0.0.1:<port>` when absent.
    pub api_host: Option<String>,
    /// Hex public keys that may use the management API.
    pub whitelist: Vec<String>,
    /// The fault port on 127.0.0.1; 0 takes a free one, none opens none.
    pub admin_port: Option<u16>,
    /// Seed of the faults that hit with a probability.
    pub seed: u64,
    /// What NIP-98 events are compared with.
    pub clock: Clock,
    /// How many calls of each relay are kept.
    pub calls_kept: usize,
}

impl SimConfig {
    /// A free port on 127.0.0.1, nobody on the whitelist, no fault port, the system's clock.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "the default clock: the one place that asks the machine"
    )]
    pub fn new(config_dir: impl Into<PathBuf>) -> Self {
        Self {
            config_dir: config_dir.into(),
            host: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 0,
            api_host: None,
            whitelist: Vec::new(),
            admin_port: None,
            seed: 0,
            clock: Arc::new(SystemTime::now),
            calls_kept: 100,
        }
    }
}

/// Starting or coming up again failed.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The files cannot be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The port cannot be had.
    #[error("listen on {addr}")]
    Listen {
        /// The address.
        addr: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// A running stand-in. Dropping it closes its ports and connections at once; [`ZooidSim::shutdown`] does so in order.
pub struct ZooidSim {
    controls: Arc<Controls>,
    admin_addr: Option<SocketAddr>,
    admin_task: Option<JoinHandle<()>>,
    admin_stop: CancellationToken,
}

/// What the handle and the fault port have in common.
pub(crate) struct Controls {
    pub(crate) app: Arc<App>,
    pub(crate) server: Arc<Server>,
}

impl ZooidSim {
    /// Loads the folder and serves; returns once connections are accepted. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// The folder cannot be read, a file in it would bring zooid down, or a port cannot be had.
    pub async fn start(config: SimConfig) -> Result<Self, StartError> {
        let store = Arc::new(Store::new(config.config_dir));
        store.load_all()?;
        let (listener, addr) = bind(SocketAddr::new(config.host, config.port)).await?;
        let app = Arc::new(App {
            api_host: config
                .api_host
                .unwrap_or_else(|| format!("127.0.0.1:{}", addr.port())),
            management: Management::new(Arc::clone(&store), config.whitelist, config.clock),
            store,
            faults: Faults::new(config.seed),
            recorder: Arc::new(Recorder::new(config.calls_kept)),
        });
        let server = Server::start(Arc::clone(&app), listener)
            .map_err(|source| StartError::Listen { addr, source })?;
        let controls = Arc::new(Controls { app, server });
        let mut sim = Self {
            controls,
            admin_addr: None,
            admin_task: None,
            admin_stop: CancellationToken::new(),
        };
        if let Some(port) = config.admin_port {
            sim.open_admin(port).await?;
        }
        Ok(sim)
    }

    async fn open_admin(&mut self, port: u16) -> Result<(), StartError> {
        let (listener, addr) = bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?;
        let controls = Arc::clone(&self.controls);
        let serving = admin::serve(listener, controls, self.admin_stop.clone());
        self.admin_task = Some(tokio::spawn(serving));
        self.admin_addr = Some(addr);
        Ok(())
    }

    /// The address that is bound.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.controls.server.addr()
    }

    /// `http://127.0.0.1:<port>`: where to connect to, and, unless `api_host` was set, the management API's URL.
    #[must_use]
    pub fn api_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.addr().port())
    }

    /// The fault port's address, if there is one.
    #[must_use]
    pub fn admin_addr(&self) -> Option<SocketAddr> {
        self.admin_addr
    }

    /// Replaces the whitelist by these hex public keys.
    pub fn whitelist<I>(&self, pubkeys: I)
    where
        I: IntoIterator<Item: Into<String>>,
    {
        let pubkeys = pubkeys.into_iter().map(Into::into).collect();
        self.controls.app.management.set_whitelist(pubkeys);
    }

    /// Puts a fault in force.
    ///
    /// # Errors
    /// The fault makes no sense in HTTP or as a probability.
    pub fn inject(&self, fault: Fault) -> Result<(), FaultError> {
        self.controls.app.faults.inject(fault)
    }

    /// Ends all faults and lets go of calls that hang.
    pub fn clear_faults(&self) {
        self.controls.app.faults.clear();
    }

    /// Lets go of calls that hang; the fault stays in force for later ones.
    pub fn release(&self) {
        self.controls.app.faults.release();
    }

    /// Closes the port and every connection, as a killed zooid does. Work under way still ends.
    pub async fn down(&self) {
        self.controls.server.down().await;
    }

    /// Loads the folder anew and listens again on the same port, as a restarted zooid does. Does nothing when it is up.
    ///
    /// # Errors
    /// As [`ZooidSim::start`].
    pub async fn up(&self) -> Result<(), StartError> {
        self.controls.up().await
    }

    /// The configuration in the relay's file; none if there is no file, or no readable one.
    #[must_use]
    pub fn config(&self, id: &str) -> Option<Config> {
        self.controls.app.store.read(id).ok()
    }

    /// Removes the relay's file behind the API's back.
    ///
    /// # Errors
    /// There is none, or it cannot be removed.
    pub fn remove_file(&self, id: &str) -> io::Result<()> {
        self.controls.remove_file(id)
    }

    /// Cuts the relay's file to its first bytes, as a crash during a write leaves it.
    ///
    /// # Errors
    /// There is none, or it cannot be written.
    pub fn break_file(&self, id: &str, kept_bytes: u64) -> io::Result<()> {
        self.controls.break_file(id, kept_bytes)
    }

    /// Merges `patch` (RFC 7396) into the relay's file behind the API's back, unchecked, as zooid does for a relay's admins
    /// (NIP-86) and people do with editors.
    ///
    /// # Errors
    /// There is none, it cannot be read or written, or it would not be a configuration.
    pub fn patch_file(&self, id: &str, patch: Map<String, Value>) -> io::Result<()> {
        self.controls.patch_file(id, patch)
    }

    /// Sets the members that the API reports for the relay.
    pub fn set_members<I>(&self, id: &str, pubkeys: I)
    where
        I: IntoIterator<Item: Into<String>>,
    {
        let pubkeys = pubkeys.into_iter().map(Into::into);
        self.controls.app.store.set_members(id, pubkeys);
    }

    /// The newest calls for the relay, oldest first, those under way included.
    #[must_use]
    pub fn calls(&self, id: &str) -> Vec<Call> {
        self.record(id).calls
    }

    /// All that is recorded about the relay.
    #[must_use]
    pub fn record(&self, id: &str) -> RelayRecord {
        self.controls.app.recorder.relay(id)
    }

    /// All that is recorded, by relay id.
    #[must_use]
    pub fn records(&self) -> BTreeMap<String, RelayRecord> {
        self.controls.app.recorder.relays()
    }

    /// The counts over all relays.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.controls.app.recorder.totals()
    }

    /// The most POST, PUT, PATCH and DELETE calls for one relay that ever lasted at the same time.
    #[must_use]
    pub fn max_overlap(&self) -> usize {
        self.totals().max_overlap
    }

    /// The most calls that ever lasted at the same time.
    #[must_use]
    pub fn max_in_flight(&self) -> usize {
        self.totals().max_in_flight
    }

    /// Starts the records anew.
    pub fn forget_calls(&self) {
        self.controls.app.recorder.forget();
    }

    /// Ends faults, stops listening, lets answers under way go out for up to ten seconds, and frees the ports.
    pub async fn shutdown(mut self) {
        self.clear_faults();
        self.controls.server.stop().await;
        self.admin_stop.cancel();
        if let Some(task) = self.admin_task.take()
            && let Err(error) = task.await
        {
            tracing::error!(%error, "the fault port ended early");
        }
    }
}

impl Drop for ZooidSim {
    fn drop(&mut self) {
        self.admin_stop.cancel();
        self.controls.server.die();
    }
}

impl Controls {
    pub(crate) async fn up(&self) -> Result<(), StartError> {
        if self.server.is_up() {
            return Ok(());
        }
        self.app.store.load_all()?;
        self.server.up().await.map_err(|source| StartError::Listen {
            addr: self.server.addr(),
            source,
        })
    }

    pub(crate) fn remove_file(&self, id: &str) -> io::Result<()> {
        self.app.store.remove(id)?;
        self.reload(id);
        Ok(())
    }

    pub(crate) fn break_file(&self, id: &str, kept_bytes: u64) -> io::Result<()> {
        self.app.store.tear(id, kept_bytes)?;
        self.reload(id);
        Ok(())
    }

    pub(crate) fn patch_file(&self, id: &str, patch: Map<String, Value>) -> io::Result<()> {
        self.app.store.merge(id, patch)?;
        self.reload(id);
        Ok(())
    }

    fn reload(&self, id: &str) {
        if let Err(fatal) = self.app.store.reload(id) {
            tracing::error!(%fatal, "down");
            self.server.die();
        }
    }
}

async fn bind(addr: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let listen = async {
        let listener = TcpListener::bind(addr).await?;
        let addr = listener.local_addr()?;
        Ok((listener, addr))
    };
    listen
        .await
        .map_err(|source| StartError::Listen { addr, source })
}
