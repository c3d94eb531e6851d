//! Faults to inject: what may go wrong on the way to zooid, in it, and on the way back.
//!
//! A fault names the calls it hits (one relay or any, one verb or any), how many of them (the next k, a share, or all
//! until it is cleared) and what happens.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::recorder::Verb;

/// Something that goes wrong with some calls.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// The relay whose calls are hit; any when absent.
    #[serde(default)]
    pub relay: Option<String>,
    /// The verb that is hit; when absent any call of the management API, but no NIP-11 request.
    #[serde(default)]
    pub verb: Option<Verb>,
    /// How many calls are hit.
    #[serde(default)]
    pub span: Span,
    /// What happens to them.
    pub effect: Effect,
}

/// How many calls a fault hits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Span {
    /// The next so many.
    Calls(u64),
    /// Each with this probability, 0 to 1.
    Probability(f64),
    /// All, until the faults are cleared.
    #[default]
    UntilCleared,
}

/// When a fault acts, relative to what the call does to the relay's file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Before: a drop or an answer then means that nothing is applied, nor even checked.
    #[default]
    Before,
    /// After: the call is applied, then its answer is held back or lost.
    After,
}

/// What a fault does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Effect {
    /// Waits.
    Delay {
        /// For so many milliseconds.
        ms: u64,
        /// Before or after applying.
        #[serde(default)]
        phase: Phase,
    },
    /// Waits until the faults are released or cleared.
    Hang {
        /// But no longer than so many milliseconds.
        #[serde(default = "minute")]
        cap_ms: u64,
        /// Before or after applying.
        #[serde(default)]
        phase: Phase,
    },
    /// Closes the connection without an answer.
    Drop {
        /// Before or after applying.
        #[serde(default)]
        phase: Phase,
    },
    /// Gives another answer than zooid's.
    Answer {
        /// Its status, 200 to 599.
        status: u16,
        /// Its headers, `Retry-After` for example.
        #[serde(default)]
        headers: BTreeMap<String, String>,
        /// Its body.
        #[serde(default)]
        body: String,
        /// Before or after applying.
        #[serde(default)]
        phase: Phase,
    },
    /// Applies the call, but cuts the body of the answer in half, its JSON with it.
    MalformedBody,
    /// Applies the call, but answers with a message this long.
    HugeBody {
        /// Length of the message in bytes.
        bytes: usize,
    },
    /// POST, PUT and PATCH only: zooid dies while it writes the file, which stays with its first bytes only; the
    /// connection closes without an answer. The stand-in itself lives on.
    Crash {
        /// How many bytes reach the file.
        kept_bytes: usize,
    },
}

fn minute() -> u64 {
    60_000
}

/// A fault that cannot be injected.
#[derive(Debug, thiserror::Error)]
pub enum FaultError {
    /// No final HTTP status.
    #[error("status {0} is not between 200 and 599")]
    Status(u16),
    /// No HTTP header.
    #[error("{0:?} is no valid header")]
    Header(String),
    /// No share.
    #[error("probability {0} is not between 0 and 1")]
    Probability(f64),
}

impl Fault {
    /// A fault that hits every call until it is cleared.
    #[must_use]
    pub fn new(effect: Effect) -> Self {
        Self {
            relay: None,
            verb: None,
            span: Span::UntilCleared,
            effect,
        }
    }

    /// An answer of another status, with nothing applied.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self::new(Effect::Answer {
            status,
            headers: BTreeMap::new(),
            body: String::new(),
            phase: Phase::Before,
        })
    }

    /// An answer of another status with `Retry-After` in seconds, with nothing applied.
    #[must_use]
    pub fn retry_after(status: u16, seconds: u64) -> Self {
        Self::new(Effect::Answer {
            status,
            headers: BTreeMap::from([("retry-after".to_owned(), seconds.to_string())]),
            body: String::new(),
            phase: Phase::Before,
        })
    }

    /// Only calls for this relay.
    #[must_use]
    pub fn on_relay(mut self, id: impl Into<String>) -> Self {
        self.relay = Some(id.into());
        self
    }

    /// Only calls of this verb.
    #[must_use]
    pub fn on_verb(mut self, verb: Verb) -> Self {
        self.verb = Some(verb);
        self
    }

    /// Only the next so many.
    #[must_use]
    pub fn for_calls(mut self, calls: u64) -> Self {
        self.span = Span::Calls(calls);
        self
    }

    /// Each with this probability.
    #[must_use]
    pub fn with_probability(mut self, probability: f64) -> Self {
        self.span = Span::Probability(probability);
        self
    }

    /// Whether this call is one that the fault may hit.
    pub(crate) fn aims_at(&self, id: &str, verb: Verb) -> bool {
        let relay = self.relay.as_deref().is_none_or(|relay| relay == id);
        let verb_named = match self.verb {
            Some(named) => named == verb,
            None => verb != Verb::Nip11,
        };
        relay && verb_named && self.effect.applies_to(verb)
    }
}

impl Effect {
    fn applies_to(&self, verb: Verb) -> bool {
        match self {
            Self::Crash { .. } => match verb {
                Verb::Post | Verb::Put | Verb::Patch => true,
                Verb::Delete | Verb::Members | Verb::Nip11 => false,
            },
            Self::Delay { .. }
            | Self::Hang { .. }
            | Self::Drop { .. }
            | Self::Answer { .. }
            | Self::MalformedBody
            | Self::HugeBody { .. } => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_reads_from_short_json() {
        let fault: Fault =
            serde_json::from_str(r#"{"verb":"PATCH","effect":{"delay":{"ms":5}}}"#).unwrap();

        assert_eq!(
            fault,
            Fault::new(Effect::Delay {
                ms: 5,
                phase: Phase::Before
            })
            .on_verb(Verb::Patch)
        );
    }
}
