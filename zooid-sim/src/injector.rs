//! Which faults are in force, and what they do to each call.
//!
//! Pauses of all faults that hit a call add up; of the other effects the oldest fault's wins, and only that one is used
//! up.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::watch;

use crate::answer::Answer;
use crate::faults::{Effect, Fault, FaultError, Phase, Span};
use crate::lock::lock;
use crate::recorder::Verb;

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

    /// Whether there are pauses in one phase.
    pub(crate) fn has_pause(&self, phase: Phase) -> bool {
        self.pauses.iter().any(|(p, _)| *p == phase)
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
}
