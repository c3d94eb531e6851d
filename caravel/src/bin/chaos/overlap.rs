//! Whether two live lease holders ever called zooid for the same relay at the same time.
//!
//! Who called is known by the attempts: between its claim and its outcome, an attempt is the only one of its relay. A call
//! that lasts on in zooid after its worker has given it up, or was killed, stopped or silenced by its deadline, is not held
//! by anybody. What remains is forbidden.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use sqlx::{FromRow, SqliteConnection};
use zooid_sim::{Call, RelayRecord, Verb};

use crate::ground::{CALL_MS, Origin};
use crate::ledger::{Entries, Record};

/// How much later than the claim's own time a call may seem to have begun, and how much earlier: the origin of the two
/// clocks is known to a few milliseconds.
const SLACK_MS: i64 = 100;

/// An attempt as the database has it.
#[derive(Debug, Clone, FromRow)]
pub struct Attempt {
    relay_id: String,
    worker_id: String,
    outcome: Option<String>,
    /// Unix milliseconds, like the next.
    started_at: i64,
    finished_at: Option<i64>,
}

/// All attempts, each relay's in their order.
pub async fn attempts(connection: &mut SqliteConnection) -> Result<Vec<Attempt>, sqlx::Error> {
    sqlx::query_as(
        "SELECT relay_id, worker_id, outcome, started_at, finished_at
         FROM sync_attempt
         ORDER BY relay_id, number",
    )
    .fetch_all(connection)
    .await
}

/// What should not have happened, relay by relay.
pub fn find(
    records: &BTreeMap<String, RelayRecord>,
    attempts: &[Attempt],
    entries: &Entries,
    origin: Origin,
) -> Vec<String> {
    let workers: BTreeMap<&str, &Record> = entries
        .processes
        .iter()
        .filter_map(|record| Some((record.worker.as_deref()?, record)))
        .collect();
    let mut findings = Vec::new();
    for (relay, record) in records {
        let court = Court {
            attempts: attempts
                .iter()
                .filter(|attempt| attempt.relay_id == *relay)
                .collect(),
            workers: &workers,
            origin,
        };
        let calls: Vec<&Call> = record.calls.iter().filter(|call| changes(call)).collect();
        findings.extend(
            court
                .judge(&calls)
                .into_iter()
                .map(|finding| format!("{relay}: {finding}")),
        );
    }
    findings
}

fn changes(call: &Call) -> bool {
    match call.verb {
        Verb::Post | Verb::Put | Verb::Patch | Verb::Delete => true,
        Verb::Members | Verb::Nip11 => false,
    }
}

/// One relay's attempts and what is known of those who made them.
struct Court<'a> {
    attempts: Vec<&'a Attempt>,
    workers: &'a BTreeMap<&'a str, &'a Record>,
    origin: Origin,
}

impl Court<'_> {
    fn judge(&self, calls: &[&Call]) -> Vec<String> {
        let mut findings = Vec::new();
        for (index, call) in calls.iter().enumerate() {
            let Some(attempt) = self.attempt_of(call) else {
                if !self.was_stopped_before(call.started) {
                    findings.push(format!("a call at {:?} outside any attempt", call.started));
                }
                continue;
            };
            for later in &calls[index + 1..] {
                if call.ended.is_some_and(|ended| ended <= later.started) {
                    continue;
                }
                if !self.may_overlap(call, attempt, later) {
                    findings.push(format!(
                        "calls at {:?} and {:?}, the first of them by the live worker {}",
                        call.started, later.started, attempt.worker_id
                    ));
                }
            }
        }
        findings
    }

    /// The attempt that was open when the call began.
    fn attempt_of(&self, call: &Call) -> Option<&Attempt> {
        let at = self.unix_ms(call.started);
        self.attempts
            .iter()
            .rfind(|attempt| {
                attempt.started_at <= at + SLACK_MS
                    && attempt.finished_at.is_none_or(|end| at <= end + SLACK_MS)
            })
            .copied()
    }

    /// Whether `call`, made in `attempt`, was in nobody's hands any more when `later` began.
    fn may_overlap(&self, call: &Call, attempt: &Attempt, later: &Call) -> bool {
        let gave_up = later.started >= call.started + Duration::from_millis(CALL_MS);
        let ended_itself = attempt.outcome.as_deref() != Some("lost")
            && attempt
                .finished_at
                .is_some_and(|end| end <= self.unix_ms(later.started) + SLACK_MS);
        gave_up
            || ended_itself
            || self.was_struck_before(attempt, later.started)
            || self.was_stopped_before(later.started)
    }

    /// Whether the attempt's worker had been killed by then, or stopped during the attempt.
    fn was_struck_before(&self, attempt: &Attempt, moment: Duration) -> bool {
        let moment = self.origin.instant + moment;
        let worker = self.workers.get(attempt.worker_id.as_str());
        worker
            .and_then(|record| record.killed)
            .is_some_and(|killed| killed <= moment)
            || self.was_stopped_during(attempt, moment)
    }

    /// Whether a worker that had lost this relay by then had been stopped while it held it: continued, it may call in
    /// another one's time.
    fn was_stopped_before(&self, moment: Duration) -> bool {
        let at = self.unix_ms(moment);
        self.attempts.iter().any(|attempt| {
            attempt.outcome.as_deref() == Some("lost")
                && attempt.finished_at.is_some_and(|end| end <= at + SLACK_MS)
                && self.was_stopped_during(attempt, self.origin.instant + moment)
        })
    }

    /// Whether the attempt's worker was stopped after its claim, and before `moment`.
    fn was_stopped_during(&self, attempt: &Attempt, moment: Instant) -> bool {
        let since_origin = attempt.started_at - self.origin.unix_ms - SLACK_MS;
        let since_origin = Duration::from_millis(u64::try_from(since_origin).unwrap_or(0));
        let claimed = self.origin.instant + since_origin;
        self.workers
            .get(attempt.worker_id.as_str())
            .is_some_and(|record| {
                let mut halted = record.halted.iter();
                halted.any(|halted| (claimed..=moment).contains(halted))
            })
    }

    fn unix_ms(&self, since_origin: Duration) -> i64 {
        let passed = i64::try_from(since_origin.as_millis()).unwrap_or(i64::MAX);
        self.origin.unix_ms.saturating_add(passed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: i64 = 1_000_000;

    fn attempt(worker: &str, outcome: &str, from: i64, to: i64) -> Attempt {
        Attempt {
            relay_id: "r".to_owned(),
            worker_id: worker.to_owned(),
            outcome: Some(outcome.to_owned()),
            started_at: START + from,
            finished_at: Some(START + to),
        }
    }

    fn call(from: u64, to: u64) -> Call {
        Call {
            verb: Verb::Patch,
            started: Duration::from_millis(from),
            ended: Some(Duration::from_millis(to)),
            status: None,
            body: String::new(),
        }
    }

    fn findings(calls: &[Call], attempts: &[Attempt], workers: &[Record], start: Instant) -> usize {
        let records = BTreeMap::from([(
            "r".to_owned(),
            RelayRecord {
                calls: calls.to_vec(),
                ..RelayRecord::default()
            },
        )]);
        let entries = Entries {
            processes: workers.to_vec(),
            ..Entries::default()
        };
        let origin = Origin {
            instant: start,
            unix_ms: START,
        };
        find(&records, attempts, &entries, origin).len()
    }

    fn worker(name: &str) -> Record {
        Record {
            worker: Some(name.to_owned()),
            ..Record::default()
        }
    }

    #[test]
    fn two_live_workers_that_meet_are_found() {
        let attempts = [
            attempt("a", "lost", 0, 900),
            attempt("b", "accepted", 1000, 2000),
        ];
        let calls = [call(10, 1500), call(1010, 1900)];
        let start = Instant::now();

        assert_eq!(findings(&calls, &attempts, &[worker("a")], start), 1);
    }

    #[test]
    fn a_call_of_a_worker_that_was_killed_or_stopped_may_last_on() {
        let attempts = [
            attempt("a", "lost", 0, 900),
            attempt("b", "accepted", 1000, 2000),
        ];
        let calls = [call(10, 1500), call(1010, 1900)];
        let start = Instant::now();
        let struck = start + Duration::from_millis(20);
        let killed = Record {
            killed: Some(struck),
            ..worker("a")
        };
        let stopped = Record {
            halted: vec![struck],
            ..worker("a")
        };

        assert_eq!(findings(&calls, &attempts, &[killed], start), 0);
        assert_eq!(findings(&calls, &attempts, &[stopped], start), 0);
    }

    #[test]
    fn a_call_that_its_worker_gave_up_may_last_on() {
        let attempts = [
            attempt("a", "failed", 0, 900),
            attempt("b", "accepted", 1100, 2000),
        ];
        let calls = [call(10, 1500), call(1110, 1900)];

        assert_eq!(
            findings(&calls, &attempts, &[worker("a")], Instant::now()),
            0
        );
    }

    #[test]
    fn a_call_in_nobodys_time_is_found() {
        let attempts = [attempt("a", "accepted", 0, 500)];

        assert_eq!(
            findings(&[call(900, 950)], &attempts, &[], Instant::now()),
            1
        );
    }
}
