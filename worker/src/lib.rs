//! The worker: pulls `sync_relay` jobs, brings zooid in step, and records what came of it.
//!
//! apalis runs the handler; `shared::queue` decides about rows; this crate carries out one sync and keeps the periodic
//! work going. [`start_configured`] is a worker inside a process, [`program`] a process that is one.

mod configured;
mod domains;
pub mod http;
mod keep_going;
mod maintenance;
mod prober;
pub mod program;
mod run;
mod settings;
mod sync;
mod zooids;

pub use configured::{StartError, start_configured, watched};
pub use maintenance::MaintenanceConfig;
pub use run::{Ended, RunConfig, RunningWorker, start};
