//! What the queue cannot see: workers, calls on their way, and zooid.

use std::collections::HashMap;

use super::{
    step::{Ending, Step},
    *,
};
use crate::{
    domain::{ABSENT, BulkFilter, RelayAction, Taken},
    queue::{circuit, liveness::Observer, operator, probe, reconcile, settle::settle},
};

pub(super) const RELAYS: usize = 4;
pub(super) const WORKERS: [&str; 3] = ["w0", "w1", "w2"];
const LEASE: Duration = Duration::from_secs(10);
const CRASH_BUDGET: u32 = 3;

/// A sync that a worker holds.
struct Held {
    worker: usize,
    sync: ClaimedSync,
    /// Its worker was found dead: the job is somebody else's by now.
    is_lost: bool,
}

/// A call whose answer nobody waits for any more.
struct LateCall {
    lands_at: i64,
    sent: Sent,
}

/// What a call asks of zooid.
#[derive(Clone)]
struct Sent {
    relay: RelayId,
    generation: i64,
    /// `None` to have the relay's file removed.
    host: Option<String>,
}

impl From<&ClaimedSync> for Sent {
    fn from(sync: &ClaimedSync) -> Self {
        Self {
            relay: sync.desired.id.clone(),
            generation: sync.desired.generation.get(),
            host: (!sync.desired.is_removed).then(|| sync.desired.host()),
        }
    }
}

pub(super) struct World {
    now: i64,
    monotonic: Duration,
    observers: Vec<Observer>,
    held: Vec<Held>,
    late: Vec<LateCall>,
    /// What zooid has: the last call that landed, by relay.
    zooid: HashMap<RelayId, Sent>,
    /// The highest accepted generation and attempt number ever seen, by relay.
    highest: HashMap<String, (i64, i64)>,
}

impl World {
    pub(super) fn new() -> Self {
        Self {
            now: 0,
            monotonic: Duration::ZERO,
            observers: WORKERS.iter().map(|_| Observer::new(LEASE)).collect(),
            held: Vec::new(),
            late: Vec::new(),
            zooid: HashMap::new(),
            highest: HashMap::new(),
        }
    }

    pub(super) async fn take(&mut self, tx: &mut WriteTx, step: Step) -> Outcome {
        let now = at(self.now);
        match step {
            Step::Edit(relay) => edit(tx, now, &relay_id(relay)).await?,
            Step::Rename(relay, name) => self.rename(tx, relay, name).await?,
            Step::Remove(relay) => self.remove(tx, relay).await?,
            Step::Claim(worker, slots) => self.claim(tx, worker, slots).await?,
            Step::End(held, ending) => self.end(tx, held, ending).await?,
            Step::Silence(worker) => self.silence(tx, worker).await?,
            Step::Stall => {
                self.pass(30);
                self.beats(tx, None).await?;
            }
            Step::Act(action, relay) => self.act(tx, action, relay).await?,
            Step::HoldTarget(true) => {
                operator::know_target(tx, now, &target()).await?;
                operator::hold_target(tx, now, &target()).await?;
            }
            Step::HoldTarget(false) => {
                operator::let_go_target(tx, &target()).await?;
            }
            Step::HoldQueue(true) => {
                operator::hold_queue(tx, now).await?;
            }
            Step::HoldQueue(false) => {
                operator::let_go_queue(tx).await?;
            }
            Step::Probe(healthy) => self.probe(tx, healthy).await?,
            Step::Reconcile => {
                reconcile(tx, now, Duration::ZERO, POLICY.max_attempts).await?;
            }
            Step::LoseWaitingJobs => {
                sqlx::query("DELETE FROM Jobs WHERE status = 'Pending'")
                    .execute(&mut *tx)
                    .await?;
            }
            Step::Pass(seconds) => {
                self.pass(seconds);
                settle(tx, at(self.now), POLICY.max_attempts).await?;
            }
        }
        self.check_that_nothing_goes_back(tx).await
    }

    fn pass(&mut self, seconds: i64) {
        self.now += seconds;
        self.monotonic += Duration::from_secs(seconds.unsigned_abs());
        let (landed, late) = std::mem::take(&mut self.late)
            .into_iter()
            .partition(|call: &LateCall| call.lands_at <= self.now);
        self.late = late;
        for call in landed {
            self.land(call.sent);
        }
    }

    /// zooid carries a call out, unless another relay has the host.
    fn land(&mut self, sent: Sent) -> bool {
        if sent.host.is_none() {
            self.zooid.remove(&sent.relay);
            return true;
        }
        let taken = self
            .zooid
            .values()
            .any(|other| other.host == sent.host && other.relay != sent.relay);
        if !taken {
            self.zooid.insert(sent.relay.clone(), sent);
        }
        !taken
    }

    async fn rename(&mut self, tx: &mut WriteTx, relay: usize, name: usize) -> Outcome {
        let renamed = sqlx::query(
            "UPDATE OR IGNORE relay SET subdomain = 'r' || $2 WHERE id = $1 AND removed_at IS NULL",
        )
        .bind(relay_id(relay).as_str())
        .bind(i64::try_from(name).unwrap())
        .execute(&mut *tx)
        .await?;
        if renamed.rows_affected() > 0 {
            edit(tx, at(self.now), &relay_id(relay)).await?;
        }
        Ok(())
    }

    async fn remove(&mut self, tx: &mut WriteTx, relay: usize) -> Outcome {
        let removed =
            sqlx::query("UPDATE relay SET removed_at = $2 WHERE id = $1 AND removed_at IS NULL")
                .bind(relay_id(relay).as_str())
                .bind(at(self.now).timestamp())
                .execute(&mut *tx)
                .await?;
        if removed.rows_affected() > 0 {
            edit(tx, at(self.now), &relay_id(relay)).await?;
        }
        Ok(())
    }

    async fn claim(&mut self, tx: &mut WriteTx, worker: usize, slots: usize) -> Outcome {
        let has_suspect = self
            .held
            .iter()
            .any(|held| held.worker == worker && held.sync.is_suspect);
        let suspects = if has_suspect {
            Suspects::None
        } else {
            Suspects::One
        };
        let id = worker_id(WORKERS[worker]);
        // A turn that claims after a silence beats first: it is long due.
        liveness::beat(tx, at(self.now), &id, 100, 0).await?;
        let due = claim::claim(tx, at(self.now), &id, &[target()], slots, suspects).await?;
        let taken = due.iter().filter(|sync| sync.is_suspect).count();
        assert!(
            taken <= usize::from(!has_suspect),
            "{taken} suspects at a time"
        );
        for sync in due {
            let holder = self
                .held
                .iter()
                .find(|held| !held.is_lost && held.sync.desired.id == sync.desired.id);
            assert!(holder.is_none(), "two live holders of {}", sync.desired.id);
            self.held.push(Held {
                worker,
                sync,
                is_lost: false,
            });
        }
        Ok(())
    }

    async fn end(&mut self, tx: &mut WriteTx, held: usize, ending: Ending) -> Outcome {
        if self.held.is_empty() {
            return Ok(());
        }
        let Held { sync, .. } = self.held.swap_remove(held % self.held.len());
        let finished = match ending {
            Ending::Accepted if self.land(Sent::from(&sync)) => accepted_as(&sync),
            Ending::Accepted => failed(
                &sync,
                SyncFailure {
                    taken: Some(Taken::Host),
                    ..failure(FailureKind::Conflict, Some(409))
                },
            ),
            Ending::Failed(kind) => failed(&sync, failure(kind, Some(500))),
            Ending::Unknown(delay) => {
                if let Some(delay) = delay {
                    self.late.push(LateCall {
                        lands_at: self.now + delay,
                        sent: Sent::from(&sync),
                    });
                }
                failed(&sync, failure(FailureKind::OutcomeUnknown, None))
            }
            Ending::NotStarted => Finished::new(&sync, End::NotStarted),
        };
        let care = if self.now % 2 == 0 {
            Care::Together
        } else {
            Care::EachAlone
        };
        outcome::record(tx, at(self.now), &POLICY, &[finished], care).await?;
        Ok(())
    }

    /// Everybody but `silent` beats and looks at the others, once.
    async fn beats(&mut self, tx: &mut WriteTx, silent: Option<usize>) -> Outcome {
        for (number, name) in WORKERS.iter().enumerate() {
            if Some(number) == silent {
                continue;
            }
            let id = worker_id(name);
            liveness::beat(tx, at(self.now), &id, 100, 0).await?;
            liveness::observe(
                tx,
                at(self.now),
                self.monotonic,
                &id,
                &mut self.observers[number],
                &POLICY,
                CRASH_BUDGET,
            )
            .await?;
        }
        Ok(())
    }

    /// What the silent worker holds is lost; it may report it much later all the same. Its calls land meanwhile.
    async fn silence(&mut self, tx: &mut WriteTx, silent: usize) -> Outcome {
        self.beats(tx, None).await?;
        for _ in 0..5 {
            self.pass(3);
            self.beats(tx, Some(silent)).await?;
        }
        for held in &mut self.held {
            if held.worker == silent && !held.is_lost {
                held.is_lost = true;
                self.late.push(LateCall {
                    lands_at: self.now + 40,
                    sent: Sent::from(&held.sync),
                });
            }
        }
        Ok(())
    }

    async fn act(&mut self, tx: &mut WriteTx, action: RelayAction, relay: usize) -> Outcome {
        let filter = BulkFilter::of([relay_id(relay)]);
        let terms = operator::Terms {
            now: at(self.now),
            priority: Priority::Edit,
            max_attempts: POLICY.max_attempts,
            trace: "",
        };
        let relays = operator::matching(&mut *tx, terms.now, action, &filter).await?;
        operator::act(tx, &terms, action, &relays).await?;
        Ok(())
    }

    async fn probe(&mut self, tx: &mut WriteTx, healthy: bool) -> Outcome {
        for due in probe::take_due(tx, at(self.now), &[target()], LEASE).await? {
            let said = if healthy { Ok(()) } else { Err("still down") };
            probe::record(tx, at(self.now), &due.target, said).await?;
        }
        Ok(())
    }

    /// Operators let everything go, every call lands, and whoever holds something reports; then the queue is worked off.
    pub(super) async fn come_to_rest(&mut self, tx: &mut WriteTx) -> Outcome {
        operator::let_go_queue(tx).await?;
        operator::let_go_target(tx, &target()).await?;
        for relay in 0..RELAYS {
            self.act(tx, RelayAction::Resume, relay).await?;
            self.act(tx, RelayAction::Release, relay).await?;
        }
        while !self.held.is_empty() {
            self.end(tx, 0, Ending::Accepted).await?;
        }
        for _ in 0..40 {
            self.pass(2_000);
            self.probe(tx, true).await?;
            settle(tx, at(self.now), POLICY.max_attempts).await?;
            reconcile(tx, at(self.now), Duration::ZERO, POLICY.max_attempts).await?;
            self.claim(tx, 0, 10).await?;
            while !self.held.is_empty() {
                self.end(tx, 0, Ending::Accepted).await?;
            }
            circuit::count_answer(tx, &target()).await?;
        }
        self.check_that_nothing_goes_back(tx).await
    }

    async fn check_that_nothing_goes_back(&mut self, tx: &mut WriteTx) -> Outcome {
        let rows: Vec<(String, i64, i64)> =
            sqlx::query_as("SELECT relay_id, synced_generation, attempt_count FROM relay_sync")
                .fetch_all(&mut *tx)
                .await?;
        for (relay, synced, attempts) in rows {
            let (before, numbers) = self.highest.get(&relay).copied().unwrap_or_default();
            assert!(synced >= before && attempts >= numbers, "{relay} went back");
            self.highest.insert(relay, (synced, attempts));
        }
        Ok(())
    }

    /// Every relay is in zooid as its owner wants it, or says by name why not.
    pub(super) async fn check_converged(&self, tx: &mut WriteTx) -> Outcome {
        let rows: Vec<AtRest> = sqlx::query_as(
            "SELECT relay_id, state, desired_generation, failure_kind, blocked_by, removed_at, gone_at
             FROM relay_sync
             INNER JOIN relay ON relay.id = relay_sync.relay_id",
        )
        .fetch_all(&mut *tx)
        .await?;
        for row in rows {
            let AtRest {
                relay_id: relay,
                state,
                desired_generation: desired,
                failure_kind: kind,
                blocked_by,
                removed_at,
                gone_at,
            } = row;
            match state.as_str() {
                "synced" => {
                    let zooid = self.zooid.get(&relay.parse::<RelayId>().unwrap());
                    let wanted = removed_at.is_none().then_some(desired);
                    assert_eq!(
                        zooid.map(|sent| sent.generation),
                        wanted,
                        "zooid has another state of {relay}"
                    );
                    assert_eq!(removed_at.is_some(), gone_at.is_some(), "names of {relay}");
                }
                "failed" => assert!(kind.is_some(), "{relay} failed for no reason"),
                // Whom it waits for was given up: an operator has to decide.
                "held" => assert!(blocked_by.is_some(), "{relay} is held by nobody"),
                other => panic!("{relay} ends {other}, because of {kind:?}"),
            }
        }
        Ok(())
    }
}

/// A relay when nothing moves any more.
#[derive(sqlx::FromRow)]
struct AtRest {
    relay_id: String,
    state: String,
    desired_generation: i64,
    failure_kind: Option<String>,
    blocked_by: Option<String>,
    removed_at: Option<i64>,
    gone_at: Option<i64>,
}

/// zooid took what was sent; what is remembered of it is the host, or that there is none.
fn accepted_as(sync: &ClaimedSync) -> Finished {
    let (verb, body) = if sync.desired.is_removed {
        (Verb::Delete, ABSENT.to_owned())
    } else {
        let body = serde_json::json!({ "host": sync.desired.host() });
        (Verb::Patch, body.to_string())
    };
    let report = SyncReport {
        verb: Some(verb),
        status: Some(200),
        result: Ok(body),
    };
    Finished::new(sync, End::Reported(report))
}
