//! The operator's shell: what the dashboard can do, from the command line.
//!
//! Invariant: a command works on the database beside the programs that run, through the same commands and queries as the
//! API. It needs no variable but those that lead to the database and those of what it shows or seals, makes no database,
//! and migrates none.

mod act;
pub mod arguments;
mod backup;
mod explain;
mod find;
mod fleet;
mod lists;
mod output;
mod secrets;
mod shell;
mod when;

use std::{io, process::ExitCode};

use shared::{
    config::{ActingConfig, ExplainConfig, ShellConfig},
    domain::RelayAction,
    program,
};

use act::Hold;
use arguments::{HoldArgs, OperatorCommand, RelaysArgs};

/// Carries a command out, and answers how the process should end. What went wrong is one sentence on standard error.
pub fn run(command: OperatorCommand) -> ExitCode {
    let done = match command {
        OperatorCommand::Syncs(arguments) => {
            program::run(ShellConfig::load, |config| lists::syncs(config, arguments))
        }
        OperatorCommand::Explain(arguments) => program::run(ExplainConfig::load, |config| {
            explain::run(config, arguments)
        }),
        OperatorCommand::Attempts(arguments) => program::run(ShellConfig::load, |config| {
            lists::attempts(config, arguments)
        }),
        OperatorCommand::Groups(arguments) => {
            program::run(ShellConfig::load, |config| lists::groups(config, arguments))
        }
        OperatorCommand::Targets(output) => {
            program::run(ShellConfig::load, |config| fleet::targets(config, output))
        }
        OperatorCommand::Workers(output) => {
            program::run(ShellConfig::load, |config| fleet::workers(config, output))
        }
        OperatorCommand::Audit(arguments) => {
            program::run(ShellConfig::load, |config| lists::audit(config, arguments))
        }
        OperatorCommand::Retry(arguments) => on_relays(RelayAction::Retry, arguments),
        OperatorCommand::Sync(arguments) => on_relays(RelayAction::Sync, arguments),
        OperatorCommand::Cancel(arguments) => on_relays(RelayAction::Cancel, arguments),
        OperatorCommand::Release(arguments) => on_relays(RelayAction::Release, arguments),
        OperatorCommand::Pause(arguments) => on_hold(Hold::Pause, arguments),
        OperatorCommand::Resume(arguments) => on_hold(Hold::Resume, arguments),
        OperatorCommand::Remove(arguments) => {
            program::run(ActingConfig::load, |config| act::remove(config, arguments))
        }
        OperatorCommand::Probe(arguments) => {
            program::run(ActingConfig::load, |config| act::probe(config, arguments))
        }
        OperatorCommand::Reconcile(arguments) => program::run(ActingConfig::load, |config| {
            act::reconcile(config, arguments)
        }),
        OperatorCommand::Backup(arguments) => {
            program::run(ShellConfig::load, |config| backup::run(config, arguments))
        }
        OperatorCommand::RotateSecrets(output) => {
            program::run(ActingConfig::load, |config| secrets::rotate(config, output))
        }
    };
    done.unwrap_or_else(|error| failed(&error))
}

fn on_relays(action: RelayAction, arguments: RelaysArgs) -> anyhow::Result<ExitCode> {
    program::run(ActingConfig::load, |config| {
        act::on_relays(config, action, arguments)
    })
}

fn on_hold(hold: Hold, arguments: HoldArgs) -> anyhow::Result<ExitCode> {
    program::run(ActingConfig::load, |config| {
        act::on_hold(config, hold, arguments)
    })
}

/// Says what went wrong.
fn failed(error: &anyhow::Error) -> ExitCode {
    // A reader that has seen enough, such as `head`, is not told so.
    let reader_left = error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe);
    if reader_left {
        return ExitCode::SUCCESS;
    }
    eprintln!("{error:#}");
    ExitCode::FAILURE
}
