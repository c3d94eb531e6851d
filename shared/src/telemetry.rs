//! Logs: one subscriber for the whole process, writing to standard error.
//!
//! Standard output belongs to the commands that print results.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::{self, PanicHookInfo};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};

use crate::config::LogFormat;

/// Logging was set up before, in this process.
#[derive(Debug, thiserror::Error)]
#[error("set up logging: it is set up already")]
pub struct TelemetryError(#[from] TryInitError);

/// Sends logs that pass `filter` to standard error, and panics into the logs.
///
/// Call it once, first thing in `main`: what is logged before is lost.
///
/// # Errors
///
/// This process has a subscriber already.
pub fn init(format: LogFormat, filter: EnvFilter) -> Result<(), TelemetryError> {
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Pretty => logs.finish().try_init()?,
        LogFormat::Json => logs
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .finish()
            .try_init()?,
    }
    panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// A panic as a log line, so that it has a time, the spans it happened in, and one line whatever the format.
fn log_panic(info: &PanicHookInfo<'_>) {
    let message = info.payload_as_str().unwrap_or("a payload that is no text");
    let location = info.location().map(ToString::to_string);
    let backtrace = Backtrace::capture();
    let backtrace =
        (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
    tracing::error!(
        panic.message = message,
        panic.location = location,
        panic.backtrace = backtrace,
        "panicked"
    );
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use serde_json::Value;

    use super::*;

    /// Logging belongs to the process, so the test looks at a process of its own.
    #[test]
    fn logs_and_panics_are_json_lines_on_standard_error() {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "telemetry::tests::a_program_that_panics"])
            .args(["--ignored", "--nocapture"])
            .output()
            .unwrap();

        let stderr = String::from_utf8(output.stderr).unwrap();
        let lines: Vec<Value> = stderr
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect();
        assert_eq!(lines.len(), 2, "{stderr}");
        assert_eq!(lines[0]["message"], "ready");
        assert_eq!(lines[0]["relay.id"], "r1");
        assert_eq!(lines[1]["message"], "panicked");
        assert_eq!(lines[1]["panic.message"], "out of luck");
        let location = lines[1]["panic.location"].as_str().unwrap();
        assert!(location.contains("telemetry.rs"), "{location}");
    }

    #[test]
    #[ignore = "run by the test above, in a process of its own"]
    #[should_panic(expected = "out of luck")]
    fn a_program_that_panics() {
        init(LogFormat::Json, EnvFilter::new("info")).unwrap();
        assert!(init(LogFormat::Pretty, EnvFilter::new("info")).is_err());

        tracing::info!(relay.id = "r1", "ready");
        tracing::debug!("filtered out");
        panic!("out of luck");
    }
}
