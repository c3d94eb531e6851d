//! Why a relay is not in step: one sentence, and what to do.
//!
//! Invariant: a pure function of what was read and of the time. The first check that applies answers, from what only an
//! operator can end to what ends by itself.

use chrono::{DateTime, TimeDelta};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    domain::{CircuitState, DriftField, FailureKind, Policy},
    repositories::{
        operator::{job::Job, marks::Marks, observation::Observed, target::TargetRow},
        relay_sync::RelaySync,
    },
};

/// Times further away than this are told with their date.
const NEAR: TimeDelta = TimeDelta::hours(20);

/// Which check applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExplanationCode {
    /// The relay was removed, and zooid has no file of it.
    Removed,
    /// zooid has the newest settings.
    InStep,
    /// zooid accepted the newest settings, and the relay does not answer accordingly.
    Drifted,
    /// The relay is kept from the workers.
    Quarantined,
    /// An operator paused the relay.
    Paused,
    /// A sync runs.
    Running,
    /// The newest generation was given up.
    FailedFinal,
    /// Another relay of ours still has its host.
    Blocked,
    /// An operator paused its target.
    TargetPaused,
    /// Its target does not answer as it should.
    CircuitOpen,
    /// An operator paused the queue.
    QueuePaused,
    /// Its target asked us to wait.
    TargetWaits,
    /// There is nobody to send it.
    NoWorker,
    /// zooid asked us to wait with this relay.
    Throttled,
    /// Its next attempt is not due yet.
    Retrying,
    /// It is due and waits for a free slot.
    WaitingTurn,
    /// Nothing waits, although something should.
    NoJob,
}

/// Why a relay is not in step, or that it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Explanation {
    /// Which check applied.
    pub code: ExplanationCode,
    /// The answer, for a tired person.
    pub sentence: String,
    /// What an operator can do; `None` when there is nothing to do.
    pub next_step: Option<String>,
    /// Since when it is so, in unix milliseconds, where that is known.
    pub since: Option<i64>,
}

/// All that can be the reason.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts<'a> {
    /// Unix milliseconds.
    pub(super) now: i64,
    pub(super) sync: &'a RelaySync,
    pub(super) marks: &'a Marks,
    pub(super) running: Option<&'a Job>,
    pub(super) waiting: Option<&'a Job>,
    pub(super) target: Option<&'a TargetRow>,
    pub(super) queue_paused_at: Option<i64>,
    pub(super) workers_alive: u64,
    pub(super) observed: Option<&'a Observed>,
}

/// The first check that applies.
pub(super) fn explain(facts: &Facts<'_>) -> Explanation {
    in_step(facts)
        .or_else(|| held_by_itself(facts))
        .or_else(|| running(facts))
        .or_else(|| failed_final(facts))
        .or_else(|| blocked(facts))
        .or_else(|| held_by_its_target(facts))
        .or_else(|| no_worker(facts))
        .or_else(|| throttled(facts))
        .unwrap_or_else(|| waiting(facts))
}

fn in_step(facts: &Facts<'_>) -> Option<Explanation> {
    let Facts { sync, marks, .. } = facts;
    if sync.synced_generation < sync.generation {
        return None;
    }
    if sync.removed_at.is_some() {
        return Some(removed(facts));
    }
    let hold = match (marks.quarantined_at, marks.paused_at) {
        (Some(_), _) => " The relay is quarantined: its next change will wait.",
        (None, Some(_)) => " The relay is paused: its next change will wait.",
        (None, None) => "",
    };
    if let Some(drifted) = drifted(facts, hold) {
        return Some(drifted);
    }
    let since = marks.synced_at;
    let since_when = since.map_or(String::new(), |at| {
        format!(" since {}", clock(facts.now, at))
    });
    Some(Explanation {
        code: ExplanationCode::InStep,
        sentence: format!(
            "zooid has the newest settings{since_when}.{}{hold}",
            live(facts)
        ),
        next_step: None,
        since,
    })
}

/// Since when the relay has been seen with them, if it has.
fn live(facts: &Facts<'_>) -> String {
    facts
        .observed
        .filter(|observed| observed.live_generation == facts.sync.generation)
        .and_then(|observed| observed.live_at)
        .map_or(String::new(), |at| {
            format!(
                " They were first seen in effect at {}.",
                clock(facts.now, at)
            )
        })
}

fn drifted(facts: &Facts<'_>, hold: &str) -> Option<Explanation> {
    let observed = facts.observed?;
    let since = observed.drift_since?;
    let in_what: Vec<&str> = observed.drift.iter().copied().map(drift_in_words).collect();
    let again = observed
        .healed_at
        .filter(|at| *at >= since)
        .map_or(String::new(), |at| {
            format!(" It was last sent again at {}.", clock(facts.now, at))
        });
    Some(Explanation {
        code: ExplanationCode::Drifted,
        sentence: format!(
            "zooid accepted the newest settings, but since {} the relay has been seen to differ: {}.{again}{hold}",
            clock(facts.now, since),
            in_what.join(", ")
        ),
        next_step: Some(
            "It is looked at every 15 minutes, and sent again while it differs. If that does not help, look at zooid's log and \
             at the relay's file in its CONFIG folder."
                .to_owned(),
        ),
        since: Some(since),
    })
}

fn drift_in_words(field: DriftField) -> &'static str {
    match field {
        DriftField::Answers => "whether it answers at its host",
        DriftField::SelfKey => "its own key",
        DriftField::Pubkey => "its owner",
        DriftField::Name => "its name",
    }
}

fn removed(facts: &Facts<'_>) -> Explanation {
    let since = facts.marks.synced_at;
    let when = since.map_or(String::new(), |at| format!(" at {}", clock(facts.now, at)));
    let names = match facts.marks.gone_at {
        Some(_) => "Its names are free.",
        None => {
            "Its names are not free yet: an earlier call may still bring it back, and is overruled then."
        }
    };
    Explanation {
        code: ExplanationCode::Removed,
        sentence: format!("Removed: zooid confirmed{when} that it has no file of it. {names}"),
        next_step: None,
        since,
    }
}

fn held_by_itself(facts: &Facts<'_>) -> Option<Explanation> {
    let marks = facts.marks;
    if let Some(since) = marks.quarantined_at {
        let why = if marks.crashes > 0 {
            format!("{} died while they ran it", count(marks.crashes, "worker"))
        } else {
            format!("{} failed by our own fault", count(marks.faults, "attempt"))
        };
        return Some(Explanation {
            code: ExplanationCode::Quarantined,
            sentence: format!(
                "Kept from the workers since {}: {why}.",
                clock(facts.now, since)
            ),
            next_step: Some(
                "Look at the worker's log at the time of the last attempts. Then release the relay."
                    .to_owned(),
            ),
            since: Some(since),
        });
    }
    let since = marks.paused_at?;
    Some(paused(
        facts,
        ExplanationCode::Paused,
        "this relay",
        "the relay",
        since,
    ))
}

fn paused(
    facts: &Facts<'_>,
    code: ExplanationCode,
    what: &str,
    resume: &str,
    since: i64,
) -> Explanation {
    Explanation {
        code,
        sentence: format!(
            "An operator paused {what} at {} ({} ago).",
            clock(facts.now, since),
            span(facts.now - since)
        ),
        next_step: Some(format!("Resume {resume} to send it.")),
        since: Some(since),
    }
}

fn running(facts: &Facts<'_>) -> Option<Explanation> {
    let job = facts.running?;
    let open = facts
        .sync
        .last_attempt
        .as_ref()
        .filter(|attempt| attempt.finished_at.is_none());
    let since = open.map(|attempt| attempt.started_at).or(job.locked_at);
    let worker = job
        .locked_by
        .as_ref()
        .map_or("a worker", |worker| worker.as_str());
    let how_long = since.map_or(String::new(), |since| {
        format!(
            " since {} ({})",
            clock(facts.now, since),
            span(facts.now - since)
        )
    });
    Some(Explanation {
        code: ExplanationCode::Running,
        sentence: format!(
            "Attempt {} of {} runs{how_long} at worker {worker}.",
            job.attempts, job.max_attempts
        ),
        next_step: None,
        since,
    })
}

fn failed_final(facts: &Facts<'_>) -> Option<Explanation> {
    let sync = facts.sync;
    if sync.failed_generation != Some(sync.generation) {
        return None;
    }
    let kind = sync.failure.as_ref().map(|failure| failure.kind);
    let is_final = kind.is_some_and(|kind| kind.policy() == Policy::GiveUp);
    let after = match (is_final, sync.attempts) {
        (false, Some(attempts)) => format!(" after {}", count(attempts, "attempt")),
        (true, _) | (false, None) => String::new(),
    };
    let why = kind.map_or("No reason was noted.", FailureKind::operator_sentence);
    Some(Explanation {
        code: ExplanationCode::FailedFinal,
        sentence: format!("Given up{after}: {why}"),
        next_step: Some(
            kind.filter(|_| is_final)
                .map_or(
                    "Look into the cause, then retry: it is not sent again by itself.",
                    FailureKind::next_step,
                )
                .to_owned(),
        ),
        since: sync
            .last_attempt
            .as_ref()
            .and_then(|attempt| attempt.finished_at),
    })
}

fn blocked(facts: &Facts<'_>) -> Option<Explanation> {
    let host = facts.marks.blocked_by.as_ref()?;
    Some(Explanation {
        code: ExplanationCode::Blocked,
        sentence: format!(
            "Waiting for another relay to leave {}; that one is on its way to {host}.",
            facts.sync.host
        ),
        next_step: Some(FailureKind::Blocked.next_step().to_owned()),
        since: facts.sync.out_of_step_since,
    })
}

fn held_by_its_target(facts: &Facts<'_>) -> Option<Explanation> {
    if let Some(target) = facts.target {
        if let Some(since) = target.paused_at {
            let what = format!("the target {}", target.name);
            let code = ExplanationCode::TargetPaused;
            return Some(paused(facts, code, &what, "the target", since));
        }
        match target.circuit_state {
            CircuitState::Open => return Some(circuit_open(facts, target)),
            CircuitState::Closed => {}
        }
    }
    if let Some(since) = facts.queue_paused_at {
        let code = ExplanationCode::QueuePaused;
        return Some(paused(facts, code, "the whole queue", "the queue", since));
    }
    let target = facts.target?;
    let until = target.not_before.filter(|until| *until > facts.now)?;
    Some(asked_to_wait(
        facts,
        ExplanationCode::TargetWaits,
        target.name.as_str(),
        until,
    ))
}

fn circuit_open(facts: &Facts<'_>, target: &TargetRow) -> Explanation {
    let reason = match target.circuit_reason.as_str() {
        "" => String::new(),
        reason => format!(": {}", reason.trim_end_matches('.')),
    };
    let probe = match target.next_probe_at {
        Some(at) if at > facts.now => format!(
            " The next probe is at {} (in {}).",
            clock(facts.now, at),
            span(at - facts.now)
        ),
        Some(_) => " The next probe is due.".to_owned(),
        None => String::new(),
    };
    let kind = facts
        .sync
        .failure
        .as_ref()
        .map(|failure| failure.kind)
        .filter(|kind| matches!(kind.policy(), Policy::TargetFailure(_)))
        .unwrap_or(FailureKind::Unreachable);
    Explanation {
        code: ExplanationCode::CircuitOpen,
        sentence: format!(
            "Held since {}: nothing is sent to {} until a probe succeeds{reason}.{probe}",
            clock(facts.now, target.circuit_since),
            target.name
        ),
        next_step: Some(kind.next_step().to_owned()),
        since: Some(target.circuit_since),
    }
}

fn asked_to_wait(facts: &Facts<'_>, code: ExplanationCode, whom: &str, until: i64) -> Explanation {
    Explanation {
        code,
        sentence: format!(
            "Waiting until {} (in {}), as {whom} asked for.",
            clock(facts.now, until),
            span(until - facts.now)
        ),
        next_step: None,
        since: facts.sync.out_of_step_since,
    }
}

fn no_worker(facts: &Facts<'_>) -> Option<Explanation> {
    (facts.workers_alive == 0).then(|| Explanation {
        code: ExplanationCode::NoWorker,
        sentence: "No worker is alive to send it.".to_owned(),
        next_step: Some("Start a worker, and look at why the last one ended.".to_owned()),
        since: None,
    })
}

fn throttled(facts: &Facts<'_>) -> Option<Explanation> {
    let until = facts.marks.not_before.filter(|until| *until > facts.now)?;
    Some(asked_to_wait(
        facts,
        ExplanationCode::Throttled,
        "zooid",
        until,
    ))
}

fn waiting(facts: &Facts<'_>) -> Explanation {
    let since = facts.sync.out_of_step_since;
    let Some(job) = facts.waiting else {
        return Explanation {
            code: ExplanationCode::NoJob,
            sentence: "Out of step, and no job waits for it; reconcile adds one by itself."
                .to_owned(),
            next_step: Some("Retry it, if reconcile does not come soon enough.".to_owned()),
            since,
        };
    };
    let failure = facts.sync.failure.as_ref();
    let last = failure.map_or(String::new(), |failure| {
        format!(
            "; the last one failed: {}",
            failure.sentence.trim_end_matches('.')
        )
    });
    let due = job.run_at * 1000;
    if due > facts.now {
        return Explanation {
            code: ExplanationCode::Retrying,
            sentence: format!(
                "Waiting until {} (in {}) for attempt {} of {}{last}.",
                clock(facts.now, due),
                span(due - facts.now),
                job.attempts + 1,
                job.max_attempts
            ),
            next_step: failure.map(|failure| failure.next_step.to_owned()),
            since,
        };
    }
    Explanation {
        code: ExplanationCode::WaitingTurn,
        sentence: format!(
            "Due since {} ({} ago) and waiting for a free worker{last}.",
            clock(facts.now, due),
            span(facts.now - due)
        ),
        next_step: None,
        since,
    }
}

/// A time of day, with its date when it is far from now.
pub(super) fn clock(now: i64, at: i64) -> String {
    let Some(time) = DateTime::from_timestamp_millis(at) else {
        return format!("{at} ms");
    };
    let form = if (now - at).abs() < NEAR.num_milliseconds() {
        "%H:%M:%S UTC"
    } else {
        "%Y-%m-%d %H:%M:%S UTC"
    };
    time.format(form).to_string()
}

/// A length of time in its largest unit that fits twice, or once in seconds.
pub(super) fn span(milliseconds: i64) -> String {
    let seconds = milliseconds.max(0) / 1000;
    for (unit, length) in [("d", 86_400), ("h", 3_600), ("min", 60)] {
        if seconds >= 2 * length {
            return format!("{} {unit}", seconds / length);
        }
    }
    format!("{seconds} s")
}

fn count(number: u32, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

#[cfg(test)]
mod tests;
