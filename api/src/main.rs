//! The `caravel-api` binary: its command line and its exit code.

use std::process::ExitCode;

use api::program;
use clap::Parser;
use shared::config::ApiConfig;

/// Serves Caravel's HTTP API
#[derive(Debug, Parser)]
#[command(name = "caravel-api", version, long_about = program::HELP)]
struct Args {}

fn main() -> anyhow::Result<ExitCode> {
    let Args {} = Args::parse();
    shared::program::run(ApiConfig::load, program::run)
}
