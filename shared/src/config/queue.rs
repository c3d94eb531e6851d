//! How the queue works jobs off, and when it tries again.

use std::time::Duration;

use super::ConfigError;
use super::reader::{Read, Reader};
use super::variable::{
    SYNC_BACKOFF_BASE_SECONDS, SYNC_BACKOFF_CAP_SECONDS, SYNC_MAX_ATTEMPTS, SYNC_RECONCILE_SECONDS,
    SYNC_SETTLE_SECONDS, WORKER_CONCURRENCY, WORKER_CRASH_BUDGET, WORKER_LEASE_SECONDS,
};

/// How often a job is tried, and how long it waits in between. The API needs it too: jobs carry their budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryConfig {
    /// Attempts of one job, the first included.
    pub max_attempts: u32,
    /// The wait after the first failure; it doubles with each further one.
    pub backoff_base: Duration,
    /// The longest wait; never below the base.
    pub backoff_cap: Duration,
}

impl RetryConfig {
    pub(super) fn read(reader: &mut Reader<'_>) -> Read<Self> {
        let max_attempts = reader.whole(&SYNC_MAX_ATTEMPTS);
        let backoff_base = reader.seconds(&SYNC_BACKOFF_BASE_SECONDS);
        let backoff_cap = reader.seconds(&SYNC_BACKOFF_CAP_SECONDS);
        let retry = Self {
            max_attempts: max_attempts?,
            backoff_base: backoff_base?,
            backoff_cap: backoff_cap?,
        };
        if retry.backoff_cap < retry.backoff_base {
            return Err(reader.refuse(ConfigError::Disagree {
                name: SYNC_BACKOFF_CAP_SECONDS.name,
                other: SYNC_BACKOFF_BASE_SECONDS.name,
                rule: "the cap must not be below the base",
            }));
        }
        Ok(retry)
    }
}

/// How a worker runs the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueConfig {
    /// Jobs that one worker runs at a time.
    pub concurrency: usize,
    /// How long a worker may be silent before others take its jobs over.
    pub lease: Duration,
    /// Workers that a job of one relay may bring down before the relay is quarantined.
    pub crash_budget: u32,
    /// The time between two looks for relays that no job covers.
    pub reconcile_every: Duration,
    /// How long after an ambiguous call the desired state is sent once more.
    pub settle_after: Duration,
}

impl QueueConfig {
    pub(super) fn read(reader: &mut Reader<'_>) -> Read<Self> {
        let concurrency = reader.whole(&WORKER_CONCURRENCY);
        let lease = reader.seconds(&WORKER_LEASE_SECONDS);
        let crash_budget = reader.whole(&WORKER_CRASH_BUDGET);
        let reconcile_every = reader.seconds(&SYNC_RECONCILE_SECONDS);
        let settle_after = reader.seconds(&SYNC_SETTLE_SECONDS);
        Ok(Self {
            concurrency: concurrency?,
            lease: lease?,
            crash_budget: crash_budget?,
            reconcile_every: reconcile_every?,
            settle_after: settle_after?,
        })
    }
}
