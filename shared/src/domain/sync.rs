//! Where a relay stands on its way to zooid, and what became of an attempt.
//!
//! Invariant: texts kept in a failure are redacted by whoever builds it.

use std::time::Duration;

use super::{failure::FailureKind, text::text_enum};

text_enum! {
    /// Where a relay stands, as clients and operators read it.
    SyncState, "sync state" {
        /// zooid has accepted the newest generation.
        Synced = "synced",
        /// A sync waits for its turn.
        Pending = "pending",
        /// A sync runs.
        Running = "running",
        /// A sync failed and will run again by itself.
        Retrying = "retrying",
        /// The newest generation was given up; an edit or an operator starts over.
        Failed = "failed",
        /// It waits for its target (circuit open, or paused), for the paused queue, or for the relay that still has its host.
        Held = "held",
        /// An operator paused the relay.
        Paused = "paused",
        /// The relay's syncs kept crashing workers or failing by our own fault; an operator must release it.
        Quarantined = "quarantined",
    }
}

/// A failed attempt.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SyncFailure {
    /// Why, as far as it decides what happens next.
    pub kind: FailureKind,
    /// The HTTP status, where an answer came.
    pub status: Option<u16>,
    /// What happened, for operators. Redacted and short.
    pub message: String,
    /// The beginning of the answer's body, redacted, at most 2 KiB.
    pub excerpt: Option<String>,
    /// How long the answer asked us to wait.
    pub retry_after: Option<Duration>,
    /// What another relay in zooid already has, where that is why (zooid.md, Conflicts).
    pub taken: Option<Taken>,
}

/// What no two relays in zooid can have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// The host name.
    Host,
    /// The schema.
    Schema,
}

impl SyncFailure {
    /// What tenants are told.
    #[must_use]
    pub fn tenant_sentence(&self) -> &'static str {
        self.kind.tenant_sentence()
    }
}

text_enum! {
    /// How zooid was told of a relay (zooid.md, Endpoints).
    Verb, "verb" {
        /// Create, with the secret.
        Post = "POST",
        /// Replace the whole configuration, with the secret: the repair of a broken file.
        Put = "PUT",
        /// Merge, without the secret.
        Patch = "PATCH",
        /// Remove the configuration; what it served stays.
        Delete = "DELETE",
    }
}

text_enum! {
    /// How an attempt ended, as its row says.
    AttemptOutcome, "outcome" {
        /// zooid said yes.
        Accepted = "accepted",
        /// It did not.
        Failed = "failed",
        /// Its worker died.
        Lost = "lost",
        /// It was claimed and never started.
        Released = "released",
    }
}

text_enum! {
    /// Whether calls go out to a target.
    CircuitState, "circuit state" {
        /// They do.
        Closed = "closed",
        /// Its jobs are held until a probe succeeds.
        Open = "open",
    }
}

/// What became of one attempt, as the code that talks to zooid reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncReport {
    /// The verb of the last call made; `None` when none was.
    pub verb: Option<Verb>,
    /// The status of the last answer; `None` when none came.
    pub status: Option<u16>,
    /// The body zooid accepted (canonical JSON, secrets as keyed hashes), or why it did not.
    pub result: Result<String, SyncFailure>,
}
