//! The chaos harness: Caravel's own processes on one database, everything that can go wrong going wrong, and then the
//! question whether anything was lost.
//!
//! Several API and worker processes run while tenants edit their relays over HTTP. Processes are killed and stopped at
//! random and between each two steps of what they do; zooid loses answers, hangs, breaks files and goes down. Then all is
//! quiet: what is running may finish, an operator releases what is quarantined, and a verdict compares zooid with the
//! desired state and the database with itself.
//!
//! Invariant: what goes wrong, and when, is drawn from the seed alone ([`plan`]).

mod child;
mod database;
mod desired;
mod fleet;
mod ground;
mod ledger;
mod operator;
mod overlap;
mod plan;
mod process;
mod recovery;
mod report;
mod steps;
mod storm;
mod tenants;
mod verdict;
mod weather;

use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

/// Break Caravel's processes and its zooid for a while, and see whether anything is lost
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true, long_about = ABOUT)]
struct Cli {
    #[command(flatten)]
    storm: StormArgs,
    #[command(subcommand)]
    other: Option<Other>,
}

const ABOUT: &str = "\
Breaks Caravel's processes and its zooid for a while, and sees whether anything is lost.

Exit codes: 0 nothing was lost; 1 something was, and the report says what; the folder with the database and the logs is \
then kept.";

/// How long, how many, and which faults.
#[derive(Args, Clone, Debug)]
pub struct StormArgs {
    /// What the schedule of faults is drawn from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How long things go wrong, in minutes
    #[arg(long, default_value_t = 1.0, value_parser = minutes)]
    minutes: f64,
    /// How many API processes run
    #[arg(long, default_value_t = 2)]
    apis: usize,
    /// How many worker processes run
    #[arg(long, default_value_t = 8)]
    workers: usize,
    /// Which lines the processes log, into files in the run's folder
    #[arg(long, default_value = "warn")]
    log: String,
}

/// What else the harness does, and what its processes are started as.
#[derive(Subcommand)]
enum Other {
    /// Kill workers in the middle of a call, and measure how soon another one makes it
    Recovery(recovery::RecoveryArgs),
    /// An API whose steps are watched
    #[command(hide = true)]
    ChildApi(child::ChildArgs),
    /// A worker whose steps are watched
    #[command(hide = true)]
    ChildWorker(child::ChildArgs),
}

fn main() -> anyhow::Result<ExitCode> {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Runtime::new()?;
    let code = match cli.other {
        None => runtime.block_on(storm::run(&cli.storm))?,
        Some(Other::Recovery(arguments)) => runtime.block_on(recovery::run(&arguments))?,
        Some(Other::ChildApi(arguments)) => runtime.block_on(child::api(&arguments))?,
        Some(Other::ChildWorker(arguments)) => runtime.block_on(child::worker(&arguments))?,
    };
    runtime.shutdown_background();
    Ok(code)
}

fn minutes(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(minutes) if (0.0..=10_000.0).contains(&minutes) => Ok(minutes),
        Ok(_) | Err(_) => Err("expected a number of minutes from 0 to 10000".to_owned()),
    }
}
