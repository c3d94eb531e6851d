//! The command lines of operators.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// What an operator can ask for from the shell.
#[derive(Subcommand)]
pub enum OperatorCommand {
    /// Copy the database to a file while everything runs
    #[command(long_about = BACKUP)]
    Backup(BackupArgs),
    /// Seal stored secrets anew, after their key was changed
    #[command(long_about = ROTATE_SECRETS)]
    RotateSecrets(OutputArgs),
}

const BACKUP: &str = "\
Copies the database to a file while everything runs.

The copy is one moment's state, checked for integrity and written through to the disk; only then it gets its name. A \
file that is there already is never replaced. How to restore it is in docs/operations.md. Keep it apart from \
CARAVEL_SECRETS_KEY, and keep both: secrets in it are sealed under that key.";

const ROTATE_SECRETS: &str = "\
Seals relay keys and wallet URLs anew under CARAVEL_SECRETS_KEY, where they lie under CARAVEL_SECRETS_KEY_PREVIOUS.

The secrets themselves stay what they are, and zooid is not told anything. Restart all programs with the new key first: \
until then they go on sealing under the former one. It may be stopped at any time; the next run goes on from there. \
Fails when some value cannot be opened, and names it.";

/// How to print.
#[derive(Args)]
pub struct OutputArgs {
    /// Print JSON, for scripts
    #[arg(long)]
    pub json: bool,
}

/// Where to copy the database.
#[derive(Args)]
pub struct BackupArgs {
    /// The file to make; its folder must exist
    pub file: PathBuf,
    /// How to print
    #[command(flatten)]
    pub output: OutputArgs,
}
