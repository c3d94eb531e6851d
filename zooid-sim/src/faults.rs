//! Faults to inject: what may go wrong on the way to zooid, in it, and on the way back.
//!
//! A fault names the calls it hits (one relay or any, one verb or any), how many of them (the next k, a share, or all
//! until it is cleared) and what happens. Pauses of all faults that hit a call add up; of the other effects the oldest
//! fault's wins, and only that one is used up.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::answer::Answer;
use crate::lock::lock;
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

    fn aims_at(&self, id: &str, verb: Verb) -> bool {
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

/// The faults in force.
pub(crate) struct Faults {
    active: Mutex<Active>,
    /// Counts releases; whoever hangs waits for the next.
    releases: watch::Sender<u64>,
}

struct Active {
    faults: Vec<Fault>,
    rng: StdRng,
}

/// What the faults do to one call.
pub(crate) struct Plan {
    pauses: Vec<(Phase, Pause)>,
    /// What replaces the ordinary end of the call.
    pub(crate) ending: Ending,
    released: watch::Receiver<u64>,
}

struct Pause {
    at_most: Duration,
    ends_by_release: bool,
}

/// How a call ends.
pub(crate) enum Ending {
    /// As zooid ends it.
    Ordinary,
    /// Without an answer.
    Drop(Phase),
    /// With another answer.
    Answer(Phase, Box<Answer>),
    /// With a body cut in half.
    MalformedBody,
    /// With a body of this many bytes and some.
    HugeBody(usize),
    /// In the middle of the write.
    Crash(usize),
}

impl Faults {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            active: Mutex::new(Active {
                faults: Vec::new(),
                rng: StdRng::seed_from_u64(seed),
            }),
            releases: watch::Sender::new(0),
        }
    }

    /// Puts a fault in force.
    pub(crate) fn inject(&self, fault: Fault) -> Result<(), FaultError> {
        if let Span::Probability(p) = fault.span
            && !(0.0..=1.0).contains(&p)
        {
            return Err(FaultError::Probability(p));
        }
        if let Effect::Answer {
            status,
            headers,
            body,
            ..
        } = &fault.effect
        {
            answer(*status, headers, body)?;
        }
        lock(&self.active).faults.push(fault);
        Ok(())
    }

    /// The faults in force, those with a count with what is left of it.
    pub(crate) fn list(&self) -> Vec<Fault> {
        lock(&self.active).faults.clone()
    }

    /// Ends all faults and lets go of the calls that hang.
    pub(crate) fn clear(&self) {
        lock(&self.active).faults.clear();
        self.release();
    }

    /// Lets go of the calls that hang; later ones hang anew.
    pub(crate) fn release(&self) {
        self.releases.send_modify(|releases| *releases += 1);
    }

    /// Decides what happens to one call, and uses up the faults that hit it.
    pub(crate) fn plan(&self, id: &str, verb: Verb) -> Plan {
        let mut plan = Plan {
            pauses: Vec::new(),
            ending: Ending::Ordinary,
            released: self.releases.subscribe(),
        };
        let mut active = lock(&self.active);
        let Active { faults, rng } = &mut *active;
        for fault in faults.iter_mut().filter(|fault| fault.aims_at(id, verb)) {
            if !plan.has_room_for(&fault.effect) {
                continue;
            }
            let hits = match &mut fault.span {
                Span::Calls(left) => {
                    *left = left.saturating_sub(1);
                    true
                }
                Span::Probability(p) => rng.random_bool(*p),
                Span::UntilCleared => true,
            };
            if hits {
                plan.add(&fault.effect);
            }
        }
        faults.retain(|fault| fault.span != Span::Calls(0));
        plan
    }
}

impl Plan {
    /// Sits out the pauses of one phase.
    pub(crate) async fn pause(&mut self, phase: Phase) {
        for (_, pause) in self.pauses.iter().filter(|(p, _)| *p == phase) {
            let release = async {
                if !pause.ends_by_release || self.released.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            };
            // Running into the limit is how a pause ends when nobody releases it.
            let _ = tokio::time::timeout(pause.at_most, release).await;
        }
    }

    fn has_room_for(&self, effect: &Effect) -> bool {
        match effect {
            Effect::Delay { .. } | Effect::Hang { .. } => true,
            Effect::Drop { .. }
            | Effect::Answer { .. }
            | Effect::MalformedBody
            | Effect::HugeBody { .. }
            | Effect::Crash { .. } => matches!(self.ending, Ending::Ordinary),
        }
    }

    fn add(&mut self, effect: &Effect) {
        match effect {
            Effect::Delay { ms, phase } => self.pauses.push((*phase, Pause::for_ms(*ms, false))),
            Effect::Hang { cap_ms, phase } => {
                self.pauses.push((*phase, Pause::for_ms(*cap_ms, true)));
            }
            Effect::Drop { phase } => self.ending = Ending::Drop(*phase),
            Effect::Answer {
                status,
                headers,
                body,
                phase,
            } => {
                // Checked when the fault was injected.
                if let Ok(answer) = answer(*status, headers, body) {
                    self.ending = Ending::Answer(*phase, Box::new(answer));
                }
            }
            Effect::MalformedBody => self.ending = Ending::MalformedBody,
            Effect::HugeBody { bytes } => self.ending = Ending::HugeBody(*bytes),
            Effect::Crash { kept_bytes } => self.ending = Ending::Crash(*kept_bytes),
        }
    }
}

impl Pause {
    fn for_ms(ms: u64, ends_by_release: bool) -> Self {
        Self {
            at_most: Duration::from_millis(ms),
            ends_by_release,
        }
    }
}

fn answer(
    status: u16,
    headers: &BTreeMap<String, String>,
    body: &str,
) -> Result<Answer, FaultError> {
    let status = StatusCode::from_u16(status)
        .ok()
        .filter(|status| (200..600).contains(&status.as_u16()))
        .ok_or(FaultError::Status(status))?;
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let invalid = || FaultError::Header(name.clone());
        map.insert(
            HeaderName::from_bytes(name.as_bytes()).map_err(|_| invalid())?,
            HeaderValue::from_str(value).map_err(|_| invalid())?,
        );
    }
    Ok(Answer {
        status,
        headers: map,
        body: body.to_owned().into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status_of(plan: &Plan) -> Option<u16> {
        match &plan.ending {
            Ending::Answer(_, answer) => Some(answer.status.as_u16()),
            Ending::Ordinary
            | Ending::Drop(_)
            | Ending::MalformedBody
            | Ending::HugeBody(_)
            | Ending::Crash(_) => None,
        }
    }

    #[test]
    fn a_fault_hits_only_the_calls_it_names_and_only_as_many() {
        let faults = Faults::new(0);
        let fault = Fault::status(503).on_relay("a").on_verb(Verb::Patch);
        faults.inject(fault.for_calls(1)).unwrap();

        assert_eq!(status_of(&faults.plan("b", Verb::Patch)), None);
        assert_eq!(status_of(&faults.plan("a", Verb::Post)), None);
        assert_eq!(status_of(&faults.plan("a", Verb::Patch)), Some(503));
        assert_eq!(status_of(&faults.plan("a", Verb::Patch)), None);
        assert!(faults.list().is_empty());
    }

    #[test]
    fn of_two_endings_the_older_wins_and_the_younger_is_not_used_up() {
        let faults = Faults::new(0);
        faults.inject(Fault::status(500).for_calls(1)).unwrap();
        faults.inject(Fault::status(502).for_calls(1)).unwrap();

        assert_eq!(status_of(&faults.plan("a", Verb::Post)), Some(500));
        assert_eq!(status_of(&faults.plan("a", Verb::Post)), Some(502));
    }

    #[test]
    fn a_nip11_request_is_hit_only_by_name() {
        let faults = Faults::new(0);
        faults.inject(Fault::status(500)).unwrap();
        assert_eq!(status_of(&faults.plan("a", Verb::Nip11)), None);

        faults
            .inject(Fault::status(404).on_verb(Verb::Nip11))
            .unwrap();

        assert_eq!(status_of(&faults.plan("a", Verb::Nip11)), Some(404));
    }

    #[test]
    fn the_same_seed_hits_the_same_calls() {
        let hits = |seed| {
            let faults = Faults::new(seed);
            faults
                .inject(Fault::status(500).with_probability(0.5))
                .unwrap();
            (0..64)
                .map(|_| status_of(&faults.plan("a", Verb::Post)).is_some())
                .collect::<Vec<_>>()
        };

        assert_eq!(hits(7), hits(7));
        assert_ne!(hits(7), hits(8));
        assert!(hits(7).contains(&true) && hits(7).contains(&false));
    }

    #[test]
    fn a_crash_waits_for_a_call_that_writes() {
        let faults = Faults::new(0);
        faults
            .inject(Fault::new(Effect::Crash { kept_bytes: 0 }).for_calls(1))
            .unwrap();

        assert!(matches!(
            faults.plan("a", Verb::Members).ending,
            Ending::Ordinary
        ));
        assert!(matches!(
            faults.plan("a", Verb::Put).ending,
            Ending::Crash(0)
        ));
    }

    #[test]
    fn a_fault_that_http_cannot_carry_is_refused() {
        let faults = Faults::new(0);

        assert!(faults.inject(Fault::status(101)).is_err());
        assert!(faults.inject(Fault::status(600)).is_err());
        assert!(
            faults
                .inject(Fault::status(500).with_probability(1.5))
                .is_err()
        );
        let header = Effect::Answer {
            status: 500,
            headers: BTreeMap::from([("a b".into(), "c".into())]),
            body: String::new(),
            phase: Phase::Before,
        };
        assert!(faults.inject(Fault::new(header)).is_err());
    }

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
