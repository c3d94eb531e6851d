//! Where a relay stands on its way to zooid, and why an attempt failed.
//!
//! Invariant: texts kept in a failure are redacted by whoever builds it; the sentence for tenants is fixed text.

use std::time::Duration;

use super::text::text_enum;

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
        /// The target's circuit is open.
        Held = "held",
        /// An operator paused the relay or its target.
        Paused = "paused",
        /// The relay's syncs kept crashing workers; an operator must release it.
        Quarantined = "quarantined",
    }
}

text_enum! {
    /// Why an attempt failed.
    FailureKind, "failure kind" {
        /// No connection to zooid: nothing was sent.
        Unreachable = "unreachable",
        /// The request was sent and no complete answer came: it may have taken effect, now or later.
        OutcomeUnknown = "outcome_unknown",
        /// zooid, or a proxy before it, asked us to slow down.
        Throttled = "throttled",
        /// zooid refused our signature (401).
        CredentialsRefused = "credentials_refused",
        /// Our key is not on zooid's whitelist (403).
        KeyNotAllowed = "key_not_allowed",
        /// Another relay in zooid has the same host or schema.
        Conflict = "conflict",
        /// zooid refused the configuration itself.
        Invalid = "invalid",
        /// zooid could not read or write its configuration files.
        TargetDisk = "target_disk",
        /// zooid, or a proxy before it, answered with an error or with something zooid does not say.
        ServerError = "server_error",
        /// The attempt failed on our side before anything was sent.
        OurFault = "our_fault",
        /// The worker that ran the attempt died.
        WorkerLost = "worker_lost",
    }
}

impl FailureKind {
    /// What tenants are told: a sentence without addresses, texts of other systems or secrets.
    #[must_use]
    pub fn tenant_sentence(self) -> &'static str {
        match self {
            Self::Unreachable => "The relay server could not be reached. We will try again.",
            Self::OutcomeUnknown => {
                "The relay server did not confirm the change in time. We will try again."
            }
            Self::Throttled => "The relay server is busy. We will try again.",
            Self::CredentialsRefused | Self::KeyNotAllowed => {
                "The relay server refused our access. Our operators have to look into it."
            }
            Self::Conflict => {
                "Another relay already uses this address. Please choose a different one."
            }
            Self::Invalid => {
                "The relay server refused these settings. Please change them or ask for help."
            }
            Self::TargetDisk | Self::ServerError => {
                "The relay server had a problem saving the change. We will try again."
            }
            Self::OurFault => {
                "Something went wrong on our side. Our operators have to look into it."
            }
            Self::WorkerLost => "The change was interrupted. We will try again.",
        }
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
}

impl SyncFailure {
    /// What tenants are told.
    #[must_use]
    pub fn tenant_sentence(&self) -> &'static str {
        self.kind.tenant_sentence()
    }
}

text_enum! {
    /// How a relay's configuration was sent to zooid (zooid.md, Endpoints).
    Verb, "verb" {
        /// Create, with the secret.
        Post = "POST",
        /// Replace the whole configuration, with the secret: the repair of a broken file.
        Put = "PUT",
        /// Merge, without the secret.
        Patch = "PATCH",
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_sentence_that_gives_nothing_internal_away() {
        for kind in FailureKind::ALL {
            let sentence = kind.tenant_sentence();
            assert!(sentence.ends_with('.'), "{kind}");
            assert!(
                !sentence.contains("zooid") && !sentence.contains("://"),
                "{kind}"
            );
        }
    }
}
