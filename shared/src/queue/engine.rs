//! The task that keeps a worker's slots filled: it waits for a reason, takes a turn, and hands the claims to apalis.
//!
//! It never claims more than there are free slots, keeps outcomes over database errors until a turn has recorded them,
//! and sleeps when there is nothing to do: a wake from another process, the next due job, its own heartbeat or an outcome
//! end the sleep.

use std::{collections::HashSet, sync::Arc, time::Duration};

use chrono::DateTime;
use futures::channel::mpsc as claims;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    backend::{SyncBackend, SyncLayer},
    backoff::RetryPolicy,
    claim::{self, ClaimedSync, Suspects},
    liveness::{self, BEATS_PER_LEASE, Observer},
    outcome::{Care, End, Finished},
    turn::{self, Turn, TurnError, TurnRules},
};
use crate::{
    clock::SharedClock,
    db::{Db, WakeKind, WakeListener, WriteError, WriteTx},
    domain::{AttemptId, WorkerId, ZooidDomain},
};

/// Looks for work nobody announced at least this often: a crash between commit and wake, tools that write the database.
const TICK: Duration = Duration::from_secs(1);
/// The pause before a turn that failed is taken again; it doubles with each further one, up to [`LONGEST_PAUSE`].
const RETRY_PAUSE: Duration = Duration::from_millis(200);
/// A database that comes back is noticed within this time.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What an engine is started with.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// This process, unique per start.
    pub worker: WorkerId,
    /// How many syncs may run at once.
    pub slots: usize,
    /// The targets whose jobs it takes.
    pub targets: Vec<ZooidDomain>,
    /// How long a worker may be silent before others take its jobs.
    pub lease: Duration,
    /// Crashes in a row before a relay is quarantined.
    pub crash_budget: u32,
    /// When failed syncs run again.
    pub policy: RetryPolicy,
}

/// Why an engine could not start or sign off.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The worker's rows could not be written.
    #[error("cannot register the worker")]
    Register(#[source] sqlx::Error),
    /// The write that should have held them was lost.
    #[error("cannot register the worker")]
    Write(#[from] WriteError),
}

impl From<sqlx::Error> for EngineError {
    fn from(error: sqlx::Error) -> Self {
        Self::Register(error)
    }
}

/// Fills the slots of one worker.
#[derive(Debug)]
pub struct Engine {
    db: Db,
    clock: SharedClock,
    rules: TurnRules,
    lease: Duration,
    claims: claims::UnboundedSender<ClaimedSync>,
    outcomes: mpsc::UnboundedReceiver<Finished>,
    stop: CancellationToken,
    wake: Option<WakeListener>,
    state: State,
}

/// What changes from turn to turn.
#[derive(Debug)]
struct State {
    /// Claimed, and their outcome not yet received.
    running: usize,
    /// Those of them whose relay lost a worker before: one at most.
    suspects: HashSet<AttemptId>,
    /// Received, and not yet recorded.
    finished: Vec<Finished>,
    observer: Observer,
    /// [`Care::EachAlone`] after a turn that was refused, until one has succeeded.
    care: Care,
    /// When the next beat is due, on the monotonic clock.
    next_beat: Duration,
    /// Turns in a row that failed.
    failures: u32,
    /// Whether the beginning of the drain has been noticed.
    drains: bool,
}

/// Why the engine stopped sleeping.
enum Reason {
    /// A sync has ended.
    Outcome(Finished),
    /// A job is due that this worker can take.
    Due,
    /// Something may have changed, or the drain begins: look whether there is anything to do.
    Look,
}

impl Engine {
    /// Registers the worker and makes the backend that apalis runs. The engine claims nothing before [`Engine::run`].
    /// `stop` begins the drain.
    ///
    /// # Errors
    /// When the worker cannot be registered in the database.
    pub async fn start(
        db: Db,
        clock: SharedClock,
        config: EngineConfig,
        stop: CancellationToken,
    ) -> Result<(Self, SyncBackend), EngineError> {
        let (worker, slots, now) = (config.worker.clone(), config.slots, clock.now());
        db.write(async move |tx: &mut WriteTx| {
            liveness::register(tx, now, &worker, slots)
                .await
                .map_err(EngineError::from)
        })
        .await?;
        let wake = db
            .listen(WakeKind::Worker)
            .inspect_err(|error| tracing::warn!(%error, "cannot listen for commits; new work is found by the tick"))
            .ok();
        let (claims, claimed) = claims::unbounded();
        let (outcome_sender, outcomes) = mpsc::unbounded_channel();
        let backend = SyncBackend::new(claimed, SyncLayer::new(outcome_sender), stop.clone());
        let engine = Self {
            state: State {
                running: 0,
                suspects: HashSet::new(),
                finished: Vec::new(),
                observer: Observer::new(config.lease),
                care: Care::Together,
                next_beat: clock.monotonic(),
                failures: 0,
                drains: false,
            },
            db,
            clock: Arc::clone(&clock),
            rules: TurnRules {
                clock,
                worker: config.worker,
                slots: config.slots,
                targets: config.targets,
                policy: config.policy,
                crash_budget: config.crash_budget,
            },
            lease: config.lease,
            claims,
            outcomes,
            stop,
            wake,
        };
        Ok((engine, backend))
    }

    /// The worker it fills the slots of.
    #[must_use]
    pub fn worker(&self) -> &WorkerId {
        &self.rules.worker
    }

    /// Works until the drain is over: after `stop`, nothing more is claimed, and it ends once every claimed sync has ended
    /// and is recorded. Whoever wants to bound that wait drops the future; the rest is taken over by other workers. Errors of
    /// the database are waited out, however long they last: [`Db::lost`] tells when that is hopeless.
    pub async fn run(mut self) {
        let mut again = false;
        while !self.is_drained() {
            let reason = if again {
                Reason::Look
            } else {
                self.sleep().await
            };
            self.state.drains = self.stop.is_cancelled();
            let due = matches!(reason, Reason::Due);
            if let Reason::Outcome(outcome) = reason {
                self.receive(outcome);
            }
            while let Ok(outcome) = self.outcomes.try_recv() {
                self.receive(outcome);
            }
            again = match self.turn(due).await {
                Ok(()) => {
                    self.state.failures = 0;
                    false
                }
                Err(error) => {
                    let pause = RETRY_PAUSE * (1 << self.state.failures.min(10));
                    self.state.failures += 1;
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "a worker turn failed; taking it again"
                    );
                    tokio::time::sleep(pause.min(LONGEST_PAUSE)).await;
                    true
                }
            };
        }
        self.sign_off().await;
    }

    /// Whether the next turn must beat: it is time, or a call that begins now could outlast the lease of the last beat.
    fn is_beat_due(&self) -> bool {
        let now = self.clock.monotonic();
        let last_beat = self
            .state
            .next_beat
            .saturating_sub(self.lease / BEATS_PER_LEASE);
        now >= self.state.next_beat
            || now + self.rules.policy.call_deadline >= last_beat + self.lease
    }

    fn is_drained(&self) -> bool {
        self.stop.is_cancelled() && self.state.running == 0 && self.state.finished.is_empty()
    }

    fn receive(&mut self, outcome: Finished) {
        self.state.running -= 1;
        self.state.suspects.remove(&outcome.run.attempt);
        self.state.finished.push(outcome);
    }

    /// Sleeps until there is a reason to look.
    async fn sleep(&mut self) -> Reason {
        let now = self.clock.now();
        let beat = self.state.next_beat.saturating_sub(self.clock.monotonic());
        let at = now + TICK.min(beat);
        let at = match self.next_due().await {
            Some(due) if due <= now.timestamp() => return Reason::Due,
            // A time that no calendar has is later than any tick.
            Some(due) => DateTime::from_timestamp(due, 0).map_or(at, |due| at.min(due)),
            None => at,
        };
        let wake = async {
            match &self.wake {
                Some(wake) => {
                    if let Err(error) = wake.woken().await {
                        tracing::warn!(%error, "cannot hear commits any more; new work is found by the tick");
                        std::future::pending::<()>().await;
                    }
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            Some(outcome) = self.outcomes.recv() => Reason::Outcome(outcome),
            () = self.stop.cancelled(), if !self.state.drains => Reason::Look,
            () = wake => Reason::Look,
            () = self.clock.sleep_until(at) => Reason::Look,
        }
    }

    /// When the next job is due that this worker could take now; `None` while it has no free slot.
    async fn next_due(&self) -> Option<i64> {
        if self.stop.is_cancelled() || self.state.running >= self.rules.slots {
            return None;
        }
        let look = claim::next_due(
            self.db.readers(),
            self.clock.now(),
            &self.rules.targets,
            self.suspects(),
        );
        match tokio::time::timeout(TICK, look).await {
            Ok(Ok(due)) => due,
            Ok(Err(error)) => {
                tracing::warn!(%error, "cannot look for due jobs; looking again at the next tick");
                None
            }
            // Others hold every reader: the heartbeat must not wait for them.
            Err(_elapsed) => None,
        }
    }

    /// One relay at a time whose worker died: it may have been its doing.
    fn suspects(&self) -> Suspects {
        if self.state.suspects.is_empty() {
            Suspects::One
        } else {
            Suspects::None
        }
    }

    /// Takes a turn if there is anything to record, to show or to claim.
    async fn turn(&mut self, due: bool) -> Result<(), TurnError> {
        let beats = self.is_beat_due();
        // After a refusal, outcomes and beats go first and alone: a claim that the database refuses must not undo them.
        let records = beats || !self.state.finished.is_empty();
        let free = if self.stop.is_cancelled() || (records && self.state.care == Care::EachAlone) {
            0
        } else {
            self.rules.slots - self.state.running
        };
        if !due && !records {
            // Nothing known yet: the next sleep begins with a look at the queue.
            return Ok(());
        }
        let turn = Turn {
            finished: std::mem::take(&mut self.state.finished),
            care: self.state.care,
            running: self.state.running,
            free,
            suspects: self.suspects(),
            observer: beats.then(|| self.state.observer.clone()),
        };
        match turn::take(&self.db, &self.rules, turn).await {
            Ok(turned) => {
                if let Some(observer) = turned.observer {
                    self.state.observer = observer;
                    self.state.next_beat = self.clock.monotonic() + self.lease / BEATS_PER_LEASE;
                }
                self.state.care = if turned.refused.is_empty() {
                    Care::Together
                } else {
                    Care::EachAlone
                };
                self.state.finished = turned.refused;
                self.state.running += turned.claimed.len();
                for sync in turned.claimed {
                    if sync.is_suspect {
                        self.state.suspects.insert(sync.attempt);
                    }
                    if let Err(refused) = self.claims.unbounded_send(sync) {
                        // apalis has ended, and so will this worker: nothing was started.
                        let unstarted = Finished::new(&refused.into_inner(), End::NotStarted);
                        self.receive(unstarted);
                    }
                }
                Ok(())
            }
            Err((error, finished)) => {
                self.state.finished = finished;
                self.state.care = Care::EachAlone;
                Err(error)
            }
        }
    }

    async fn sign_off(&self) {
        let (worker, now) = (self.rules.worker.clone(), self.clock.now());
        let signed_off = self
            .db
            .write(async move |tx: &mut WriteTx| {
                liveness::sign_off(tx, now, &worker)
                    .await
                    .map_err(EngineError::from)
            })
            .await;
        if let Err(error) = signed_off {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "cannot sign the worker off; others will find it silent"
            );
        }
    }
}
