//! The stand-in over real HTTP, held against what zooid.md says of zooid.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod admin;
mod auth;
mod binary;
mod conflicts;
mod faults;
mod files;
mod harness;
mod nip11;
mod records;
mod routes;
mod validation;
mod verbs;
