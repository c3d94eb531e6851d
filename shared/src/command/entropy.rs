//! Randomness as something that is handed in, as the clock is: a test can name the seed and get the same ids again.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use rand::{SeedableRng, rngs::StdRng};

/// A cryptographically secure source of randomness. Clones draw from the same one.
#[derive(Clone)]
pub struct Entropy(Arc<Mutex<StdRng>>);

impl Entropy {
    /// Seeded by the operating system: the only source for real secrets.
    #[must_use]
    pub fn from_system() -> Self {
        Self::of(StdRng::from_rng(&mut rand::rng()))
    }

    /// Always the same sequence, for tests.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self::of(StdRng::seed_from_u64(seed))
    }

    fn of(rng: StdRng) -> Self {
        Self(Arc::new(Mutex::new(rng)))
    }

    /// A generator of one's own, seeded by this one.
    #[must_use]
    pub fn fork(&self) -> StdRng {
        // Nothing can panic while it is locked, and half a step would be as random as a whole one.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).fork()
    }
}

impl fmt::Debug for Entropy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Entropy")
    }
}

#[cfg(test)]
mod tests {
    use rand::Rng as _;

    use super::*;

    #[test]
    fn a_seed_gives_the_same_sequence_and_each_fork_another_part_of_it() {
        let (one, other) = (Entropy::seeded(7), Entropy::seeded(7));

        let first = one.fork().next_u64();

        assert_eq!(other.fork().next_u64(), first);
        assert_ne!(one.fork().next_u64(), first);
    }

    #[test]
    fn two_systems_never_agree() {
        assert_ne!(
            Entropy::from_system().fork().next_u64(),
            Entropy::from_system().fork().next_u64()
        );
    }
}
