//! The binary: its command line and its exit code.

use std::process::ExitCode;

use clap::Parser;
use shared::config::{EXIT_CONFIG, Source, WorkerConfig};
use worker::program;

/// Keeps the relays of one zooid in step with the database
#[derive(Parser)]
#[command(name = "caravel-worker", version, long_about = program::HELP)]
struct Arguments {}

fn main() -> anyhow::Result<ExitCode> {
    Arguments::parse();
    let config = match Source::from_process().and_then(|source| WorkerConfig::load(&source)) {
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
