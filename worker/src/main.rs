//! The binary: its command line and its exit code.

use std::process::ExitCode;

use clap::Parser;
use shared::config::WorkerConfig;
use worker::program;

/// Keeps the relays of one or several zooids in step with the database
#[derive(Parser)]
#[command(name = "caravel-worker", version, long_about = program::HELP)]
struct Arguments {}

fn main() -> anyhow::Result<ExitCode> {
    Arguments::parse();
    shared::program::run(WorkerConfig::load, program::run)
}
