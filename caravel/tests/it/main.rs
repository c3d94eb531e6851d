//! Caravel as a whole: its programs as processes of their own, on a real database file, against a zooid that misbehaves.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod backup;
mod chaos;
mod client;
mod command;
mod configuration;
mod conformance;
mod dashboard;
mod demo;
mod drain;
mod edits;
mod fleet;
mod fsync;
mod installation;
mod keys;
mod lease;
mod npm;
mod operator_shell;
mod poison;
mod power_cut;
mod process;
mod removal;
mod repair;
mod retry;
mod rotation;
mod seed;
mod story;
mod wait;
