//! Tests of the shared crate against real parts.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod command_atomicity;
mod command_billing;
mod command_relay;
mod command_relay_status;
mod command_rotate;
mod command_secrets;
mod command_tenant;
mod custom_domain;
mod fixture;
mod operator_bulk;
mod operator_hold;
mod operator_relay;
mod query_activity;
mod query_lists;
mod query_operator;
mod query_sync_state;
mod queue_probe;
mod watch;
mod zooid_client;
