//! Caravel in one program: what it is asked to do, and how it ends.

mod cli;
mod demo;
mod keys;
mod operator;
mod serve;

use std::process::ExitCode;

use clap::Parser as _;
use shared::config::{ApiConfig, ServeConfig, WorkerConfig};
use shared::program;

use cli::{Cli, Command};

fn main() -> anyhow::Result<ExitCode> {
    match Cli::parse().command {
        Command::Demo(arguments) => program::block_on(demo::run(arguments))?,
        Command::Serve => program::run(ServeConfig::load, serve::run),
        Command::Api => program::run(ApiConfig::load, api::program::run),
        Command::Worker => program::run(WorkerConfig::load, worker::program::run),
        Command::Operator(command) => Ok(operator::run(command)),
        Command::Sign(arguments) => keys::sign(&arguments),
        Command::Keygen(arguments) => keys::generate(&arguments),
    }
}
