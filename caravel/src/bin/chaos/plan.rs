//! What goes wrong, and when: drawn from the seed, before anything runs.
//!
//! Each process slot, each tenant and the weather have a stream of their own, so that what happens to one does not depend
//! on how fast another gets on. The same seed gives the same streams; what the processes are doing when it happens is up to
//! the machine.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _, seq::IndexedRandom as _};

use crate::steps::{self, Action, Armed};

/// What a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Program {
    /// `caravel api`
    Api,
    /// `caravel worker`
    Worker,
}

/// How long the processes of a slot live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Temper {
    /// About a second: most kills hit these, many before they have done anything.
    Restless,
    /// Several leases: somebody has to see that the others are dead.
    Steady,
}

/// One process from its start to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Life {
    /// What happens when it comes to a step.
    pub armed: Option<Armed>,
    /// When it is stopped, whatever it is doing.
    pub stopped_after: Option<Duration>,
    /// How long it stands still when it was stopped, there or at its step.
    pub pause: Duration,
    /// When it is killed, if it still lives.
    pub killed_after: Duration,
}

/// All that follows from a seed.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    seed: u64,
    length: Duration,
}

impl Plan {
    /// The plan of `seed` for a storm of this length.
    pub fn new(seed: u64, length: Duration) -> Self {
        Self { seed, length }
    }

    /// How long things go wrong.
    pub fn length(&self) -> Duration {
        self.length
    }

    /// A source of chance that belongs to one thing alone.
    pub fn chance(&self, stream: Stream) -> StdRng {
        // The golden ratio spreads neighbouring streams over all seeds.
        let stream = stream.number().wrapping_mul(0x9E37_79B9_7F4A_7C15);
        StdRng::seed_from_u64(self.seed.wrapping_add(stream))
    }

    /// The lives of the processes of one slot, one after the other, without end.
    pub fn lives(
        &self,
        program: Program,
        slot: usize,
    ) -> impl Iterator<Item = Life> + Send + use<> {
        let mut chance = self.chance(Stream::Slot(slot));
        let temper = match program {
            // Every other one of a kind.
            Program::Api | Program::Worker if slot.is_multiple_of(2) => Temper::Steady,
            Program::Api | Program::Worker => Temper::Restless,
        };
        std::iter::repeat_with(move || Life::draw(&mut chance, program, temper))
    }

    /// When every process is killed at the same moment.
    pub fn blackouts(&self) -> Vec<Duration> {
        let mut chance = self.chance(Stream::Blackouts);
        let mut at = Duration::ZERO;
        std::iter::from_fn(|| {
            at += millis(&mut chance, 10_000, 25_000);
            (at < self.length).then_some(at)
        })
        .collect()
    }
}

/// Who draws.
#[derive(Debug, Clone, Copy)]
pub enum Stream {
    /// zooid's faults.
    Weather,
    /// The moments at which all processes are killed.
    Blackouts,
    /// One tenant's edits.
    Tenant(usize),
    /// What happens to the processes of one slot.
    Slot(usize),
}

impl Stream {
    fn number(self) -> u64 {
        let (kind, index) = match self {
            Self::Weather => (1, 0),
            Self::Blackouts => (2, 0),
            Self::Tenant(tenant) => (3, tenant),
            Self::Slot(slot) => (4, slot),
        };
        (kind << 32) + index as u64
    }
}

impl Life {
    fn draw(chance: &mut StdRng, program: Program, temper: Temper) -> Self {
        let armed = chance
            .random_bool(0.75)
            .then(|| Self::draw_step(chance, program, temper))
            .flatten();
        let killed_after = match (temper, &armed) {
            (Temper::Restless, None) => millis(chance, 50, 1_600),
            // Time to come to the step.
            (Temper::Restless, Some(_)) => millis(chance, 400, 2_000),
            (Temper::Steady, _) => millis(chance, 3_000, 12_000),
        };
        let stopped_after = chance
            .random_bool(0.2)
            .then(|| killed_after.mul_f64(chance.random_range(0.1..0.9)));
        Self {
            armed,
            stopped_after,
            pause: millis(chance, 100, 5_000),
            killed_after,
        }
    }

    fn draw_step(chance: &mut StdRng, program: Program, temper: Temper) -> Option<Armed> {
        let groups: &[&[&str]] = match program {
            Program::Api => &[&steps::WRITE, &steps::REQUEST],
            Program::Worker => &[&steps::WRITE, &steps::TURN, &steps::SYNC],
        };
        // Each group as often as another: a process makes many writes before it has made a sync.
        let step = *groups.choose(chance)?.choose(chance)?;
        let is_rare = steps::SYNC.contains(&step);
        let most = match (temper, is_rare) {
            (Temper::Restless, true) => 1,
            (Temper::Restless, false) => 4,
            (Temper::Steady, true) => 8,
            (Temper::Steady, false) => 30,
        };
        Some(Armed {
            step: step.to_owned(),
            nth: chance.random_range(1..=most),
            action: if chance.random_bool(0.75) {
                Action::Kill
            } else {
                Action::Stop
            },
        })
    }
}

/// A time between `from` and `to` milliseconds.
pub fn millis(chance: &mut StdRng, from: u64, to: u64) -> Duration {
    Duration::from_millis(chance.random_range(from..=to))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn plan(seed: u64) -> Plan {
        Plan::new(seed, Duration::from_mins(1))
    }

    fn lives(seed: u64, slot: usize) -> Vec<Life> {
        plan(seed).lives(Program::Worker, slot).take(100).collect()
    }

    #[test]
    fn the_same_seed_gives_the_same_schedule() {
        assert_eq!(lives(7, 3), lives(7, 3));
        assert_eq!(plan(7).blackouts(), plan(7).blackouts());
    }

    #[test]
    fn another_seed_or_slot_gives_another_schedule() {
        assert_ne!(lives(7, 3), lives(8, 3));
        assert_ne!(lives(7, 3), lives(7, 5));
        assert_ne!(plan(7).blackouts(), plan(8).blackouts());
    }

    #[test]
    fn every_step_is_drawn() {
        let of_apis = plan(7).lives(Program::Api, 1).take(100);
        let drawn: BTreeSet<String> = lives(7, 3)
            .into_iter()
            .chain(of_apis)
            .filter_map(|life| Some(life.armed?.step))
            .collect();
        for step in steps::all() {
            assert!(drawn.contains(step), "{step}");
        }
    }
}
