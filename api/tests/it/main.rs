//! The API over real HTTP, on a real database file.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod access;
mod billing;
mod binary;
mod conditions;
mod cors;
mod dashboard;
mod description;
mod docs;
mod envelope;
mod events;
mod harness;
mod limits;
mod members;
mod nip98;
mod nip98_bytes;
mod operator_actions;
mod operator_reads;
mod pages;
mod plan_rules;
mod reference;
mod relay_bytes;
mod relay_removal;
mod relay_status;
mod relay_sync;
mod relays;
mod requests;
mod rules;
mod slow;
mod tenants;
mod watching;
mod zooid;
