//! The worker with a real database and a handler of the test's own.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod dns;
mod domains;
mod drain;
mod fixture;
mod installation;
mod outage;
mod running;
mod settings;
mod supervision;
mod targets;
mod watching;
