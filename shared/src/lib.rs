//! What every Caravel program is built from.
//!
//! Caravel is the control plane for hosted Nostr relays: tenants write the desired state of their relays over HTTP,
//! workers make the remote zooid server match it, and everything durable is one `SQLite` database. This crate holds
//! all that the API and the workers have in common. It knows neither of them.
//!
//! Imports inside the crate run one way: the pure modules at the bottom know nothing of the database, and the
//! modules above them never reach sideways into a program's HTTP or queue wiring.

pub mod clock;
pub mod crypto;
pub mod db;
pub mod domain;
pub mod queue;
pub mod repositories;
