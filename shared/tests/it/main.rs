//! Tests of the shared crate against real parts.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod zooid_client;
