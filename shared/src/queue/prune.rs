//! Forgets what ended long ago: jobs, attempts, workers, rollups and failure groups. Activity and operators'
//! actions are kept: they are the audit log.
//!
//! Invariants: one write deletes at most [`BATCH`] rows and lines up for the writer anew, so nobody waits for a long one;
//! what waits or runs is never touched; each relay keeps its newest [`KEPT_ATTEMPTS`] attempts, whatever their age. The
//! file is never rewritten: SQLite uses the freed pages again.
//!
//! Kept attempts are not looked at over and over. A durable position walks through the attempts in the order of their ids,
//! once: an attempt that has grown old takes with it whatever its relay has in excess up to then, itself included. One
//! that is kept goes when a newer one of the relay is passed.

use std::{collections::BTreeMap, time::Duration};

use chrono::{DateTime, Utc};

use super::periodic;
use crate::{
    clock::SharedClock,
    config::PruneConfig,
    db::{Db, WriteError, WriteTx},
};

/// Rows that one write deletes at most. Each lies on pages of its own in half a dozen indexes: beside 200,000 others, a
/// hundred jobs took 4 ms and a hundred attempts 12 ms at the median, on a machine that was busy with other things.
const BATCH: i64 = 100;
/// Attempts that every relay keeps: enough to see what its last failure was and how it ended.
const KEPT_ATTEMPTS: i64 = 5;
/// The pause between two batches, as a multiple of what the first of them took: most of the writer's time stays with others.
const PAUSE: u32 = 3;
/// The row in `maintenance`.
const NAME: &str = "prune";

/// How many rows were forgotten.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Jobs that had ended.
    pub jobs: u64,
    /// Attempts.
    pub attempts: u64,
    /// Failure groups that nothing was in any more.
    pub groups: u64,
    /// Workers that had stopped or died.
    pub workers: u64,
    /// Minutes and hours of the rollups.
    pub minutes: u64,
}

impl Pruned {
    /// All of them together.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.jobs + self.attempts + self.groups + self.workers + self.minutes
    }
}

/// Why pruning stopped short. What was deleted until then is gone; the next round goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum PruneError {
    /// A statement was refused.
    #[error("cannot delete old rows")]
    Sql(#[from] sqlx::Error),
    /// A batch could not be committed.
    #[error("cannot commit the deletion of old rows")]
    Write(#[from] WriteError),
}

/// Where what is kept begins.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Jobs that ended before this go; Unix seconds.
    jobs: i64,
    /// Attempts up to this id go, however young.
    attempts: i64,
    /// What else ended before this goes.
    before: DateTime<Utc>,
}

/// One kind of row.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Jobs,
    Attempts,
    Groups,
    Workers,
    Minutes,
    Lags,
    Hours,
    HourLags,
}

impl Kind {
    /// Groups come after the attempts that name them.
    pub(super) const ALL: [Self; 8] = [
        Self::Jobs,
        Self::Attempts,
        Self::Groups,
        Self::Workers,
        Self::Minutes,
        Self::Lags,
        Self::Hours,
        Self::HourLags,
    ];
}

/// Deletes everything that may go, batch by batch. Does nothing when some worker began to less than `every` ago.
///
/// # Errors
/// When the database refuses.
pub async fn prune(
    db: &Db,
    clock: &SharedClock,
    rules: PruneConfig,
    every: Duration,
) -> Result<Pruned, PruneError> {
    let now = clock.now();
    let is_ours = db
        .write(async move |tx: &mut WriteTx| {
            periodic::take_on(tx, NAME, now, every)
                .await
                .map_err(PruneError::from)
        })
        .await?;
    let mut pruned = Pruned::default();
    if !is_ours {
        return Ok(pruned);
    }
    let limits = limits(db, now, rules).await?;
    for kind in Kind::ALL {
        let count = match kind {
            Kind::Jobs => &mut pruned.jobs,
            Kind::Attempts => &mut pruned.attempts,
            Kind::Groups => &mut pruned.groups,
            Kind::Workers => &mut pruned.workers,
            Kind::Minutes | Kind::Lags | Kind::Hours | Kind::HourLags => &mut pruned.minutes,
        };
        loop {
            let began = clock.monotonic();
            let batch = db
                .write(async move |tx: &mut WriteTx| {
                    delete_batch(tx, kind, limits)
                        .await
                        .map_err(PruneError::from)
                })
                .await?;
            *count += batch.deleted;
            if batch.is_last {
                break;
            }
            tokio::time::sleep(PAUSE * clock.monotonic().saturating_sub(began)).await;
        }
    }
    Ok(pruned)
}

/// Finds where what is kept begins, without the writer.
pub(super) async fn limits(
    db: &Db,
    now: DateTime<Utc>,
    rules: PruneConfig,
) -> Result<Limits, sqlx::Error> {
    let before = now - rules.after;
    let keep = i64::try_from(rules.keep_rows).unwrap_or(i64::MAX);
    let first_kept_job: Option<i64> = sqlx::query_scalar(
        "SELECT done_at
         FROM Jobs INDEXED BY jobs_ended
         WHERE status IN ('Done', 'Killed')
           AND done_at IS NOT NULL
         ORDER BY done_at DESC
         LIMIT 1 OFFSET $1 - 1",
    )
    .bind(keep)
    .fetch_optional(db.readers())
    .await?;
    // Ids are given out in order and never twice, so the newest rows are those with the highest.
    let newest_attempt: i64 = sqlx::query_scalar("SELECT coalesce(max(id), 0) FROM sync_attempt")
        .fetch_one(db.readers())
        .await?;
    Ok(Limits {
        jobs: first_kept_job.map_or(before.timestamp(), |done_at| {
            done_at.max(before.timestamp())
        }),
        attempts: newest_attempt.saturating_sub(keep),
        before,
    })
}

/// What one write came to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Batch {
    deleted: u64,
    is_last: bool,
}

impl Batch {
    fn of(deleted: u64) -> Self {
        Self {
            deleted,
            is_last: deleted < BATCH.unsigned_abs(),
        }
    }
}

/// Deletes one batch of a kind.
pub(super) async fn delete_batch(
    tx: &mut WriteTx,
    kind: Kind,
    limits: Limits,
) -> Result<Batch, sqlx::Error> {
    let before = limits.before;
    match kind {
        Kind::Jobs => {
            let sql = "DELETE FROM Jobs
                       WHERE rowid IN (
                           SELECT rowid
                           FROM Jobs INDEXED BY jobs_ended
                           WHERE status IN ('Done', 'Killed')
                             AND done_at < $1
                           ORDER BY done_at
                           LIMIT $2
                       )";
            delete(tx, sql, limits.jobs).await
        }
        Kind::Attempts => delete_attempts(tx, limits).await,
        Kind::Groups => {
            let sql = "DELETE FROM failure_group
                       WHERE id IN (
                           SELECT id
                           FROM failure_group INDEXED BY failure_group_idle
                           WHERE relays = 0
                             AND last_seen_at < $1
                             AND NOT EXISTS (SELECT 1 FROM sync_attempt WHERE failure_group_id = failure_group.id)
                             AND NOT EXISTS (SELECT 1 FROM relay_sync WHERE failure_group_id = failure_group.id)
                           LIMIT $2
                       )";
            delete(tx, sql, before.timestamp_millis()).await
        }
        Kind::Workers => delete_workers(tx, before).await,
        Kind::Minutes => {
            let sql = "DELETE FROM sync_minute
                       WHERE (minute, target) IN (SELECT minute, target FROM sync_minute WHERE minute < $1 LIMIT $2)";
            delete(tx, sql, before.timestamp() / 60).await
        }
        Kind::Lags => {
            let sql = "DELETE FROM sync_lag
                       WHERE (minute, target, upper_ms) IN (
                           SELECT minute, target, upper_ms FROM sync_lag WHERE minute < $1 LIMIT $2
                       )";
            delete(tx, sql, before.timestamp() / 60).await
        }
        Kind::Hours => {
            let sql = "DELETE FROM sync_hour
                       WHERE (hour, target) IN (SELECT hour, target FROM sync_hour WHERE hour < $1 LIMIT $2)";
            delete(tx, sql, before.timestamp() / 3600).await
        }
        Kind::HourLags => {
            let sql = "DELETE FROM sync_lag_hour
                       WHERE (hour, target, upper_ms) IN (
                           SELECT hour, target, upper_ms FROM sync_lag_hour WHERE hour < $1 LIMIT $2
                       )";
            delete(tx, sql, before.timestamp() / 3600).await
        }
    }
}

/// Runs a statement that deletes at most $2 rows from before $1.
async fn delete(tx: &mut WriteTx, sql: &'static str, before: i64) -> Result<Batch, sqlx::Error> {
    let deleted = sqlx::query(sql)
        .bind(before)
        .bind(BATCH)
        .execute(&mut *tx)
        .await?;
    Ok(Batch::of(deleted.rows_affected()))
}

async fn delete_attempts(tx: &mut WriteTx, limits: Limits) -> Result<Batch, sqlx::Error> {
    let next: Vec<(i64, String, i64, i64)> = sqlx::query_as(
        "SELECT id, relay_id, number, started_at
         FROM sync_attempt
         WHERE id > coalesce((SELECT position FROM maintenance WHERE name = $1), 0)
         ORDER BY id
         LIMIT $2",
    )
    .bind(NAME)
    .bind(BATCH)
    .fetch_all(&mut *tx)
    .await?;
    let mut position = None;
    // The newest attempt of each relay that is passed: the numbers of a relay grow with the ids.
    let mut passed: BTreeMap<String, i64> = BTreeMap::new();
    for (id, relay, number, started_at) in next {
        if id > limits.attempts && started_at >= limits.before.timestamp_millis() {
            break;
        }
        position = Some(id);
        passed.insert(relay, number);
    }
    let Some(position) = position else {
        return Ok(Batch::of(0));
    };
    let deleted = sqlx::query(
        "DELETE FROM sync_attempt
         WHERE id IN (
             SELECT old.id
             FROM json_each($1) AS passed
             CROSS JOIN relay_sync ON relay_sync.relay_id = passed.key
             CROSS JOIN sync_attempt AS old
                 ON old.relay_id = relay_sync.relay_id
                AND old.number <= min(passed.value, relay_sync.attempt_count - $2)
             WHERE old.finished_at IS NOT NULL
             LIMIT $3
         )",
    )
    .bind(serde_json::json!(passed).to_string())
    .bind(KEPT_ATTEMPTS)
    .bind(BATCH)
    .execute(&mut *tx)
    .await?
    .rows_affected();
    // A full batch may have left something: then the same attempts are passed once more.
    if deleted < BATCH.unsigned_abs() {
        sqlx::query(
            "INSERT INTO maintenance (name, last_run_at, position)
             VALUES ($1, 0, $2)
             ON CONFLICT (name) DO UPDATE
             SET position = max(position, excluded.position)",
        )
        .bind(NAME)
        .bind(position)
        .execute(&mut *tx)
        .await?;
    }
    Ok(Batch {
        deleted,
        is_last: false,
    })
}

/// A worker that comes back from the dead registers anew, so its rows are not missed.
async fn delete_workers(tx: &mut WriteTx, before: DateTime<Utc>) -> Result<Batch, sqlx::Error> {
    let gone: Vec<String> = sqlx::query_scalar(
        "DELETE FROM worker_heartbeat
         WHERE worker_id IN (
             SELECT worker_id
             FROM worker_heartbeat INDEXED BY worker_heartbeat_ended
             WHERE coalesce(stopped_at, dead_at) < $1
               AND NOT EXISTS (SELECT 1 FROM Jobs WHERE lock_by = worker_heartbeat.worker_id)
             LIMIT $2
         )
         RETURNING worker_id",
    )
    .bind(before.timestamp_millis())
    .bind(BATCH)
    .fetch_all(&mut *tx)
    .await?;
    sqlx::query("DELETE FROM Workers WHERE id IN (SELECT value FROM json_each($1))")
        .bind(serde_json::json!(gone).to_string())
        .execute(&mut *tx)
        .await?;
    Ok(Batch::of(gone.len() as u64))
}
