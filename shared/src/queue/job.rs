//! What a row of `Jobs` says: its type, its payload, its keys and its priority.

use serde::{Deserialize, Serialize};

use crate::domain::RelayId;

/// The `job_type` of every job of ours.
pub const JOB_TYPE: &str = "sync_relay";

/// The payload: which relay to bring in step. Never its settings, so an old job can do no harm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncJob {
    /// The relay.
    pub relay_id: RelayId,
}

/// Which waiting job goes first; higher first, as apalis orders them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// Reconcile and bulk work: when nobody waits.
    Background,
    /// Another try after a failure.
    Retry,
    /// A person changed something and is looking at the screen.
    Edit,
}

impl Priority {
    /// The number in `Jobs.priority`.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Background => 0,
            Self::Retry => 10,
            Self::Edit => 20,
        }
    }
}

/// How a finished job's `last_result` looks: the form apalis gives a handler's result.
#[derive(Debug, Clone, Copy)]
pub(super) enum LastResult<'a> {
    /// It ended well, or was no longer needed: why.
    Ok(&'a str),
    /// It failed: why, redacted.
    Err(&'a str),
}

impl LastResult<'_> {
    pub(super) fn to_json(self) -> String {
        let (key, text) = match self {
            Self::Ok(text) => ("Ok", text),
            Self::Err(text) => ("Err", text),
        };
        serde_json::json!({ key: text }).to_string()
    }
}
