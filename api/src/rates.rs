//! How often clients ask.
//!
//! Invariant: however many clients there are, the memory that counting them takes is bounded.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Clients that are counted at once. Beyond it, those that have been quiet are forgotten, which does them no harm.
const CLIENTS_MAX: usize = 50_000;

/// Requests of each client: a minute's worth at once, then as fast as they come back.
#[derive(Debug)]
pub struct Rates<K> {
    per_minute: Option<u32>,
    clients: Mutex<HashMap<K, Bucket>>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    /// Requests that may still be made.
    left: f64,
    at: Duration,
}

impl Bucket {
    /// As it is by `now`, at `per_second`, and never fuller than `full`.
    fn refilled(self, now: Duration, per_second: f64, full: f64) -> Self {
        let passed = now.saturating_sub(self.at).as_secs_f64();
        Self {
            left: (self.left + passed * per_second).min(full),
            at: now,
        }
    }
}

impl<K: Hash + Eq> Rates<K> {
    /// So many a minute for each; `None` for no limit.
    pub fn new(per_minute: Option<u32>) -> Self {
        Self {
            per_minute,
            clients: Mutex::new(HashMap::new()),
        }
    }

    /// Counts a request of `client`.
    ///
    /// # Errors
    /// When it has made too many: how long until it may make one more.
    pub fn count(&self, client: K, now: Duration) -> Result<(), Duration> {
        let Some(per_minute) = self.per_minute else {
            return Ok(());
        };
        let full = f64::from(per_minute);
        let per_second = full / 60.0;
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if clients.len() >= CLIENTS_MAX && !clients.contains_key(&client) {
            clients.retain(|_, bucket| bucket.refilled(now, per_second, full).left < full);
            if clients.len() >= CLIENTS_MAX {
                clients.clear();
            }
        }
        let fresh = Bucket {
            left: full,
            at: now,
        };
        let bucket = clients.entry(client).or_insert(fresh);
        *bucket = bucket.refilled(now, per_second, full);
        if bucket.left < 1.0 {
            return Err(Duration::from_secs_f64(
                ((1.0 - bucket.left) / per_second).ceil(),
            ));
        }
        bucket.left -= 1.0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_has_a_minutes_worth_at_once_and_then_waits() {
        let rates = Rates::new(Some(2));
        let at = Duration::from_secs;

        assert_eq!(rates.count("a", at(0)), Ok(()));
        assert_eq!(rates.count("a", at(0)), Ok(()));
        assert_eq!(rates.count("a", at(0)), Err(at(30)));
        assert_eq!(rates.count("b", at(0)), Ok(()));
        assert_eq!(rates.count("a", at(30)), Ok(()));
        assert!(rates.count("a", at(31)).is_err());
    }

    #[test]
    fn no_number_of_clients_fills_the_memory() {
        let rates = Rates::new(Some(1));
        for client in 0..=CLIENTS_MAX {
            assert_eq!(rates.count(client, Duration::ZERO), Ok(()));
        }
        assert!(rates.clients.lock().unwrap().len() <= CLIENTS_MAX);
    }
}
