//! Is everything in step? The answer in numbers.

use serde::Serialize;
use utoipa::ToSchema;

use super::{
    TargetView, Viewpoint, WorkerView,
    series::{Histogram, MINUTE_MS},
    targets, workers,
};
use crate::{
    domain::ZooidDomain,
    query::{Query, QueryError},
    queue::Priority,
    repositories::operator::{
        Snapshot,
        count::{RelayCounts, Standing, oldest_out_of_step, standings},
        job,
        rollup::{self, Ended, Minutes},
        target::queue_paused_at,
    },
};

/// Over how many minutes the latency is taken.
const WINDOW_MINUTES: i64 = 60;

/// The whole fleet, or what one target serves. Times are unix milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Overview {
    /// Relays by state.
    pub relays: RelayCounts,
    /// Since when the relay that has been out of step the longest is; `None` when all are in step.
    pub oldest_out_of_step_since: Option<i64>,
    /// How long relays were out of step.
    pub latency: Latency,
    /// What ended in the last full minute.
    pub per_minute: Ended,
    /// The targets.
    pub targets: Vec<TargetView>,
    /// The workers, whatever they serve.
    pub workers: WorkerCounts,
    /// What waits.
    pub queue: QueueView,
    /// The present.
    pub now: i64,
}

/// How long relays that came into step in the window had been out of it, each figure the upper bound of a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct Latency {
    /// The window, up to now.
    pub window_minutes: i64,
    /// Half of them.
    pub p50_ms: Option<i64>,
    /// 95 of 100.
    pub p95_ms: Option<i64>,
    /// 99 of 100.
    pub p99_ms: Option<i64>,
    /// How many there were.
    pub syncs: u64,
}

/// The workers that are listed, counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct WorkerCounts {
    /// Those that beat.
    pub alive: u64,
    /// Those that fell silent.
    pub dead: u64,
    /// Those that signed off.
    pub stopped: u64,
    /// How many syncs those alive may run at once.
    pub slots: u64,
    /// How many they run.
    pub running: u64,
}

/// What waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct QueueView {
    /// Since when an operator holds every sync back.
    pub paused_at: Option<i64>,
    /// Relays that wait for a sync, whatever for.
    pub waiting: u64,
    /// Since when the job that has been due the longest is; `None` when none is due.
    pub oldest_due_at: Option<i64>,
}

impl WorkerCounts {
    fn of(workers: &[WorkerView]) -> Self {
        let mut counts = Self::default();
        for worker in workers {
            if worker.alive {
                counts.alive += 1;
                counts.slots += worker.slots;
                counts.running += worker.running.len() as u64;
            } else if worker.stopped_at.is_some() {
                counts.stopped += 1;
            } else {
                counts.dead += 1;
            }
        }
        counts
    }
}

impl Query {
    /// Everything at a glance, of one target or of all.
    ///
    /// # Errors
    /// [`QueryError::Database`].
    pub async fn overview(
        &self,
        view: &Viewpoint,
        target: Option<&ZooidDomain>,
    ) -> Result<Overview, QueryError> {
        let mut snapshot = Snapshot::of(&self.readers).await?;
        let all = standings(&mut snapshot).await?;
        let mut targets = targets::list(&mut snapshot, view, &all).await?;
        targets.retain(|view| target.is_none_or(|target| view.name == *target));
        let standings: Vec<&Standing> = all
            .iter()
            .filter(|standing| target.is_none_or(|target| standing.target == *target))
            .collect();

        let mut relays = RelayCounts::default();
        let (mut oldest_out_of_step_since, mut oldest_due_at) = (None, None);
        for standing in standings {
            standing.add_to(&mut relays);
            let since = oldest_out_of_step(&mut snapshot, &standing.target).await?;
            oldest_out_of_step_since = earlier(oldest_out_of_step_since, since);
            for priority in [Priority::Edit, Priority::Retry, Priority::Background] {
                let due =
                    job::first_due(&mut snapshot, &standing.target, priority.number()).await?;
                let due = due.map(|at| at * 1000).filter(|at| *at <= view.now_ms());
                oldest_due_at = earlier(oldest_due_at, due);
            }
        }
        let workers = workers::list(&mut snapshot, view).await?;
        Ok(Overview {
            queue: QueueView {
                paused_at: queue_paused_at(&mut snapshot).await?,
                waiting: relays.waiting(),
                oldest_due_at,
            },
            relays,
            oldest_out_of_step_since,
            latency: latency(&mut snapshot, view, target).await?,
            per_minute: per_minute(&mut snapshot, view, target).await?,
            targets,
            workers: WorkerCounts::of(&workers),
            now: view.now_ms(),
        })
    }
}

fn earlier(one: Option<i64>, other: Option<i64>) -> Option<i64> {
    one.into_iter().chain(other).min()
}

async fn latency(
    snapshot: &mut Snapshot,
    view: &Viewpoint,
    target: Option<&ZooidDomain>,
) -> Result<Latency, sqlx::Error> {
    let this = view.now_ms().div_euclid(MINUTE_MS);
    let minutes = Minutes {
        from: this + 1 - WINDOW_MINUTES,
        until: this + 1,
        step: WINDOW_MINUTES,
    };
    let mut histogram = Histogram::default();
    for row in rollup::lags(snapshot, minutes.into(), target).await? {
        histogram.add(&row);
    }
    Ok(Latency {
        window_minutes: WINDOW_MINUTES,
        p50_ms: histogram.percentile(50),
        p95_ms: histogram.percentile(95),
        p99_ms: histogram.percentile(99),
        syncs: histogram.total(),
    })
}

async fn per_minute(
    snapshot: &mut Snapshot,
    view: &Viewpoint,
    target: Option<&ZooidDomain>,
) -> Result<Ended, sqlx::Error> {
    let this = view.now_ms().div_euclid(MINUTE_MS);
    let minutes = Minutes {
        from: this - 1,
        until: this,
        step: 1,
    };
    let rows = rollup::ended(snapshot, minutes.into(), target).await?;
    Ok(rows
        .first()
        .map(rollup::EndedRow::ended)
        .unwrap_or_default())
}
