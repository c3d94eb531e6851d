//! How relays stand in the end, and how many stand so.

use rand::{RngExt as _, rngs::StdRng, seq::SliceRandom as _};

use super::{DOWN, TARGETS};

/// How a relay stands in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fate {
    /// zooid has the newest settings.
    Synced,
    /// Changed a moment ago, and waits for its turn.
    Pending,
    /// Failed, and is tried again.
    Retrying,
    /// The same, at the target that is down, which holds it.
    Stranded,
    /// The same, on its way to another host.
    Leaving,
    /// Wants the host that a relay is leaving.
    Blocked,
    /// Refused, and given up.
    Refused,
    /// Its worker died, three times.
    Poisonous,
    /// Three attempts failed by our own fault.
    Faulty,
    /// An operator holds it back.
    Paused,
}

/// Of ten thousand relays, those that are not in step; at least one of each, where there is room.
const OUT_OF_STEP: [(Fate, usize); 9] = [
    (Fate::Pending, 60),
    (Fate::Retrying, 120),
    (Fate::Stranded, 60),
    (Fate::Leaving, 15),
    (Fate::Blocked, 15),
    (Fate::Refused, 140),
    (Fate::Poisonous, 8),
    (Fate::Faulty, 12),
    (Fate::Paused, 30),
];

/// The fewest relays among which there is one of each.
const ROOM_FOR_ALL: usize = 50;

/// A fate for each of so many relays, in no order.
pub fn draw(rng: &mut StdRng, relays: usize) -> Vec<Fate> {
    let least = usize::from(relays >= ROOM_FOR_ALL);
    let mut fates: Vec<Fate> = OUT_OF_STEP
        .into_iter()
        .flat_map(|(fate, of_ten_thousand)| {
            let count = (relays * of_ten_thousand / 10_000).max(least);
            std::iter::repeat_n(fate, count)
        })
        .collect();
    fates.resize(relays, Fate::Synced);
    fates.shuffle(rng);
    fates
}

impl Fate {
    /// Which target it has: a place among [`TARGETS`]. What happened lately did not happen at the one that is down.
    pub fn target(self, rng: &mut StdRng) -> usize {
        let mut drawn = rng.random_range(0..100);
        let drawn = TARGETS.iter().position(|(_, share)| {
            let is_it = drawn < *share;
            drawn = drawn.saturating_sub(*share);
            is_it
        });
        match (self, drawn) {
            (Self::Stranded, _) => DOWN,
            (Self::Synced, Some(target)) => target,
            (_, Some(target)) if target != DOWN => target,
            (_, Some(_) | None) => 0,
        }
    }
}
