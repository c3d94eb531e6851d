//! The `caravel-api` binary: configuration, database, listener, and a clean end.

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use api::ApiState;
use clap::Parser;
use shared::clock::SystemClock;
use shared::config::{ApiConfig, EXIT_CONFIG, Source, Synchronous};
use shared::db::{self, DatabaseOptions, Db, Role};
use shared::telemetry;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Serves Caravel's HTTP API: tenants and their relays, in one SQLite database that the workers share.
///
/// Prints `listening on http://HOST:PORT` on standard output once it accepts connections; logs go to standard error.
/// SIGTERM and SIGINT end it after the requests under way.
#[derive(Debug, Parser)]
#[command(version, after_help = VARIABLES)]
struct Args {}

/// Everything else is configuration.
const VARIABLES: &str = "\
Configuration, from the environment or from .env in the working directory:
  SERVER_URL                   public URL of the API, as clients sign it (required)
  RELAY_DOMAIN                 host name that relays are subdomains of (required)
  CARAVEL_SECRETS_KEY          32 bytes as base64 or hex that seal stored secrets (required)
  CARAVEL_SECRETS_KEY_PREVIOUS former keys, separated by commas
  DATABASE_URL                 sqlite://PATH                        [sqlite://data/caravel.db]
  DATABASE_SYNCHRONOUS         full or normal                       [full]
  SERVER_HOST, SERVER_PORT     where to listen; port 0 takes a free one  [127.0.0.1, 2892]
  SERVER_ADMIN_PUBKEYS         admins, as hex or npub, separated by commas
  SERVER_ALLOW_ORIGINS         web origins that may call, or *
  AUTH_MODE                    compatible, or strict for plain NIP-98 only  [compatible]
  AUTH_SESSION_SECONDS         how long a signed session lasts      [900]
  SYNC_MAX_ATTEMPTS            attempts of a sync before it is given up  [25]
  LOG_FORMAT, RUST_LOG         pretty or json, and which lines      [pretty, info]

Exit codes: 0 after a signal, 78 when the configuration is wrong (all of it is listed), 1 for anything else.";

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let Args {} = Args::parse();
    let config = match Source::from_process().and_then(|source| ApiConfig::load(&source)) {
        Ok(config) => config,
        Err(errors) => {
            eprintln!("{errors}");
            return Ok(ExitCode::from(EXIT_CONFIG));
        }
    };
    telemetry::init(config.log.format, config.log.filter.clone())?;

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

    let stop = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listen for SIGINT")?;
    tokio::spawn({
        let stop = stop.clone();
        async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            stop.cancel();
        }
    });

    let listener = TcpListener::bind(config.server.listen)
        .await
        .with_context(|| format!("listen on {}", config.server.listen))?;
    writeln!(
        std::io::stdout(),
        "listening on http://{}",
        listener.local_addr()?
    )
    .context("say where it listens")?;
    api::serve(listener, state, stop).await?;
    db.close().await;
    Ok(ExitCode::SUCCESS)
}
