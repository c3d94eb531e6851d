//! What was asked of the stand-in: calls, their overlaps, and counts.
//!
//! A call lasts from its routing until its work is done, whether or not the client still waits. Memory is bounded: of
//! each relay only the newest calls are kept, and the rest are counted.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::lock::lock;

/// How much of a body is kept.
const BODY_KEPT: usize = 64 * 1024;

/// What is asked of a relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Verb {
    /// POST: create.
    Post,
    /// PUT: replace.
    Put,
    /// PATCH: merge.
    Patch,
    /// DELETE: remove.
    Delete,
    /// GET of the members.
    Members,
    /// GET of the NIP-11 document, which is no call of the management API.
    Nip11,
}

impl Verb {
    /// Whether the call changes the relay's file; two such calls for one relay must never overlap.
    pub(crate) fn changes_file(self) -> bool {
        match self {
            Self::Post | Self::Put | Self::Patch | Self::Delete => true,
            Self::Members | Self::Nip11 => false,
        }
    }
}

/// One call of the management API.
#[derive(Clone)]
pub struct Call {
    /// What was asked.
    pub verb: Verb,
    /// When, since the stand-in started.
    pub started: Duration,
    /// When its work was done; none while it lasts.
    pub ended: Option<Duration>,
    /// The status of the answer; none while the call lasts and when the connection was dropped instead.
    pub status: Option<u16>,
    /// The body as received, secrets included, up to 64 KiB of it.
    pub body: String,
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("verb", &self.verb)
            .field("started", &self.started)
            .field("ended", &self.ended)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

/// What the recorder knows about one relay.
#[derive(Clone, Debug, Default)]
pub struct RelayRecord {
    /// The newest calls, oldest first.
    pub calls: Vec<Call>,
    /// How many older ones were forgotten.
    pub forgotten: u64,
    /// The most POST, PUT, PATCH and DELETE calls for this relay that ever lasted at the same time.
    pub max_overlap: usize,
}

/// Counts over all relays.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Totals {
    /// Calls that last now.
    pub in_flight: usize,
    /// The most calls that ever lasted at the same time.
    pub max_in_flight: usize,
    /// The greatest `max_overlap` of any relay.
    pub max_overlap: usize,
    /// Calls by verb, NIP-11 requests to known hosts included.
    pub calls: BTreeMap<Verb, u64>,
}

/// Keeps the records.
pub(crate) struct Recorder {
    origin: Instant,
    kept_per_relay: usize,
    records: Mutex<Records>,
}

#[derive(Default)]
struct Records {
    next: u64,
    totals: Totals,
    relays: HashMap<String, Relay>,
}

#[derive(Default)]
struct Relay {
    calls: VecDeque<(u64, Call)>,
    forgotten: u64,
    changing: usize,
    max_changing: usize,
}

impl Recorder {
    pub(crate) fn new(kept_per_relay: usize) -> Self {
        Self {
            origin: Instant::now(),
            kept_per_relay,
            records: Mutex::default(),
        }
    }

    /// Notes that a call begins.
    pub(crate) fn begin(self: &Arc<Self>, id: &str, verb: Verb) -> InFlight {
        let mut records = lock(&self.records);
        let number = records.next;
        records.next += 1;
        let Records { totals, relays, .. } = &mut *records;
        *totals.calls.entry(verb).or_default() += 1;
        totals.in_flight += 1;
        totals.max_in_flight = totals.max_in_flight.max(totals.in_flight);
        let relay = relays.entry(id.to_owned()).or_default();
        if verb.changes_file() {
            relay.changing += 1;
            relay.max_changing = relay.max_changing.max(relay.changing);
            totals.max_overlap = totals.max_overlap.max(relay.changing);
        }
        let call = Call {
            verb,
            started: self.origin.elapsed(),
            ended: None,
            status: None,
            body: String::new(),
        };
        relay.calls.push_back((number, call));
        if relay.calls.len() > self.kept_per_relay {
            relay.calls.pop_front();
            relay.forgotten += 1;
        }
        InFlight {
            recorder: Arc::clone(self),
            number,
            id: id.to_owned(),
            verb,
            status: None,
            body: String::new(),
        }
    }

    /// Counts a NIP-11 request.
    pub(crate) fn count_nip11(&self) {
        *lock(&self.records)
            .totals
            .calls
            .entry(Verb::Nip11)
            .or_default() += 1;
    }

    /// What is known about one relay.
    pub(crate) fn relay(&self, id: &str) -> RelayRecord {
        lock(&self.records)
            .relays
            .get(id)
            .map(Relay::record)
            .unwrap_or_default()
    }

    /// What is known about every relay that was ever named, by id.
    pub(crate) fn relays(&self) -> BTreeMap<String, RelayRecord> {
        lock(&self.records)
            .relays
            .iter()
            .map(|(id, relay)| (id.clone(), relay.record()))
            .collect()
    }

    /// The counts.
    pub(crate) fn totals(&self) -> Totals {
        lock(&self.records).totals.clone()
    }

    /// Starts the records anew; calls that last now still count as overlapping.
    pub(crate) fn forget(&self) {
        let mut records = lock(&self.records);
        records.relays.retain(|_, relay| relay.changing > 0);
        for relay in records.relays.values_mut() {
            relay.calls.clear();
            relay.forgotten = 0;
            relay.max_changing = relay.changing;
        }
        let in_flight = records.totals.in_flight;
        records.totals = Totals {
            in_flight,
            max_in_flight: in_flight,
            max_overlap: records
                .relays
                .values()
                .map(|r| r.changing)
                .max()
                .unwrap_or(0),
            calls: BTreeMap::new(),
        };
    }
}

impl Relay {
    fn record(&self) -> RelayRecord {
        RelayRecord {
            calls: self.calls.iter().map(|(_, call)| call.clone()).collect(),
            forgotten: self.forgotten,
            max_overlap: self.max_changing,
        }
    }
}

/// A call that lasts. It ends when this is dropped, so also when its work panics.
pub(crate) struct InFlight {
    recorder: Arc<Recorder>,
    number: u64,
    id: String,
    verb: Verb,
    status: Option<u16>,
    body: String,
}

impl InFlight {
    /// Ends the call with what came of it: the status answered, none if the connection is dropped.
    pub(crate) fn end(mut self, status: Option<u16>, body: &[u8]) {
        self.status = status;
        self.body = String::from_utf8_lossy(&body[..body.len().min(BODY_KEPT)]).into_owned();
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let ended = self.recorder.origin.elapsed();
        let mut records = lock(&self.recorder.records);
        records.totals.in_flight -= 1;
        let Some(relay) = records.relays.get_mut(&self.id) else {
            return;
        };
        if self.verb.changes_file() {
            relay.changing -= 1;
        }
        if let Some((_, call)) = relay.calls.iter_mut().rfind(|(n, _)| *n == self.number) {
            call.ended = Some(ended);
            call.status = self.status;
            call.body = std::mem::take(&mut self.body);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_newest_calls_of_a_relay_are_kept_and_the_rest_counted() {
        let recorder = Arc::new(Recorder::new(2));
        for verb in [Verb::Post, Verb::Put, Verb::Patch] {
            recorder.begin("a", verb).end(Some(200), b"");
        }

        let record = recorder.relay("a");

        assert_eq!(record.forgotten, 1);
        assert_eq!(
            record.calls.iter().map(|c| c.verb).collect::<Vec<_>>(),
            [Verb::Put, Verb::Patch]
        );
    }

    #[test]
    fn only_calls_that_change_one_relay_overlap() {
        let recorder = Arc::new(Recorder::new(9));
        let first = recorder.begin("a", Verb::Patch);
        let members = recorder.begin("a", Verb::Members);
        let other = recorder.begin("b", Verb::Patch);
        assert_eq!(recorder.totals().max_overlap, 1);
        assert_eq!(recorder.totals().max_in_flight, 3);

        let second = recorder.begin("a", Verb::Delete);

        assert_eq!(recorder.totals().max_overlap, 2);
        assert_eq!(recorder.relay("a").max_overlap, 2);
        assert_eq!(recorder.relay("b").max_overlap, 1);
        drop((first, members, other, second));
        assert_eq!(recorder.totals().in_flight, 0);
    }

    #[test]
    fn forgetting_keeps_count_of_calls_that_last() {
        let recorder = Arc::new(Recorder::new(9));
        let lasting = recorder.begin("a", Verb::Patch);
        recorder.forget();

        let second = recorder.begin("a", Verb::Patch);

        assert_eq!(recorder.relay("a").max_overlap, 2);
        drop((lasting, second));
        assert_eq!(recorder.totals().in_flight, 0);
    }

    #[test]
    fn debug_output_has_no_body() {
        let recorder = Arc::new(Recorder::new(9));
        recorder
            .begin("a", Verb::Post)
            .end(Some(201), b"the-secret");

        assert!(!format!("{:?}", recorder.relay("a")).contains("the-secret"));
    }
}
