//! How every program begins and ends: its configuration, a runtime, and its exit code.

use std::io;
use std::process::ExitCode;

use tokio::runtime::Runtime;

use crate::config::{ConfigErrors, EXIT_CONFIG, Source};

/// Runs `program` with the configuration of this process. Answers how the process should end: as the program says, or
/// with [`EXIT_CONFIG`] once everything that is wrong with the configuration has been said on standard error.
///
/// # Errors
/// When there is no runtime, or the program breaks.
pub fn run<C, F, E, R>(
    load: impl FnOnce(&Source) -> Result<C, ConfigErrors>,
    program: impl FnOnce(C) -> F,
) -> Result<ExitCode, R>
where
    F: Future<Output = Result<ExitCode, E>>,
    R: From<io::Error> + From<E>,
{
    match Source::from_process().and_then(|source| load(&source)) {
        Ok(config) => Ok(block_on(program(config))??),
        Err(errors) => {
            eprintln!("{errors}");
            Ok(ExitCode::from(EXIT_CONFIG))
        }
    }
}

/// Runs `program` on a runtime of its own. What still runs after it, after a second signal, is left to end with the
/// process.
///
/// # Errors
/// When there is no runtime.
pub fn block_on<T>(program: impl Future<Output = T>) -> io::Result<T> {
    let runtime = Runtime::new()?;
    let ended = runtime.block_on(program);
    runtime.shutdown_background();
    Ok(ended)
}
