//! The program `caravel-api`, which `caravel api` runs too.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use shared::clock::{SharedClock, SystemClock};
use shared::config::ApiConfig;
use shared::db::{DatabaseLost, DatabaseOptions, Db, OpenError, Role};
use shared::signals::{EXIT_INTERRUPTED, Interrupted, StopSignals};
use shared::telemetry::{self, TelemetryError};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{ApiState, StateError, serve};

/// What `--help` says about the program.
pub const HELP: &str = "\
Serves Caravel's HTTP API: tenants and their relays, in one SQLite database that the workers share.

Configured by environment variables, or by a file .env in the working directory:
  SERVER_URL                   public URL of the API, as clients sign it (required)
  RELAY_DOMAIN                 host name that relays are subdomains of (required, unless ZOOID_TARGETS is set)
  ZOOID_TARGETS                several of them, each with the URL of its zooid
  CARAVEL_SECRETS_KEY          32 bytes as base64 or hex that seal stored secrets (required)
  CARAVEL_SECRETS_KEY_PREVIOUS former keys, separated by commas
  DATABASE_URL                 sqlite://PATH                        [sqlite://data/caravel.db]
  DATABASE_SYNCHRONOUS         full or normal                       [full]
  SERVER_HOST, SERVER_PORT     where to listen; port 0 takes a free one  [127.0.0.1, 2892]
  SERVER_ADMIN_PUBKEYS         admins, as hex or npub, separated by commas
  SERVER_READONLY_PUBKEYS      who may read what operators read, in the same form
  SERVER_ALLOW_ORIGINS         web origins that may call, or *
  AUTH_MODE                    compatible, or strict for plain NIP-98 only  [compatible]
  AUTH_SESSION_SECONDS         how long a signed session lasts      [900]
  DASHBOARD_SESSION_SECONDS    how long somebody stays signed in at the dashboard  [43200]
  SERVER_TRUSTED_PROXIES       proxies whose X-Forwarded-For counts, as addresses or networks
  SERVER_MAX_REQUESTS          requests handled at the same time    [512]
  RATE_LIMIT_KEY, RATE_LIMIT_ADDRESS  requests a minute that one key signs, or one address sends; 0 for no limit  [6000]
  TENANT_MAX_RELAYS            relays that one tenant can create; 0 for no limit  [100]
  SYNC_MAX_ATTEMPTS            attempts of a sync before it is given up  [25]
  METRICS_TOKEN                bearer token of GET /metrics; no such route without one
  LOG_FORMAT, RUST_LOG         pretty or json, and which lines      [pretty, info]

Prints `listening on http://HOST:PORT` on standard output once it accepts connections; logs go to standard error. \
SIGTERM or SIGINT ends it after the requests under way. A second signal stops at once.

Exit codes: 0 after a signal; 1 could not start or broke; 78 the configuration is wrong, and all of it is listed; 130 \
stopped by a second signal.";

/// Why the program ended before its time.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// Logs have nowhere to go.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    /// The signals that should stop it cannot be heard.
    #[error("listen for signals")]
    Signals(#[source] io::Error),
    /// The database cannot be opened.
    #[error("open the database")]
    Open(#[from] OpenError),
    /// The configuration does not fit the domain.
    #[error(transparent)]
    State(#[from] StateError),
    /// The port cannot be had.
    #[error("listen on {address}")]
    Listen {
        /// Where it should listen.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Standard output is closed.
    #[error("say where the API listens")]
    Output(#[source] io::Error),
    /// The database is gone.
    #[error("use the database")]
    Database(#[from] DatabaseLost),
}

/// Serves the API until a signal stops it. Answers how the process should end.
///
/// # Errors
/// When it cannot start, or breaks.
pub async fn run(config: ApiConfig) -> Result<ExitCode, ProgramError> {
    telemetry::init(config.log.format, config.log.filter.clone())?;
    run_logged(config).await
}

/// The same in a process that has set up its logs already.
///
/// # Errors
/// As [`run`].
pub async fn run_logged(config: ApiConfig) -> Result<ExitCode, ProgramError> {
    let signals = StopSignals::listen().map_err(ProgramError::Signals)?;
    let stop = CancellationToken::new();
    match signals.govern(stop.clone(), answer(&config, stop)).await {
        Ok(ended) => ended.map(|()| ExitCode::SUCCESS),
        Err(Interrupted) => Ok(ExitCode::from(EXIT_INTERRUPTED)),
    }
}

async fn answer(config: &ApiConfig, stop: CancellationToken) -> Result<(), ProgramError> {
    let db = Db::open(DatabaseOptions::new(&config.database, Role::Interactive)).await?;
    let clock: SharedClock = Arc::new(SystemClock);
    let state = ApiState::new(config, db.clone(), Arc::clone(&clock))?;
    let address = config.server.listen;
    let listener = TcpListener::bind(address)
        .await
        .map_err(|source| ProgramError::Listen { address, source })?;
    let address = listener.local_addr().map_err(ProgramError::Output)?;
    writeln!(io::stdout(), "listening on http://{address}").map_err(ProgramError::Output)?;
    tokio::select! {
        () = serve(listener, state, stop) => {}
        lost = db.lost(&clock) => return Err(lost.into()),
    }
    db.close().await;
    Ok(())
}
