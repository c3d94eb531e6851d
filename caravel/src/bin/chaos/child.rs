//! The processes that things happen to: `caravel api` and `caravel worker` themselves, with their steps watched.

use std::io::stderr;
use std::process::ExitCode;

use clap::Args;
use rustix::process::{Signal, set_parent_process_death_signal};
use shared::config::{ApiConfig, LogConfig, Source, WorkerConfig};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::steps::{self, Action, Armed, StepLayer};

/// At which step something happens, if at any.
#[derive(Args, Clone, Debug)]
pub struct ChildArgs {
    /// The step
    #[arg(long, requires = "action")]
    step: Option<String>,
    /// Reached for the how manyth time
    #[arg(long, default_value_t = 1)]
    nth: u32,
    /// What happens there
    #[arg(long)]
    action: Option<Action>,
    /// The relay whose steps count; any when absent
    #[arg(long)]
    relay: Option<String>,
}

/// Serves the API until something happens.
pub async fn api(arguments: &ChildArgs) -> anyhow::Result<ExitCode> {
    let config = ApiConfig::load(&Source::from_process()?)?;
    prepare(arguments, &config.log)?;
    Ok(api::program::run_logged(config).await?)
}

/// Runs a worker until something happens.
pub async fn worker(arguments: &ChildArgs) -> anyhow::Result<ExitCode> {
    let config = WorkerConfig::load(&Source::from_process()?)?;
    prepare(arguments, &config.log)?;
    Ok(worker::program::run_logged(config).await?)
}

fn prepare(arguments: &ChildArgs, log: &LogConfig) -> anyhow::Result<()> {
    // Nobody else would end it when the harness itself is killed.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let steps = match (&arguments.step, arguments.action) {
        (Some(step), Some(action)) => {
            let armed = Armed {
                step: step.clone(),
                nth: arguments.nth,
                action,
            };
            let wanted = Targets::new().with_target(steps::TARGET, LevelFilter::TRACE);
            Some(StepLayer::new(armed, arguments.relay.clone()).with_filter(wanted))
        }
        (None, _) | (_, None) => None,
    };
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .with_writer(stderr)
        .with_filter(log.filter.clone());
    tracing_subscriber::registry()
        .with(steps)
        .with(lines)
        .try_init()?;
    Ok(())
}
