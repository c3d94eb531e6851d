//! The binary: configured as zooid is, by environment variables.

use std::io::Write;
use std::net::IpAddr;
use std::path::PathBuf;

use anyhow::Context;
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;
use zooid_sim::{SimConfig, ZooidSim};

/// A stand-in for zooid's management API, with faults to inject. Prints `listening on http://HOST:PORT` when it does.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// Port for all requests; 0 takes a free one
    #[arg(long, env = "PORT", default_value_t = 3334)]
    port: u16,
    /// Address to bind
    #[arg(long, env = "HOST", default_value = "0.0.0.0")]
    host: IpAddr,
    /// Folder of the relays' TOML files
    #[arg(long, env = "CONFIG", default_value = "./config")]
    config: PathBuf,
    /// Created as zooid does; nothing is kept there
    #[arg(long, env = "DATA", default_value = "./data")]
    data: PathBuf,
    /// Created as zooid does; nothing is kept there
    #[arg(long, env = "MEDIA", default_value = "./media")]
    media: PathBuf,
    /// Host header of the management API, port included; 127.0.0.1:PORT when unset
    #[arg(long, env = "API_HOST")]
    api_host: Option<String>,
    /// Comma list of hex public keys that may use the management API
    #[arg(long, env = "API_WHITELIST", default_value = "")]
    api_whitelist: String,
    /// Fault port on 127.0.0.1; 0 takes a free one, none opens none
    #[arg(long, env = "ADMIN_PORT")]
    admin_port: Option<u16>,
    /// Seed of the faults that hit with a probability
    #[arg(long, env = "SEED", default_value_t = 0)]
    seed: u64,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    tracing_subscriber::fmt()
        .with_env_filter(
            EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info")),
        )
        .with_writer(std::io::stderr)
        .init();
    let whitelist = args
        .api_whitelist
        .split(',')
        .map(str::trim)
        .filter(|pubkey| !pubkey.is_empty())
        .map(str::to_owned)
        .collect();
    for dir in [&args.data, &args.media] {
        std::fs::create_dir_all(dir).with_context(|| format!("create {}", dir.display()))?;
    }
    let sim = ZooidSim::start(SimConfig {
        host: args.host,
        port: args.port,
        api_host: args.api_host,
        whitelist,
        admin_port: args.admin_port,
        seed: args.seed,
        ..SimConfig::new(args.config)
    })
    .await
    .context("start zooid-sim")?;
    if let Some(admin) = sim.admin_addr() {
        tracing::info!("faults at http://{admin}");
    }
    let mut terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listen for SIGINT")?;
    writeln!(std::io::stdout(), "listening on http://{}", sim.addr())
        .context("say where it listens")?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    sim.shutdown().await;
    Ok(())
}
