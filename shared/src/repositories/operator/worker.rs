//! Workers as operators read them: who is alive, and what each runs.

use std::collections::HashMap;

use sqlx::{FromRow, QueryBuilder, Row as _, Sqlite, sqlite::SqliteRow};

use serde::Serialize;
use utoipa::ToSchema;

use super::{Snapshot, host};
use crate::{
    domain::{JobId, RelayId, WorkerId},
    repositories::row::parsed,
};

/// Most workers that are read of either part of the list.
const WORKERS_MAX: u32 = 100;

/// Most running syncs that are read.
const RUNNING_MAX: u32 = 10_000;

/// The heartbeat of a worker process. Times are unix milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerRow {
    /// Its id.
    pub id: WorkerId,
    /// Its process.
    pub pid: u32,
    /// When it started.
    pub started_at: i64,
    /// When it last beat.
    pub beat_at: i64,
    /// When it signed off.
    pub stopped_at: Option<i64>,
    /// When another worker found it dead.
    pub dead_at: Option<i64>,
    /// How many syncs it may run at once.
    pub slots: u64,
}

/// A sync that runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct RunningSync {
    /// The relay.
    pub relay_id: RelayId,
    /// The host name at which zooid is to serve it.
    pub host: String,
    /// Its job.
    pub job_id: JobId,
    /// Which attempt of the relay it is.
    pub attempt_number: i64,
    /// Since when, in unix milliseconds.
    pub since: i64,
    #[serde(skip)]
    worker_id: WorkerId,
}

const COLUMNS: &str = "SELECT worker_id, pid, started_at, beat_at, stopped_at, dead_at, slots FROM worker_heartbeat INDEXED BY ";

/// Those that ought to be alive, and those that were started last.
///
/// # Errors
/// When the database refuses, or a row breaks a rule of the domain.
pub async fn newest(snapshot: &mut Snapshot) -> Result<Vec<WorkerRow>, sqlx::Error> {
    let mut workers: Vec<WorkerRow> = Vec::new();
    for range in [
        "worker_heartbeat_alive WHERE stopped_at IS NULL AND dead_at IS NULL AND started_at > 0",
        "worker_heartbeat_by_start WHERE started_at > 0",
    ] {
        let mut query: QueryBuilder<Sqlite> = QueryBuilder::new(COLUMNS);
        query
            .push(range)
            .push(" ORDER BY started_at DESC LIMIT ")
            .push_bind(WORKERS_MAX);
        let rows: Vec<WorkerRow> = snapshot.all(query).await?;
        for row in rows {
            if workers.iter().all(|worker| worker.id != row.id) {
                workers.push(row);
            }
        }
    }
    Ok(workers)
}

/// What runs, by worker.
///
/// # Errors
/// When the database refuses, or a row breaks a rule of the domain.
pub async fn running(
    snapshot: &mut Snapshot,
) -> Result<HashMap<WorkerId, Vec<RunningSync>>, sqlx::Error> {
    let mut query = QueryBuilder::new(concat!(
        "SELECT
             Jobs.lock_by AS worker_id,
             Jobs.id AS job_id,
             attempt.relay_id,
             ",
        host!(),
        " AS host,
             attempt.number,
             attempt.started_at
         FROM Jobs INDEXED BY jobs_locked
         CROSS JOIN sync_attempt AS attempt
             ON attempt.job_id = Jobs.id
             AND attempt.finished_at IS NULL
         CROSS JOIN relay ON relay.id = attempt.relay_id
         WHERE Jobs.lock_by > ''
         LIMIT "
    ));
    query.push_bind(RUNNING_MAX);
    let rows: Vec<RunningSync> = snapshot.all(query).await?;
    let mut running: HashMap<WorkerId, Vec<RunningSync>> = HashMap::new();
    for sync in rows {
        running
            .entry(sync.worker_id.clone())
            .or_default()
            .push(sync);
    }
    Ok(running)
}

impl FromRow<'_, SqliteRow> for WorkerRow {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        let slots: i64 = row.try_get("slots")?;
        Ok(Self {
            id: parsed(row, "worker_id")?,
            pid: row.try_get("pid")?,
            started_at: row.try_get("started_at")?,
            beat_at: row.try_get("beat_at")?,
            stopped_at: row.try_get("stopped_at")?,
            dead_at: row.try_get("dead_at")?,
            slots: slots.unsigned_abs(),
        })
    }
}

impl FromRow<'_, SqliteRow> for RunningSync {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            relay_id: parsed(row, "relay_id")?,
            host: row.try_get("host")?,
            job_id: parsed(row, "job_id")?,
            attempt_number: row.try_get("number")?,
            since: row.try_get("started_at")?,
            worker_id: parsed(row, "worker_id")?,
        })
    }
}
