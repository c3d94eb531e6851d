//! A stand-in for zooid's management API, for development and tests: one HTTP server that answers as zooid does, down
//! to the error texts, and that can be told to misbehave.
//!
//! It is never kinder than zooid: whatever passes here passes there. It keeps its state where zooid does, in one TOML
//! file a relay, and serves no relay but its NIP-11 document.
//!
//! [`ZooidSim::start`] runs one in the process and gives a handle to inject [`Fault`]s and read what was called; the
//! binary `zooid-sim` runs one as zooid is run, with the same handle as JSON on a second port.

mod admin;
mod answer;
mod auth;
mod body;
mod config;
mod faults;
mod index;
mod injector;
mod lock;
mod management;
mod merge;
mod nip11;
mod recorder;
mod routes;
mod server;
mod sim;
mod store;
mod validate;

pub use auth::Clock;
pub use config::{Blossom, Config, Info, Livekit, Policy, Role, S3, Switch};
pub use faults::{Effect, Fault, FaultError, Phase, Span};
pub use recorder::{Call, RelayRecord, Totals, Verb};
pub use sim::{SimConfig, StartError, ZooidSim};
pub use store::{Fatal, LoadError};
