//! The `caravel-api` binary: its command line and its exit code.

use std::process::ExitCode;

use api::program;
use clap::Parser;
use shared::config::{ApiConfig, EXIT_CONFIG, Source};

/// Serves Caravel's HTTP API
#[derive(Debug, Parser)]
#[command(name = "caravel-api", version, long_about = program::HELP)]
struct Args {}

fn main() -> anyhow::Result<ExitCode> {
    let Args {} = Args::parse();
    let config = match Source::from_process().and_then(|source| ApiConfig::load(&source)) {
        Ok(config) => config,
        Err(errors) => {
            eprintln!("{errors}");
            return Ok(ExitCode::from(EXIT_CONFIG));
        }
    };
    let runtime = tokio::runtime::Runtime::new()?;
    let code = runtime.block_on(program::run(config))?;
    // What still runs after a second signal is left to end with the process.
    runtime.shutdown_background();
    Ok(code)
}
