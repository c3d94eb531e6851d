//! Who is alive, and what each worker runs.

use serde::Serialize;
use utoipa::ToSchema;

use super::Viewpoint;
use crate::{
    domain::WorkerId,
    query::{Query, QueryError},
    repositories::operator::{
        Snapshot,
        worker::{self, RunningSync, WorkerRow},
    },
};

/// Most workers that are listed.
const WORKERS_MAX: usize = 100;

/// A worker process. Times are unix milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct WorkerView {
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
    /// Whether it has neither signed off nor fallen silent.
    pub alive: bool,
    /// How many syncs it may run at once.
    pub slots: u64,
    /// What it runs.
    pub running: Vec<RunningSync>,
}

impl WorkerView {
    /// When it was last heard of.
    fn ended_at(&self) -> i64 {
        self.stopped_at.unwrap_or(self.beat_at)
    }
}

impl Query {
    /// The workers that are alive, then those that ended last; at most 100.
    ///
    /// # Errors
    /// [`QueryError::Database`].
    pub async fn list_workers(&self, view: &Viewpoint) -> Result<Vec<WorkerView>, QueryError> {
        Ok(list(&mut Snapshot::of(&self.readers).await?, view).await?)
    }
}

pub(super) async fn list(
    snapshot: &mut Snapshot,
    view: &Viewpoint,
) -> Result<Vec<WorkerView>, sqlx::Error> {
    let mut running = worker::running(snapshot).await?;
    let mut workers: Vec<WorkerView> = worker::newest(snapshot)
        .await?
        .into_iter()
        .map(|row| WorkerView {
            alive: is_alive(&row, view),
            running: running.remove(&row.id).unwrap_or_default(),
            id: row.id,
            pid: row.pid,
            started_at: row.started_at,
            beat_at: row.beat_at,
            stopped_at: row.stopped_at,
            dead_at: row.dead_at,
            slots: row.slots,
        })
        .collect();
    workers.sort_by_key(|worker| (!worker.alive, std::cmp::Reverse(worker.ended_at())));
    workers.truncate(WORKERS_MAX);
    Ok(workers)
}

/// How many workers are alive.
pub(super) async fn alive(snapshot: &mut Snapshot, view: &Viewpoint) -> Result<u64, sqlx::Error> {
    let workers = worker::newest(snapshot).await?;
    Ok(workers.iter().filter(|row| is_alive(row, view)).count() as u64)
}

fn is_alive(row: &WorkerRow, view: &Viewpoint) -> bool {
    let silence = view.now_ms() - row.beat_at;
    row.stopped_at.is_none()
        && row.dead_at.is_none()
        && u128::from(silence.max(0).unsigned_abs()) <= view.silent_after.as_millis()
}
