use super::*;
use crate::{
    domain::{AttemptId, AttemptOutcome, RelayStatus, SyncState},
    repositories::{
        operator::{attempt::Attempt, job::JobState},
        relay_sync::Failure,
    },
};

/// 2027-01-15 08:00:00 UTC.
const NOW: i64 = 1_800_000_000_000;

/// What can be so, all of it together in the order of the checks: each test takes the first ones away.
struct Situation {
    sync: RelaySync,
    marks: Marks,
    running: Option<Job>,
    waiting: Option<Job>,
    target: TargetRow,
    queue_paused_at: Option<i64>,
    workers_alive: u64,
    observed: Option<Observed>,
}

fn job(state: JobState) -> Job {
    Job {
        id: "01J9ZX3V8QJ5S3R5T3N0V2K4M6".parse().unwrap(),
        state,
        attempts: 4,
        max_attempts: 25,
        run_at: NOW / 1000 + 40,
        priority: 10,
        locked_by: Some("w-1".parse().unwrap()),
        locked_at: Some(NOW - 2000),
        trace: String::new(),
    }
}

fn failure(kind: FailureKind) -> Failure {
    Failure {
        kind,
        sentence: kind.operator_sentence(),
        next_step: kind.next_step(),
        message: "refused".to_owned(),
        group_id: None,
    }
}

fn attempt() -> Attempt {
    Attempt {
        id: AttemptId::new(7),
        relay_id: "01j9zx3v8qj5s3r5t3n0v2k4m6".parse().unwrap(),
        host: "mine.spaces.example.com".to_owned(),
        number: 9,
        job_id: "01J9ZX3V8QJ5S3R5T3N0V2K4M6".parse().unwrap(),
        generation: 2,
        worker_id: "w-1".parse().unwrap(),
        trace: String::new(),
        target: "spaces.example.com".parse().unwrap(),
        verb: None,
        http_status: None,
        outcome: Some(AttemptOutcome::Failed),
        kind: Some(FailureKind::Unreachable),
        message: "refused".to_owned(),
        excerpt: None,
        started_at: NOW - 9000,
        finished_at: Some(NOW - 8000),
        duration_ms: Some(1000),
    }
}

impl Situation {
    /// Everything at once.
    fn worst() -> Self {
        Self {
            sync: RelaySync {
                state: SyncState::Quarantined,
                failed_generation: Some(2),
                ..sync()
            },
            marks: Marks {
                synced_at: Some(NOW - 60_000),
                quarantined_at: Some(NOW - 300_000),
                crashes: 3,
                faults: 0,
                paused_at: Some(NOW - 300_000),
                not_before: Some(NOW + 90_000),
                blocked_by: Some("other.spaces.example.com".to_owned()),
                accepted: None,
                gone_at: None,
            },
            running: Some(job(JobState::Running)),
            waiting: Some(job(JobState::Waiting)),
            target: TargetRow {
                name: "spaces.example.com".parse().unwrap(),
                url: String::new(),
                circuit_state: CircuitState::Open,
                circuit_since: NOW - 600_000,
                circuit_reason: "connection refused".to_owned(),
                failures: 5,
                next_probe_at: Some(NOW + 15_000),
                probe_requested_at: None,
                probed_at: None,
                probe_error: String::new(),
                paused_at: Some(NOW - 7_200_000),
                not_before: Some(NOW + 30_000),
            },
            queue_paused_at: Some(NOW - 30_000),
            workers_alive: 0,
            observed: None,
        }
    }

    fn explain(&self) -> Explanation {
        explain(&Facts {
            now: NOW,
            sync: &self.sync,
            marks: &self.marks,
            running: self.running.as_ref(),
            waiting: self.waiting.as_ref(),
            target: Some(&self.target),
            queue_paused_at: self.queue_paused_at,
            workers_alive: self.workers_alive,
            observed: self.observed.as_ref(),
        })
    }
}

fn sync() -> RelaySync {
    RelaySync {
        relay_id: "01j9zx3v8qj5s3r5t3n0v2k4m6".parse().unwrap(),
        tenant_pubkey: "3bf0c63fcb93463407af97a5e5ee64fa883d107ef9e558472c4eb9aaaefa459d"
            .parse()
            .unwrap(),
        subdomain: "mine".parse().unwrap(),
        zooid_domain: "spaces.example.com".parse().unwrap(),
        host: "mine.spaces.example.com".to_owned(),
        name: String::new(),
        status: RelayStatus::Active,
        removed_at: None,
        state: SyncState::Retrying,
        sync_error: String::new(),
        generation: 2,
        synced_generation: 1,
        failed_generation: None,
        failure: Some(failure(FailureKind::Unreachable)),
        attempts: Some(4),
        max_attempts: Some(25),
        next_attempt_at: None,
        live_at: None,
        out_of_step_since: Some(NOW - 120_000),
        last_attempt: Some(attempt()),
        last_attempt_id: 7,
    }
}

#[test]
fn the_first_check_that_applies_answers() {
    use ExplanationCode::{
        Blocked, CircuitOpen, FailedFinal, NoJob, NoWorker, Paused, Quarantined, QueuePaused,
        Retrying, Running, TargetPaused, TargetWaits, Throttled, WaitingTurn,
    };
    type Change = fn(&mut Situation);
    let ladder: [(ExplanationCode, Change); 14] = [
        (Quarantined, |it| it.marks.quarantined_at = None),
        (Paused, |it| it.marks.paused_at = None),
        (Running, |it| it.running = None),
        (FailedFinal, |it| it.sync.failed_generation = Some(1)),
        (Blocked, |it| it.marks.blocked_by = None),
        (TargetPaused, |it| it.target.paused_at = None),
        (CircuitOpen, |it| {
            it.target.circuit_state = CircuitState::Closed;
        }),
        (QueuePaused, |it| it.queue_paused_at = None),
        (TargetWaits, |it| it.target.not_before = Some(NOW)),
        (NoWorker, |it| it.workers_alive = 1),
        (Throttled, |it| it.marks.not_before = None),
        (Retrying, |it| {
            it.waiting.as_mut().unwrap().run_at = NOW / 1000;
        }),
        (WaitingTurn, |it| it.waiting = None),
        (NoJob, |it| it.sync.synced_generation = 2),
    ];
    let mut situation = Situation::worst();
    for (code, take_away) in ladder {
        let explanation = situation.explain();
        assert_eq!(explanation.code, code);
        assert!(
            explanation.sentence.ends_with('.'),
            "{}",
            explanation.sentence
        );
        take_away(&mut situation);
    }
    assert_eq!(situation.explain().code, ExplanationCode::InStep);
}

#[test]
fn a_retry_says_when_which_and_why() {
    let mut situation = Situation::worst();
    situation.marks = Marks {
        synced_at: None,
        quarantined_at: None,
        crashes: 0,
        faults: 0,
        paused_at: None,
        not_before: None,
        blocked_by: None,
        accepted: None,
        gone_at: None,
    };
    situation.running = None;
    situation.sync.failed_generation = None;
    situation.target.paused_at = None;
    situation.target.circuit_state = CircuitState::Closed;
    situation.target.not_before = None;
    situation.queue_paused_at = None;
    situation.workers_alive = 1;

    let explanation = situation.explain();

    assert_eq!(
        explanation.sentence,
        "Waiting until 08:00:40 UTC (in 40 s) for attempt 5 of 25; the last one failed: zooid cannot be reached, or a \
         gateway before it says so."
    );
    assert_eq!(explanation.since, Some(NOW - 120_000));
    assert_eq!(
        explanation.next_step.as_deref(),
        Some(FailureKind::Unreachable.next_step())
    );
}

#[test]
fn an_open_circuit_says_why_and_when_the_next_probe_is() {
    let mut situation = Situation::worst();
    situation.marks.quarantined_at = None;
    situation.marks.paused_at = None;
    situation.marks.blocked_by = None;
    situation.running = None;
    situation.sync.failed_generation = None;
    situation.target.paused_at = None;

    assert_eq!(
        situation.explain().sentence,
        "Held since 07:50:00 UTC: nothing is sent to spaces.example.com until a probe succeeds: connection refused. The \
         next probe is at 08:00:15 UTC (in 15 s)."
    );
}

#[test]
fn what_was_given_up_says_whether_attempts_ran_out() {
    let mut situation = Situation::worst();
    situation.marks.quarantined_at = None;
    situation.marks.paused_at = None;
    situation.running = None;
    assert!(
        situation
            .explain()
            .sentence
            .starts_with("Given up after 4 attempts: zooid cannot")
    );

    situation.sync.failure = Some(failure(FailureKind::Conflict));
    assert_eq!(
        situation.explain().sentence,
        "Given up: Another configuration in zooid has this host or schema."
    );
}

#[test]
fn a_relay_in_step_that_is_held_says_so() {
    let mut situation = Situation::worst();
    situation.sync.synced_generation = 2;
    situation.marks.quarantined_at = None;

    assert_eq!(
        situation.explain().sentence,
        "zooid has the newest settings since 07:59:00 UTC. The relay is paused: its next change will wait."
    );
}

#[test]
fn a_relay_in_step_says_whether_it_was_seen_so() {
    let mut situation = Situation::worst();
    situation.sync.synced_generation = 2;
    situation.marks.quarantined_at = None;
    situation.marks.paused_at = None;
    let seen = Observed {
        live_generation: 2,
        live_at: Some(NOW - 58_000),
        observed_generation: 2,
        observed_at: Some(NOW - 58_000),
        document: None,
        drift_since: None,
        drift: Vec::new(),
        healed_at: None,
        heals: 0,
    };
    situation.observed = Some(seen.clone());
    assert_eq!(
        situation.explain().sentence,
        "zooid has the newest settings since 07:59:00 UTC. They were first seen in effect at 07:59:02 UTC."
    );

    situation.observed = Some(Observed {
        drift_since: Some(NOW - 10_000),
        drift: vec![DriftField::SelfKey, DriftField::Name],
        healed_at: Some(NOW - 9_000),
        heals: 1,
        ..seen
    });
    let drifted = situation.explain();

    assert_eq!(drifted.code, ExplanationCode::Drifted);
    assert_eq!(
        drifted.sentence,
        "zooid accepted the newest settings, but since 07:59:50 UTC the relay has been seen to differ: its own key, its \
         name. It was last sent again at 07:59:51 UTC."
    );
    assert_eq!(drifted.since, Some(NOW - 10_000));
}

#[test]
fn a_relay_that_was_removed_says_whether_its_names_are_free() {
    let mut situation = Situation::worst();
    situation.sync.removed_at = Some(NOW / 1000 - 90);
    assert_eq!(situation.explain().code, ExplanationCode::Quarantined);

    situation.sync.synced_generation = 2;
    assert_eq!(situation.explain().code, ExplanationCode::Removed);
    assert!(situation.explain().sentence.contains("not free yet"));

    situation.marks.gone_at = Some(NOW);
    assert_eq!(
        situation.explain().sentence,
        "Removed: zooid confirmed at 07:59:00 UTC that it has no file of it. Its names are free."
    );
}

#[test]
fn times_far_away_have_their_date_and_long_spans_a_large_unit() {
    assert_eq!(clock(NOW, NOW - 86_400_000), "2027-01-14 08:00:00 UTC");
    for (milliseconds, text) in [
        (-5, "0 s"),
        (119_999, "119 s"),
        (120_000, "2 min"),
        (7_200_000, "2 h"),
        (172_800_000, "2 d"),
    ] {
        assert_eq!(span(milliseconds), text);
    }
}
