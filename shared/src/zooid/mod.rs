//! The client of zooid, the server that runs the relays (`docs/zooid.md`).
//!
//! Invariants: a relay's secret is sent to create or repair it and otherwise never leaves; every text kept from an
//! answer is redacted and bounded; a sync ends before its deadline.

mod answer;
mod client;
mod exchange;
mod installation;
pub mod nip98;
mod preview;
mod reading;
mod renderer;
mod sync;

pub use client::{ZooidClient, ZooidClientError};
pub use installation::{SettingsChange, Told};
pub use preview::{AT_THE_WORKER, Preview};
pub use renderer::Renderer;
pub use sync::first_verb;
