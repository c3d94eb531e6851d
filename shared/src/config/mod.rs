//! Configuration, from the environment and from `.env`.
//!
//! Each concern is a struct, each program a struct of the concerns that it needs. Loading reads every variable before
//! it gives up, so that one start tells everything that is missing or malformed. Inside the programs nothing is text
//! any more: what was loaded is valid, and no part of it shows a secret in its `Debug` form.
//!
//! ```no_run
//! use shared::config::{Source, WorkerConfig};
//!
//! let config = WorkerConfig::load(&Source::from_process()?)?;
//! # Ok::<(), shared::config::ConfigErrors>(())
//! ```

mod base_url;
mod database;
mod domains;
mod limits;
mod list;
mod log;
mod operations;
mod program;
mod queue;
mod reader;
mod render;
mod secrets;
mod server;
mod source;
mod targets;
mod variable;
mod zooid;

#[cfg(test)]
mod tests;

pub use base_url::BaseUrl;
pub use database::{DatabaseConfig, Synchronous};
pub use domains::DomainsConfig;
pub use limits::{LimitsConfig, Network};
pub use log::{LogConfig, LogFormat};
pub use operations::{PruneConfig, WatchConfig};
pub use program::{ActingConfig, ApiConfig, ExplainConfig, ServeConfig, ShellConfig, WorkerConfig};
pub use queue::{QueueConfig, RetryConfig};
pub use reader::{ConfigError, ConfigErrors};
pub use render::{BlossomStorage, LiveKitConfig, S3Config};
pub use server::{AllowOrigins, AuthConfig, AuthMode, ServerConfig};
pub use source::Source;
pub use targets::TargetConfig;
pub use variable::Expected;
pub use zooid::{SigningKey, ZooidConfig};

/// The exit code of a program whose configuration is wrong: `EX_CONFIG` of `sysexits.h`.
///
/// A supervisor can tell it from a crash: starting again does not help, a person must change something.
pub const EXIT_CONFIG: u8 = 78;
