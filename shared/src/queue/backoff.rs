//! When a failed sync runs again.

use std::time::Duration;

use chrono::{DateTime, Utc};
use rand::RngExt;

/// How often and how soon a failed sync is tried again. Stored in the row at each step, so a change of configuration or a
/// restart loses nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts before a job is given up.
    pub max_attempts: u32,
    /// The pause after the first failure; it doubles with each further one.
    pub base: Duration,
    /// The longest pause.
    pub cap: Duration,
    /// How long one call to zooid may take: an ambiguous one is not repeated before that has passed once more.
    pub call_deadline: Duration,
    /// How long after an ambiguous call the state is sent once more.
    pub settle_after: Duration,
}

impl RetryPolicy {
    /// The pause after the `attempts`-th failure, before jitter.
    #[must_use]
    pub fn pause(&self, attempts: u32) -> Duration {
        let doublings = attempts.saturating_sub(1).min(30);
        self.base.saturating_mul(1 << doublings).min(self.cap)
    }

    /// When to run again after the `attempts`-th failure at `now`, in unix seconds.
    ///
    /// Half of the pause is fixed and half is chance, so that relays that failed together do not come back together.
    /// `run_at` has whole seconds: rounded up, or a pause of 1 s would become almost none.
    #[must_use]
    pub fn run_at(&self, now: DateTime<Utc>, attempts: u32) -> i64 {
        let pause = self.pause(attempts);
        let pause = pause.mul_f64(rand::rng().random_range(0.5..=1.0));
        whole_seconds_after(now, pause)
    }
}

/// The first whole second, in unix time, that lies at least `pause` after `now`.
pub(super) fn whole_seconds_after(now: DateTime<Utc>, pause: Duration) -> i64 {
    let at = now + pause;
    at.timestamp() + i64::from(at.timestamp_subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const POLICY: RetryPolicy = RetryPolicy {
        max_attempts: 25,
        base: Duration::from_secs(1),
        cap: Duration::from_mins(15),
        call_deadline: Duration::from_secs(5),
        settle_after: Duration::from_mins(1),
    };

    #[test]
    fn pauses_double_from_the_base_up_to_the_cap() {
        let pauses: Vec<u64> = [1, 2, 3, 10, 11, 25, u32::MAX]
            .map(|attempts| POLICY.pause(attempts).as_secs())
            .into();
        assert_eq!(pauses, [1, 2, 4, 512, 900, 900, 900]);
    }

    proptest! {
        #[test]
        fn the_next_run_lies_between_half_and_the_whole_pause_rounded_up(
            millis in 0_i64..4_000_000_000_000,
            attempts in 1_u32..40,
        ) {
            let now = DateTime::from_timestamp_millis(millis).unwrap();
            let run_at = POLICY.run_at(now, attempts);
            let wait = run_at * 1000 - millis;
            let pause = i64::try_from(POLICY.pause(attempts).as_millis()).unwrap();
            prop_assert!(wait >= pause / 2, "{wait} ms is less than half of {pause} ms");
            prop_assert!(wait <= pause + 1000, "{wait} ms is more than {pause} ms and the rounding");
        }
    }
}
