//! One worker turn: a single write that records what has ended, shows that the worker lives, and claims what comes next.

use super::{
    backoff::RetryPolicy,
    claim::{ClaimedSync, Suspects, claim},
    liveness::{self, Observer},
    outcome::{self, Care, Finished},
    settle::settle,
};
use crate::{
    clock::SharedClock,
    db::{Db, WriteError, WriteTx},
    domain::{WorkerId, ZooidDomain},
    metrics,
};

/// Why a turn did not happen. Nothing of it is in the database; the engine takes it again.
#[derive(Debug, thiserror::Error)]
pub(super) enum TurnError {
    #[error("cannot run the statements of a worker turn")]
    Sql(#[from] sqlx::Error),
    #[error("cannot commit a worker turn")]
    Write(#[from] WriteError),
}

/// What stays the same from turn to turn.
#[derive(Debug, Clone)]
pub(super) struct TurnRules {
    pub(super) clock: SharedClock,
    pub(super) worker: WorkerId,
    pub(super) slots: usize,
    pub(super) targets: Vec<ZooidDomain>,
    pub(super) policy: RetryPolicy,
    pub(super) crash_budget: u32,
}

/// What this turn is about.
#[derive(Debug)]
pub(super) struct Turn {
    pub(super) finished: Vec<Finished>,
    /// How the outcomes are recorded.
    pub(super) care: Care,
    /// Syncs that run on beyond this turn.
    pub(super) running: usize,
    /// How many jobs may be claimed.
    pub(super) free: usize,
    /// Whether a suspect may be among them.
    pub(super) suspects: Suspects,
    /// What is known of the other workers, when this turn beats and looks at them.
    pub(super) observer: Option<Observer>,
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Turned {
    pub(super) claimed: Vec<ClaimedSync>,
    /// Outcomes that the database refused by themselves: for a later turn.
    pub(super) refused: Vec<Finished>,
    pub(super) observer: Option<Observer>,
}

/// Takes the turn. `Err` gives the outcomes back, to be recorded next time.
pub(super) async fn take(
    db: &Db,
    rules: &TurnRules,
    turn: Turn,
) -> Result<Turned, (TurnError, Vec<Finished>)> {
    let kept = turn.finished.clone();
    let (clock, began) = (rules.clock.clone(), rules.clock.monotonic());
    let rules = rules.clone();
    let turned = db
        .write(async move |tx: &mut WriteTx| run(tx, &rules, turn).await)
        .await
        .map_err(|error| (error, kept))?;
    metrics::observe_turn(
        clock.monotonic().saturating_sub(began),
        turned.claimed.len(),
    );
    Ok(turned)
}

async fn run(tx: &mut WriteTx, rules: &TurnRules, mut turn: Turn) -> Result<Turned, TurnError> {
    // Read in here: a turn may have waited for other writers, and times in the database follow its commits.
    let now = rules.clock.now();
    tracing::trace!(target: "caravel::step", step = "turn.begin");
    let refused = outcome::record(tx, now, &rules.policy, &turn.finished, turn.care).await?;
    tracing::trace!(target: "caravel::step", step = "turn.recorded");
    if let Some(observer) = &mut turn.observer {
        liveness::beat(tx, now, &rules.worker, rules.slots, turn.running).await?;
        liveness::observe(
            tx,
            now,
            rules.clock.monotonic(),
            &rules.worker,
            observer,
            &rules.policy,
            rules.crash_budget,
        )
        .await?;
        settle(tx, now, rules.policy.max_attempts).await?;
    }
    let claimed = if turn.free > 0 {
        claim(
            tx,
            now,
            &rules.worker,
            &rules.targets,
            turn.free,
            turn.suspects,
        )
        .await?
    } else {
        Vec::new()
    };
    tracing::trace!(target: "caravel::step", step = "turn.claimed");
    Ok(Turned {
        claimed,
        refused,
        observer: turn.observer,
    })
}
