//! Caravel in one program: what it is asked to do, and how it ends.

mod cli;
mod demo;
mod keys;
mod login_link;
mod operator;
mod seed;
mod serve;

use std::process::ExitCode;

use clap::Parser as _;
use shared::config::{ActingConfig, ApiConfig, ServeConfig, WorkerConfig};
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
        Command::LoginLink(arguments) => {
            program::run(ApiConfig::load, |config| login_link::run(config, arguments))
        }
        Command::Seed(arguments) => {
            program::run(ActingConfig::load, |config| seed::run(config, arguments))
        }
    }
}
