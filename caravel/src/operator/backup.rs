//! `caravel backup`.

use std::process::ExitCode;

use serde::Serialize;
use shared::{
    config::ShellConfig,
    db::back_up,
    signals::{EXIT_INTERRUPTED, StopSignals},
};
use tokio_util::sync::CancellationToken;

use super::{arguments::BackupArgs, output, shell::database};

/// What was made.
#[derive(Serialize)]
struct Backup {
    file: String,
    bytes: u64,
}

/// Copies the database. A signal ends it and leaves nothing behind.
pub async fn run(config: ShellConfig, arguments: BackupArgs) -> anyhow::Result<ExitCode> {
    let stop = CancellationToken::new();
    let options = database(&config)?;
    let copying = stop.run_until_cancelled(back_up(&options, &arguments.file));
    let Ok(Some(bytes)) = StopSignals::listen()?.govern(stop.clone(), copying).await else {
        eprintln!("there is no backup: the copying was interrupted");
        return Ok(ExitCode::from(EXIT_INTERRUPTED));
    };
    let backup = Backup {
        file: arguments.file.display().to_string(),
        bytes: bytes?,
    };
    if arguments.output.json {
        output::json(&backup)?;
    } else {
        output::line(&format!("{}: {} bytes, sound", backup.file, backup.bytes))?;
    }
    Ok(ExitCode::SUCCESS)
}
