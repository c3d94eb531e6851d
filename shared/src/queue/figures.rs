//! What is to be seen of the queue from outside, for monitoring. Reads only, each by an index or from a table of counts.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::claim::{self, Suspects};
use crate::{
    db::{Db, WriteTx},
    domain::{WorkerId, ZooidDomain},
};

/// A worker that has not beaten for this long is not counted as alive, whatever its lease.
const BEAT_COUNTS_FOR: Duration = Duration::from_mins(1);

/// The fleet in numbers.
#[derive(Debug, Clone, Default)]
pub struct Fleet {
    /// What is known of each target that has relays.
    pub targets: Vec<TargetFigures>,
    /// Relays by target and state: (target, state, relays).
    pub relays: Vec<(String, String, i64)>,
    /// Attempts ever: (target, outcome, kind or '', attempts, milliseconds together).
    pub attempts: Vec<(String, String, String, i64, i64)>,
    /// Lags ever: (target, upper bound in milliseconds, syncs, milliseconds together), every bound of each target, in order.
    pub lags: Vec<(String, i64, i64, i64)>,
    /// Whether an operator holds every sync back.
    pub is_paused: bool,
    /// Workers that beat lately, the syncs they may run at once, and those they run: (workers, slots, running).
    pub workers: (i64, i64, i64),
}

/// One target in numbers.
#[derive(Debug, Clone)]
pub struct TargetFigures {
    /// Its name.
    pub name: String,
    /// Whether its circuit is open.
    pub is_open: bool,
    /// Whether an operator holds it back.
    pub is_paused: bool,
    /// How long the oldest job has been due that a worker may take.
    pub oldest_due: Duration,
    /// Relays of which zooid has not the newest generation.
    pub out_of_step: i64,
    /// How long the first of them has been waiting.
    pub oldest_out_of_step: Duration,
    /// Relays that were seen to differ from what zooid accepted, where somebody looks.
    pub drifted: i64,
}

/// Reads the fleet's figures.
///
/// # Errors
/// When the database refuses.
pub async fn fleet(db: &Db, now: DateTime<Utc>) -> Result<Fleet, sqlx::Error> {
    let readers = db.readers();
    let relays =
        sqlx::query_as("SELECT target, state, relays FROM standing_count ORDER BY target, state")
            .fetch_all(readers)
            .await?;
    let attempts = sqlx::query_as(
        "SELECT target, outcome, kind, attempts, total_ms FROM attempt_count ORDER BY target, outcome, kind",
    )
    .fetch_all(readers)
    .await?;
    let lags = sqlx::query_as(
        "SELECT seen.target, lag_bucket.upper_ms, coalesce(lag_count.syncs, 0), coalesce(lag_count.total_ms, 0)
         FROM (SELECT DISTINCT target FROM lag_count) AS seen
         CROSS JOIN lag_bucket
         LEFT JOIN lag_count ON lag_count.target = seen.target AND lag_count.upper_ms = lag_bucket.upper_ms
         ORDER BY seen.target, lag_bucket.upper_ms",
    )
    .fetch_all(readers)
    .await?;
    let is_paused =
        sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM queue WHERE paused_at IS NOT NULL)")
            .fetch_one(readers)
            .await?;
    let workers = sqlx::query_as(
        "SELECT count(*), coalesce(sum(slots), 0), coalesce(sum(running), 0)
         FROM worker_heartbeat INDEXED BY worker_heartbeat_running
         WHERE stopped_at IS NULL
           AND dead_at IS NULL
           AND beat_at > $1",
    )
    .bind((now - BEAT_COUNTS_FOR).timestamp_millis())
    .fetch_one(readers)
    .await?;
    Ok(Fleet {
        targets: targets(db, now).await?,
        relays,
        attempts,
        lags,
        is_paused,
        workers,
    })
}

async fn targets(db: &Db, now: DateTime<Utc>) -> Result<Vec<TargetFigures>, sqlx::Error> {
    let rows: Vec<(String, bool, bool, i64, Option<i64>, i64)> = sqlx::query_as(
        "WITH dirty AS MATERIALIZED (
             SELECT target, count(*) AS relays, min(dirty_since) AS since
             FROM relay_sync INDEXED BY relay_sync_oldest
             WHERE dirty_since IS NOT NULL
             GROUP BY target
         )
         SELECT
             known.target,
             coalesce(target.circuit_state = 'open', 0),
             target.paused_at IS NOT NULL,
             coalesce(dirty.relays, 0),
             dirty.since,
             (
                 SELECT count(*)
                 FROM relay_observation INDEXED BY relay_observation_drifted
                 WHERE relay_observation.target = known.target
                   AND relay_observation.drift_since IS NOT NULL
             )
         FROM (SELECT DISTINCT target FROM relay_count) AS known
         LEFT JOIN target ON target.name = known.target
         LEFT JOIN dirty ON dirty.target = known.target
         ORDER BY known.target",
    )
    .fetch_all(db.readers())
    .await?;
    let mut targets = Vec::with_capacity(rows.len());
    for (name, is_open, is_paused, out_of_step, dirty_since, drifted) in rows {
        let domain: ZooidDomain = name
            .parse()
            .map_err(|error: crate::domain::Malformed| sqlx::Error::Decode(error.into()))?;
        targets.push(TargetFigures {
            oldest_due: oldest_due(db, now, &[domain]).await?,
            oldest_out_of_step: since(now, dirty_since.and_then(DateTime::from_timestamp_millis)),
            name,
            is_open,
            is_paused,
            out_of_step,
            drifted,
        });
    }
    Ok(targets)
}

/// How long the oldest due job has waited that a worker of these targets may take; zero when none is due.
///
/// # Errors
/// When the database refuses.
pub async fn oldest_due(
    db: &Db,
    now: DateTime<Utc>,
    targets: &[ZooidDomain],
) -> Result<Duration, sqlx::Error> {
    let run_at = claim::next_due(db.readers(), now, targets, Suspects::None).await?;
    Ok(since(
        now,
        run_at.and_then(|run_at| DateTime::from_timestamp(run_at, 0)),
    ))
}

/// When this worker last beat; `None` for one that is not registered, or was found dead.
///
/// # Errors
/// When the database refuses.
pub async fn last_beat(db: &Db, worker: &WorkerId) -> Result<Option<DateTime<Utc>>, sqlx::Error> {
    let beat_at: Option<i64> = sqlx::query_scalar(
        // An engine that was started again goes on as `<worker>.1` and so forth; '/' is what follows '.'.
        "SELECT max(beat_at)
         FROM worker_heartbeat
         WHERE worker_id >= $1
           AND worker_id < $1 || '/'
           AND dead_at IS NULL",
    )
    .bind(worker.as_str())
    .fetch_one(db.readers())
    .await?;
    Ok(beat_at.and_then(DateTime::from_timestamp_millis))
}

/// Writes the smallest thing there is to write: whether that works is what readiness asks.
///
/// # Errors
/// When the database refuses.
pub async fn touch(tx: &mut WriteTx, now: DateTime<Utc>) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO maintenance (name, last_run_at)
         VALUES ('readiness', $1)
         ON CONFLICT (name) DO UPDATE
         SET last_run_at = excluded.last_run_at",
    )
    .bind(now.timestamp_millis())
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// How long ago `then` was: zero for never, and for the future.
fn since(now: DateTime<Utc>, then: Option<DateTime<Utc>>) -> Duration {
    then.and_then(|then| (now - then).to_std().ok())
        .unwrap_or_default()
}
