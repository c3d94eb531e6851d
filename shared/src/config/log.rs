//! How logs look and which are written.

use tracing_subscriber::EnvFilter;

use super::reader::{Read, Reader};
use super::variable::{LOG_FORMAT, RUST_LOG};

/// Logging, for [`telemetry::init`](crate::telemetry::init).
#[derive(Debug, Clone)]
pub struct LogConfig {
    /// How a log line looks.
    pub format: LogFormat,
    /// Which lines are written.
    pub filter: EnvFilter,
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people at a terminal.
    Pretty,
    /// One JSON object a line, for machines.
    Json,
}

impl LogConfig {
    pub(super) fn read(reader: &mut Reader<'_>) -> Read<Self> {
        let format = reader.required(&LOG_FORMAT, |text| match text {
            "pretty" => Some(LogFormat::Pretty),
            "json" => Some(LogFormat::Json),
            _ => None,
        });
        let filter = reader.required(&RUST_LOG, |text| EnvFilter::try_new(text).ok());
        Ok(Self {
            format: format?,
            filter: filter?,
        })
    }
}
