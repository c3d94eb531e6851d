//! What operators read: relays on their way, failure groups, attempts, targets, workers, counts and the record of actions.
//!
//! Invariants: every statement finds its rows by an index in the order of its answer, or reads tables that stay small
//! whatever the history is; what it looks at is bounded. All statements of one answer run in one [`Snapshot`], so its
//! numbers agree with each other.

pub mod attempt;
pub mod attempt_list;
pub mod audit;
pub mod count;

pub mod group;
pub mod job;
pub mod keyset;
pub mod marks;
pub mod observation;
pub mod rollup;
pub mod search;
mod snapshot;
pub mod sync_list;
pub mod target;
#[cfg(test)]
mod tests;
pub mod worker;

pub use snapshot::Snapshot;

/// How many rows one index range is followed through for a page. A filter that lets few of them pass then gives a short
/// page, and the search goes on with the next one.
const LOOK: u32 = 10_000;

/// The host name at which zooid serves a row of `relay`: [`crate::domain::DesiredRelay::host`] in SQL.
macro_rules! host {
    () => {
        "CASE
             WHEN relay.custom_domain_verified THEN relay.custom_domain
             ELSE relay.subdomain || '.' || relay.zooid_domain
         END"
    };
}

use host;

/// The ids as the JSON array that `json_each` takes apart.
fn json_array<T: serde::Serialize>(ids: &[T]) -> Result<String, sqlx::Error> {
    serde_json::to_string(ids).map_err(|error| sqlx::Error::Encode(error.into()))
}
