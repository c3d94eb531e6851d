//! The API over real HTTP, on a real database file.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod access;
mod binary;
mod cors;
mod dashboard;
mod docs;
mod envelope;
mod events;
mod harness;
mod nip98;
mod nip98_bytes;
mod operator_actions;
mod operator_reads;
mod relay_status;
mod relays;
mod requests;
mod rules;
mod tenants;
mod watching;
