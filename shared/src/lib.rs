//! What every Caravel program is built from.
//!
//! Caravel is the control plane for hosted Nostr relays: tenants write the desired state of their relays over HTTP,
//! workers make the remote zooid server match it, and everything durable is one `SQLite` database. This crate holds
//! all that the API and the workers have in common. It knows neither of them.
//!
//! At the bottom stand modules that know nothing of Caravel's tables: the [`clock`], the [`config`]uration, the
//! keeping of secrets ([`crypto`]), logs ([`telemetry`]) and counts ([`metrics`]). On them rest the [`domain`] and the
//! client of [`zooid`], and above these, each knowing only those before it: database, repositories, queue, commands and
//! queries. [`watch`] looks at all of it from outside.

pub mod clock;
pub mod command;
pub mod config;
pub mod crypto;
pub mod db;
pub mod domain;
pub mod metrics;
pub mod program;
pub mod query;
pub mod queue;
pub mod repositories;
pub mod signals;
pub mod telemetry;
pub mod watch;
pub mod zooid;
