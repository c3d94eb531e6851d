//! The HTTP API: what tenants and operators ask for, authenticated by Nostr signatures.
//!
//! Invariants: every answer but the metrics is JSON in one envelope; every route states who may call it, and its handler is handed the
//! proof that the caller may; nothing durable is decided here, a write is one call of [`shared::command::Command`].

mod access;
mod auth;
mod body;
mod client;
mod compression;
mod conditions;
mod cors;
mod data;
mod description;
mod error;
mod feed;
mod filters;
mod following;
mod last_event_id;
mod limits;
mod members;
mod page;
mod path;
mod places;
mod prefer;
pub mod program;
mod query;
mod rates;
mod role;
mod route;
pub mod routes;
mod server;
mod state;
mod stream;
mod trace;

pub use error::{CODES, Code};
pub use routes::router;
pub use server::serve;
pub use state::{ApiState, StateError};
