//! Caravel in one program: what it is asked to do, and how it ends.

mod cli;
mod demo;
mod keys;
mod operator;
mod serve;

use std::process::ExitCode;

use clap::Parser as _;
use shared::config::{ApiConfig, ConfigErrors, EXIT_CONFIG, ServeConfig, Source, WorkerConfig};

use cli::{Cli, Command};

fn main() -> anyhow::Result<ExitCode> {
    let command = Cli::parse().command;
    let runtime = tokio::runtime::Runtime::new()?;
    let code = runtime.block_on(carry_out(command))?;
    // What still runs after a second signal is left to end with the process.
    runtime.shutdown_background();
    Ok(code)
}

async fn carry_out(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Demo(arguments) => demo::run(arguments).await,
        Command::Serve => match configured(ServeConfig::load) {
            Ok(config) => serve::run(config).await,
            Err(code) => Ok(code),
        },
        Command::Api => match configured(ApiConfig::load) {
            Ok(config) => Ok(api::program::run(config).await?),
            Err(code) => Ok(code),
        },
        Command::Worker => match configured(WorkerConfig::load) {
            Ok(config) => Ok(worker::program::run(config).await?),
            Err(code) => Ok(code),
        },
        Command::Operator(command) => Ok(operator::run(command).await),
        Command::Sign(arguments) => keys::sign(&arguments),
        Command::Keygen(arguments) => keys::generate(&arguments),
    }
}

/// The configuration, or how to end without one: everything that is wrong has then been said.
fn configured<C>(load: impl FnOnce(&Source) -> Result<C, ConfigErrors>) -> Result<C, ExitCode> {
    Source::from_process()
        .and_then(|source| load(&source))
        .map_err(|errors| {
            eprintln!("{errors}");
            ExitCode::from(EXIT_CONFIG)
        })
}
