//! The program `caravel-api`, which `caravel api` runs too.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use shared::clock::SystemClock;
use shared::config::{ApiConfig, Synchronous};
use shared::db::{self, DatabaseOptions, Db, OpenError, Role};
use shared::telemetry::{self, TelemetryError};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
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
SIGTERM or SIGINT ends it after the requests under way.

Exit codes: 0 stopped; 1 could not start, or broke; 78 the configuration is wrong.";

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
    let stop = CancellationToken::new();
    stop_at_signal(stop.clone()).map_err(ProgramError::Signals)?;

    let db = Db::open(DatabaseOptions {
        path: config.database.path.clone(),
        synchronous: match config.database.synchronous {
            Synchronous::Full => db::Synchronous::Full,
            Synchronous::Normal => db::Synchronous::Normal,
        },
        role: Role::Interactive,
    })
    .await?;
    let state = ApiState::new(&config, db.clone(), Arc::new(SystemClock))?;
    let address = config.server.listen;
    let unusable = |source| ProgramError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(unusable)?;
    let address = listener.local_addr().map_err(unusable)?;
    writeln!(io::stdout(), "listening on http://{address}").map_err(ProgramError::Output)?;
    serve(listener, state, stop)
        .await
        .map_err(ProgramError::Serve)?;
    db.close().await;
    Ok(ExitCode::SUCCESS)
}

/// Cancels `stop` at the first SIGTERM, from a supervisor, or SIGINT, from a keyboard.
fn stop_at_signal(stop: CancellationToken) -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping");
        stop.cancel();
    });
    Ok(())
}
