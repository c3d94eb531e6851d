//! Everything that is to have happened, decided before anything is written: which relays there are, how each stands in
//! the end, and every attempt on the way there.
//!
//! Invariants: a seed gives the same plan; there are exactly as many attempts as asked for; what a relay's row will say
//! follows from its attempts. Times are unix milliseconds, and none lies after the present.

mod fate;
mod relay;
mod tries;

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use ulid::Ulid;

pub use fate::Fate;
pub use relay::RelayPlan;

use super::causes::Cause;
use relay::Story;

/// The zooids of a seeded fleet, and how many of a hundred relays each serves. Nobody's configuration has names under
/// `.example` (RFC 2606), so no worker ever takes their jobs.
pub const TARGETS: [(&str, u32); 4] = [
    ("relays.seed.example", 55),
    ("spaces.seed.example", 25),
    ("rooms.seed.example", 14),
    ("north.seed.example", 6),
];

/// Which of them is down.
pub const DOWN: usize = 3;

/// Since when it has been, before the present.
pub const DOWN_FOR: i64 = 30 * MINUTE;

/// How far history goes back: as far as workers keep it, unless told otherwise.
pub const HISTORY: i64 = 14 * DAY;

/// The most attempts for each relay. More would not fit into the days that they have.
pub const ATTEMPTS_PER_RELAY_MAX: usize = 100;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Relays of one tenant, on average.
const RELAYS_PER_TENANT: usize = 5;

/// What is wanted.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// How many relays.
    pub relays: usize,
    /// How many attempts, of all of them together.
    pub attempts: usize,
    /// What makes another plan of the same size.
    pub seed: u64,
    /// The present.
    pub now: i64,
}

/// The plan.
pub struct Plan {
    /// How many tenants there are.
    pub tenants: usize,
    /// The relays, in the order of their creation.
    pub relays: Vec<RelayPlan>,
    /// What happens, in the order in which it does.
    pub events: Vec<Event>,
}

/// Something that happens to a relay.
#[derive(Debug, Clone)]
pub struct Event {
    /// When.
    pub at: i64,
    /// The place of the relay among the relays.
    pub relay: usize,
    /// What.
    pub what: What,
}

/// What happens.
#[derive(Debug, Clone)]
pub enum What {
    /// It is created.
    Created,
    /// Its tenant changes it.
    Edited,
    /// An attempt begins.
    Attempt(Attempt),
}

/// An attempt, from its beginning to its end.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// 1, 2, 3 … for each relay.
    pub number: i64,
    /// Which generation it carries.
    pub generation: i64,
    /// The job it is made for.
    pub job: Ulid,
    /// Whether zooid has never accepted the relay.
    pub is_first: bool,
    /// When it ends.
    pub ended: i64,
    /// Why it failed; `None` when zooid accepted.
    pub cause: Option<&'static Cause>,
    /// How long the relay had been out of step, where this brings it in step.
    pub lag: Option<i64>,
}

impl Plan {
    /// Makes it.
    pub fn make(wanted: Wanted) -> Self {
        let mut rng = StdRng::seed_from_u64(wanted.seed);
        let tenants = wanted.relays.div_ceil(RELAYS_PER_TENANT);
        let fates = fate::draw(&mut rng, wanted.relays);
        let mut stories: Vec<Story> = fates
            .into_iter()
            .map(|fate| Story::begin(&mut rng, fate, wanted.now, tenants))
            .collect();
        stories.sort_by_key(|story| story.created_at);
        relay::pair(&mut stories);
        share(&mut rng, &mut stories, wanted.attempts);

        let mut relays = Vec::with_capacity(stories.len());
        let mut events = Vec::with_capacity(2 * wanted.attempts + wanted.relays);
        for (place, story) in stories.into_iter().enumerate() {
            relays.push(story.tell(&mut rng, place, &mut events));
        }
        events.sort_by_key(|event| event.at);
        Self {
            tenants,
            relays,
            events,
        }
    }
}

/// Hands out the attempts: first those that a relay's fate needs, then some to relays at random, a few of which are
/// edited much more than others. Relays that there is none left for still wait for their first.
fn share(rng: &mut StdRng, stories: &mut [Story], attempts: usize) {
    let mut left = attempts;
    for story in stories.iter_mut() {
        let needs = story.needs();
        if needs <= left {
            left -= needs;
            story.earlier = needs - story.ending.len();
        } else {
            story.never_tried();
        }
    }
    left += relay::part(stories);
    let can_have: Vec<usize> = (0..stories.len())
        .filter(|place| stories[*place].can_have_history())
        .collect();
    if can_have.is_empty() {
        return;
    }
    for _ in 0..left {
        let drawn = rng.random_range(0..can_have.len());
        let place = can_have[rng.random_range(0..=drawn)];
        stories[place].earlier += 1;
    }
}

/// A moment between two, by day rather than by night.
fn moment(rng: &mut StdRng, from: i64, until: i64) -> i64 {
    loop {
        let at = rng.random_range(from..until.max(from + 1));
        // From a quarter at midnight to all at noon, UTC.
        let from_noon = (at.rem_euclid(DAY) - DAY / 2).abs();
        if rng.random_range(0..DAY / 2) >= from_noon * 3 / 4 {
            return at;
        }
    }
}

#[cfg(test)]
mod tests;
