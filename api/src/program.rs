//! The program `caravel-api`, which `caravel api` runs too.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use shared::clock::SystemClock;
use shared::config::ApiConfig;
use shared::db::{DatabaseOptions, Db, OpenError, Role};
use shared::signals::{EXIT_INTERRUPTED, Interrupted, StopSignals};
use shared::telemetry::{self, TelemetryError};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::server::serve;
use crate::state::{ApiState, StateError};

/// What `--help` says about the program.
pub const HELP: &str = "\
Serves the HTTP API through which tenants and operators manage relays.

Answers JSON, authenticates by Nostr signatures (NIP-98), and writes to the database that it shares with the workers: \
whatever zooid must learn of is enqueued in the same transaction. It needs no connection to zooid itself.

Configured by environment variables, or by a file .env in the working directory; .env.example explains each. It needs \
SERVER_URL, RELAY_DOMAIN and CARAVEL_SECRETS_KEY, and DATABASE_URL unless the default will do. Without \
SERVER_ADMIN_PUBKEYS nobody is an operator; without SERVER_ALLOW_ORIGINS no web page may call.

Prints `listening on http://HOST:PORT` on standard output once it accepts connections; logs go to standard error. \
SIGTERM or SIGINT ends it after the requests under way. A second signal stops at once.

Exit codes: 0 stopped; 1 could not start, or broke; 78 the configuration is wrong; 130 stopped by a second signal.";

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
    /// The configuration cannot be used after all.
    #[error(transparent)]
    State(#[from] StateError),
    /// The address cannot be listened on.
    #[error("listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Standard output is closed.
    #[error("say where the API listens")]
    Output(#[source] io::Error),
    /// The listener broke.
    #[error("serve the API")]
    Serve(#[source] io::Error),
}

/// Runs the API until a signal stops it. Answers how the process should end.
///
/// # Errors
/// When it cannot start, or breaks.
pub async fn run(config: ApiConfig) -> Result<ExitCode, ProgramError> {
    telemetry::init(config.log.format, config.log.filter.clone())?;
    let signals = StopSignals::listen().map_err(ProgramError::Signals)?;
    let stop = CancellationToken::new();
    match signals.govern(stop.clone(), answer(&config, stop)).await {
        Ok(ended) => ended.map(|()| ExitCode::SUCCESS),
        Err(Interrupted) => Ok(ExitCode::from(EXIT_INTERRUPTED)),
    }
}

async fn answer(config: &ApiConfig, stop: CancellationToken) -> Result<(), ProgramError> {
    let db = Db::open(DatabaseOptions::new(&config.database, Role::Interactive)).await?;
    let state = ApiState::new(config, db.clone(), Arc::new(SystemClock))?;
    let address = config.server.listen;
    let unusable = |source| ProgramError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(unusable)?;
    let address = listener.local_addr().map_err(unusable)?;
    writeln!(io::stdout(), "listening on http://{address}").map_err(ProgramError::Output)?;
    serve(listener, state, stop)
        .await
        .map_err(ProgramError::Serve)?;
    db.close().await;
    Ok(())
}
