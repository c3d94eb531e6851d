//! Who is alive: heartbeats, the judgement of other workers, and taking over from the dead.
//!
//! A worker is dead when its counter has not moved for one lease, measured by the observer's own monotonic clock and only
//! over stretches in which the observer itself managed to commit its beats. A stall that stops everybody (a writer that
//! holds the lock) therefore counts against nobody, and the clocks of two processes are never compared.

use std::{collections::HashMap, time::Duration};

use chrono::{DateTime, Utc};

use super::{
    backoff::{RetryPolicy, whole_seconds_after},
    job::{JOB_TYPE, LastResult, Priority},
};
use crate::{
    db::{WakeKind, WriteTx},
    domain::{FailureKind, WorkerId},
};

/// Beats per lease: a worker is seen dead at most one beat after its lease has run out.
pub(super) const BEATS_PER_LEASE: u32 = 4;

/// Registers this process among the workers, apalis's table included.
pub(super) async fn register(
    tx: &mut WriteTx,
    now: DateTime<Utc>,
    worker: &WorkerId,
    slots: usize,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO Workers (id, worker_type, storage_name, layers, last_seen, started_at)
         VALUES ($1, $2, 'caravel', 'SyncLayer', $3, $3)
         ON CONFLICT (id) DO NOTHING",
    )
    .bind(worker.as_str())
    .bind(JOB_TYPE)
    .bind(now.timestamp())
    .execute(&mut *tx)
    .await?;
    sqlx::query(
        "INSERT INTO worker_heartbeat (worker_id, beat_at, started_at, pid, slots)
         VALUES ($1, $2, $2, $3, $4)
         ON CONFLICT (worker_id) DO NOTHING",
    )
    .bind(worker.as_str())
    .bind(now.timestamp_millis())
    .bind(std::process::id())
    .bind(i64::try_from(slots).unwrap_or(i64::MAX))
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// Shows that this worker lives. One that was taken for dead is alive again: the fence of each attempt keeps what it did
/// meanwhile from counting. One whose rows are gone (a backup was restored beneath it) registers again.
pub(super) async fn beat(
    tx: &mut WriteTx,
    now: DateTime<Utc>,
    worker: &WorkerId,
    slots: usize,
    running: usize,
) -> Result<(), sqlx::Error> {
    let shown = sqlx::query(
        "UPDATE worker_heartbeat
         SET counter = counter + 1,
             beat_at = $2,
             running = $3,
             dead_at = NULL
         WHERE worker_id = $1",
    )
    .bind(worker.as_str())
    .bind(now.timestamp_millis())
    .bind(i64::try_from(running).unwrap_or(i64::MAX))
    .execute(&mut *tx)
    .await?;
    if shown.rows_affected() == 0 {
        return register(tx, now, worker, slots).await;
    }
    sqlx::query(
        "UPDATE Workers
         SET last_seen = $2
         WHERE id = $1",
    )
    .bind(worker.as_str())
    .bind(now.timestamp())
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// Signs this worker off: it holds nothing any more.
pub(super) async fn sign_off(
    tx: &mut WriteTx,
    now: DateTime<Utc>,
    worker: &WorkerId,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE worker_heartbeat
         SET stopped_at = $2,
             running = 0
         WHERE worker_id = $1
           AND NOT EXISTS (SELECT 1 FROM Jobs WHERE lock_by = $1)",
    )
    .bind(worker.as_str())
    .bind(now.timestamp_millis())
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// What this worker knows of the others.
#[derive(Debug, Clone)]
pub(super) struct Observer {
    lease: Duration,
    /// When this observer's own last beat was committed.
    last_look: Option<Duration>,
    seen: HashMap<String, Sighting>,
}

#[derive(Debug, Clone)]
struct Sighting {
    counter: i64,
    /// For how long the counter has stood still while this observer could beat.
    still: Duration,
}

impl Observer {
    pub(super) fn new(lease: Duration) -> Self {
        Self {
            lease,
            last_look: None,
            seen: HashMap::new(),
        }
    }

    /// Takes in the counters of the others at the monotonic time `now`, and names those whose lease has run out.
    fn look(&mut self, now: Duration, counters: Vec<(String, i64)>) -> Vec<(String, i64)> {
        // Two beats at most: whatever is missing beyond that, this observer was stalled itself.
        let most = self.lease * 2 / BEATS_PER_LEASE;
        let passed = self
            .last_look
            .map_or(Duration::ZERO, |last| now.saturating_sub(last).min(most));
        self.last_look = Some(now);
        let before = std::mem::take(&mut self.seen);
        let mut dead = Vec::new();
        for (worker, counter) in counters {
            let still = match before.get(&worker) {
                Some(sighting) if sighting.counter == counter => sighting.still + passed,
                Some(_) | None => Duration::ZERO,
            };
            if still >= self.lease {
                dead.push((worker.clone(), counter));
            }
            self.seen.insert(worker, Sighting { counter, still });
        }
        dead
    }
}

/// Looks at the other workers and takes over from those that are dead.
pub(super) async fn observe(
    tx: &mut WriteTx,
    now: DateTime<Utc>,
    monotonic: Duration,
    worker: &WorkerId,
    observer: &mut Observer,
    policy: &RetryPolicy,
    crash_budget: u32,
) -> Result<(), sqlx::Error> {
    let counters: Vec<(String, i64)> = sqlx::query_as(
        "SELECT worker_id, counter
         FROM worker_heartbeat INDEXED BY worker_heartbeat_running
         WHERE stopped_at IS NULL
           AND worker_id <> $1
           AND (dead_at IS NULL OR EXISTS (SELECT 1 FROM Jobs WHERE lock_by = worker_id))",
    )
    .bind(worker.as_str())
    .fetch_all(&mut *tx)
    .await?;
    for (dead, counter) in observer.look(monotonic, counters) {
        let declared = sqlx::query(
            "UPDATE worker_heartbeat
             SET dead_at = $3,
                 running = 0
             WHERE worker_id = $1
               AND counter = $2",
        )
        .bind(&dead)
        .bind(counter)
        .bind(now.timestamp_millis())
        .execute(&mut *tx)
        .await?;
        if declared.rows_affected() > 0 {
            let jobs = take_over(tx, now, &dead, policy, crash_budget).await?;
            tracing::warn!(worker.id = %dead, jobs, "a worker is dead; its jobs return to the queue");
        }
    }
    Ok(())
}

/// The jobs a worker holds, for the statements below ($1: the worker).
macro_rules! held_jobs {
    () => {
        "SELECT id
         FROM Jobs INDEXED BY jobs_locked
         WHERE lock_by = $1
           AND status = 'Running'"
    };
}

/// Returns everything a dead worker held: its attempts are lost, each of its relays counts a crash and not an attempt,
/// and a relay that has used up its crash budget is quarantined. Answers how many jobs there were.
async fn take_over(
    tx: &mut WriteTx,
    now: DateTime<Utc>,
    dead: &str,
    policy: &RetryPolicy,
    crash_budget: u32,
) -> Result<u64, sqlx::Error> {
    close_attempts(tx, now, dead).await?;
    count_crashes(tx, now, dead, policy, crash_budget).await?;
    let superseded = end_held(
        tx,
        now,
        dead,
        concat!(
            "UPDATE Jobs
             SET status = 'Done', done_at = $3, last_result = $4, lock_by = NULL, lock_at = NULL, idempotency_key = NULL
             WHERE id IN (",
            held_jobs!(),
            ")
               AND EXISTS (
                   SELECT 1
                   FROM Jobs AS twin
                   WHERE twin.job_type = $2
                     AND twin.idempotency_key = replace(Jobs.idempotency_key, ':running', '')
               )"
        ),
        LastResult::Ok("superseded"),
    )
    .await?;
    let quarantined = end_held(
        tx,
        now,
        dead,
        concat!(
            "UPDATE Jobs
             SET status = 'Killed', done_at = $3, last_result = $4, lock_by = NULL, lock_at = NULL, idempotency_key = NULL
             WHERE job_type = $2
               AND id IN (",
            held_jobs!(),
            ")
               AND EXISTS (
                   SELECT 1
                   FROM relay_sync
                   WHERE relay_sync.relay_id = replace(Jobs.idempotency_key, ':running', '')
                     AND (
                         relay_sync.quarantined_at IS NOT NULL
                         OR relay_sync.failed_generation = relay_sync.desired_generation
                     )
               )"
        ),
        LastResult::Err("its worker died, and it is not tried again: quarantined or given up"),
    )
    .await?;
    let returned = sqlx::query(concat!(
        "UPDATE Jobs
         SET status = 'Pending',
             attempts = max(attempts - 1, 0),
             run_at = $2 + (
                 SELECT CASE WHEN crashes <= 1 THEN 0 ELSE min($3, $4 << min(crashes - 2, 30)) END
                 FROM relay_sync
                 WHERE relay_sync.relay_id = replace(Jobs.idempotency_key, ':running', '')
             ),
             priority = $5,
             last_result = $6,
             lock_by = NULL,
             lock_at = NULL,
             idempotency_key = replace(idempotency_key, ':running', '')
         WHERE id IN (",
        held_jobs!(),
        ")"
    ))
    .bind(dead)
    .bind(now.timestamp())
    .bind(whole_seconds(policy.cap))
    .bind(whole_seconds(policy.base))
    .bind(Priority::Retry.number())
    .bind(LastResult::Err("worker lost").to_json())
    .execute(&mut *tx)
    .await?
    .rows_affected();
    tx.wake(WakeKind::Worker);
    Ok(superseded + quarantined + returned)
}

async fn close_attempts(
    tx: &mut WriteTx,
    now: DateTime<Utc>,
    dead: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query(concat!(
        "UPDATE sync_attempt
         SET outcome = 'lost',
             kind = $2,
             message = 'the worker ' || worker_id || ' stopped beating while it ran this attempt',
             finished_at = $3
         WHERE finished_at IS NULL
           AND job_id IN (",
        held_jobs!(),
        ")"
    ))
    .bind(dead)
    .bind(FailureKind::WorkerLost.as_str())
    .bind(now.timestamp_millis())
    .execute(&mut *tx)
    .await?;
    Ok(())
}

async fn count_crashes(
    tx: &mut WriteTx,
    now: DateTime<Utc>,
    dead: &str,
    policy: &RetryPolicy,
    crash_budget: u32,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE relay_sync
         SET crashes = crashes + 1,
             -- Its call may still be under way.
             settle_at = max($4, coalesce(settle_at, 0)),
             quarantined_at = CASE WHEN crashes + 1 >= $2 THEN $3 ELSE quarantined_at END
         WHERE relay_id IN (
             SELECT replace(idempotency_key, ':running', '')
             FROM Jobs INDEXED BY jobs_locked
             WHERE lock_by = $1
               AND status = 'Running'
         )",
    )
    .bind(dead)
    .bind(crash_budget)
    .bind(now.timestamp())
    .bind(whole_seconds_after(now, policy.settle_after))
    .execute(&mut *tx)
    .await?;
    Ok(())
}

async fn end_held(
    tx: &mut WriteTx,
    now: DateTime<Utc>,
    dead: &str,
    statement: &'static str,
    last_result: LastResult<'_>,
) -> Result<u64, sqlx::Error> {
    let ended = sqlx::query(statement)
        .bind(dead)
        .bind(JOB_TYPE)
        .bind(now.timestamp())
        .bind(last_result.to_json())
        .execute(&mut *tx)
        .await?;
    Ok(ended.rows_affected())
}

fn whole_seconds(pause: Duration) -> i64 {
    i64::try_from(pause.as_secs().max(1)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_secs(10);

    fn counters(of: &[(&str, i64)]) -> Vec<(String, i64)> {
        of.iter()
            .map(|(worker, counter)| ((*worker).to_owned(), *counter))
            .collect()
    }

    /// Looks every `step`, the other's counter standing still, and tells after how many looks it was called dead.
    fn looks_until_dead(step: Duration) -> usize {
        let mut observer = Observer::new(LEASE);
        (0..1000)
            .position(|look| {
                !observer
                    .look(step * look, counters(&[("other", 7)]))
                    .is_empty()
            })
            .unwrap()
    }

    #[test]
    fn a_worker_whose_counter_stands_still_for_a_lease_is_dead() {
        assert_eq!(looks_until_dead(Duration::from_millis(2500)), 4);
    }

    #[test]
    fn a_worker_that_beats_is_never_dead() {
        let mut observer = Observer::new(LEASE);
        for look in 0..100 {
            let dead = observer.look(
                Duration::from_secs(5) * look,
                counters(&[("other", look.into())]),
            );
            assert!(dead.is_empty());
        }
    }

    #[test]
    fn a_stall_of_the_observer_itself_counts_as_two_beats() {
        // A minute passes between two looks: it proves nothing about the others.
        assert_eq!(looks_until_dead(Duration::from_mins(1)), 2);
        let mut observer = Observer::new(LEASE);
        observer.look(Duration::ZERO, counters(&[("other", 1)]));
        assert!(
            observer
                .look(Duration::from_mins(1), counters(&[("other", 1)]))
                .is_empty()
        );
    }

    #[test]
    fn a_worker_that_comes_back_starts_a_new_lease() {
        let mut observer = Observer::new(LEASE);
        for (look, counter) in [(0, 1), (1, 1), (2, 1), (3, 2), (4, 2), (5, 2), (6, 2)] {
            let now = Duration::from_millis(2500) * look;
            assert!(
                observer
                    .look(now, counters(&[("other", counter)]))
                    .is_empty()
            );
        }
    }
}
