//! The attempts of one job: when each begins, how long it takes, and how it ends.

use rand::{RngExt as _, rngs::StdRng, seq::IndexedRandom as _};

use super::fate::Fate;
use crate::seed::causes::{self, Cause};

/// Of a hundred attempts of a history, those that fail and are made again.
const HICCUPS_OF_HUNDRED: u32 = 6;

/// The longest pause between two attempts, in milliseconds.
const PAUSE_MAX: i64 = 900_000;

/// One attempt; times are milliseconds after the edit that caused it.
#[derive(Debug, Clone, Copy)]
pub struct Try {
    pub begins: i64,
    pub ends: i64,
    pub cause: Option<&'static Cause>,
}

/// The attempts that a fate ends with.
pub fn ending(rng: &mut StdRng, fate: Fate) -> Vec<Try> {
    let many = |rng: &mut StdRng, cause: &'static Cause, most: usize| {
        let count = rng.random_range(1..=most);
        vec![Some(cause); count]
    };
    let outcomes = match fate {
        Fate::Synced => vec![None],
        Fate::Pending | Fate::Paused => Vec::new(),
        Fate::Retrying | Fate::Leaving => many(rng, &causes::HICCUPS[1], 4),
        Fate::Stranded => many(rng, &causes::DOWN, 3),
        Fate::Blocked => vec![Some(&causes::TAKEN)],
        Fate::Refused => vec![causes::REFUSALS.choose(rng)],
        Fate::Poisonous => vec![Some(&causes::LOST_AGAIN); 3],
        Fate::Faulty => vec![Some(&causes::FAULT); 3],
    };
    run(rng, &outcomes)
}

/// So many attempts, cut into jobs that each end well.
pub fn history(rng: &mut StdRng, attempts: usize) -> Vec<Vec<Try>> {
    let mut jobs = Vec::new();
    let mut outcomes = Vec::new();
    for left in (0..attempts).rev() {
        let fails = left > 0 && rng.random_ratio(HICCUPS_OF_HUNDRED, 100);
        if fails {
            outcomes.push(causes::HICCUPS.choose(rng));
        } else {
            outcomes.push(None);
            jobs.push(run(rng, &outcomes));
            outcomes.clear();
        }
    }
    jobs
}

/// Attempts with these outcomes, one after the other.
fn run(rng: &mut StdRng, outcomes: &[Option<&'static Cause>]) -> Vec<Try> {
    let mut begins = rng.random_range(2..40);
    let mut pause = 1000;
    outcomes
        .iter()
        .map(|cause| {
            let (least, most) = cause.map_or((8, 250), |cause| cause.takes_ms);
            let ends = begins + rng.random_range(least..most);
            let this = Try {
                begins,
                ends,
                cause: *cause,
            };
            begins = ends + rng.random_range(pause / 2..pause);
            pause = PAUSE_MAX.min(2 * pause);
            this
        })
        .collect()
}
