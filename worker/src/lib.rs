//! The worker: pulls `sync_relay` jobs, brings zooid in step, and records what came of it.
//!
//! apalis runs the handler; `shared::queue` decides about rows; this crate carries out one sync and keeps the periodic
//! work going.

mod maintenance;
mod run;

pub use maintenance::MaintenanceConfig;
pub use run::{Ended, RunConfig, RunningWorker, start};
