//! The operator's shell: what the dashboard can do, from the command line.
//!
//! Invariant: a command works on the database beside the programs that run, through the same commands and queries as the
//! API. It needs no variable but those that lead to the database, makes no database, and migrates none.

pub mod arguments;
mod backup;
mod output;
mod secrets;

use std::{io, process::ExitCode, sync::Arc};

use shared::{
    clock::SystemClock,
    command::{Command, Context, Entropy},
    config::{ConfigErrors, EXIT_CONFIG, ShellConfig, Source},
    crypto::Sealer,
    db::{DatabaseOptions, Db, Role},
    telemetry,
};

use arguments::OperatorCommand;

/// Carries a command out. What went wrong is one sentence on standard error.
pub async fn run(command: OperatorCommand) -> ExitCode {
    let done = match command {
        OperatorCommand::Backup(arguments) => backup::run(&arguments).await,
        OperatorCommand::RotateSecrets(output) => secrets::rotate(&output).await,
    };
    done.unwrap_or_else(|error| failed(&error))
}

/// Says what went wrong, and how the process should end.
fn failed(error: &anyhow::Error) -> ExitCode {
    // A reader that has seen enough, such as `head`, is not told so.
    let reader_left = error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe);
    if reader_left {
        return ExitCode::SUCCESS;
    }
    eprintln!("{error:#}");
    if error.is::<ConfigErrors>() {
        ExitCode::from(EXIT_CONFIG)
    } else {
        ExitCode::FAILURE
    }
}

/// The configuration that `load` reads, and logs as it says.
fn configured<C>(
    load: impl FnOnce(&Source) -> Result<C, ConfigErrors>,
    shell: impl FnOnce(&C) -> &ShellConfig,
) -> anyhow::Result<C> {
    let config = load(&Source::from_process()?)?;
    let log = &shell(&config).log;
    telemetry::init(log.format, log.filter.clone())?;
    Ok(config)
}

/// Where the database is. An operator waits as a person does, not as a worker.
fn database(shell: &ShellConfig) -> DatabaseOptions {
    DatabaseOptions::new(&shell.database, Role::Interactive)
}

/// Commands on the database, and the database to close.
async fn commands(shell: &ShellConfig, sealer: Sealer) -> anyhow::Result<(Db, Command)> {
    let db = Db::join(database(shell)).await?;
    let context = Context {
        clock: Arc::new(SystemClock),
        sealer,
        entropy: Entropy::from_system(),
        max_attempts: shell.retry.max_attempts,
    };
    Ok((db.clone(), Command::new(db, context)))
}
