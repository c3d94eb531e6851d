//! What people feel while workers are busy: API commits, 50 a second, beside four saturated worker processes.

use std::time::{Duration, Instant};

use sqlx::Row;

use crate::{
    fixture::{Fixture, until},
    noop_worker::Process,
    stats::Percentiles,
};

const PROCESSES: usize = 4;
const SLOTS: usize = 64;
const BACKLOG: usize = 40_000;
const COMMITS: usize = 250;
const EVERY: Duration = Duration::from_millis(20);

pub async fn run() {
    let fixture = Fixture::new().await;
    fixture.create_many(BACKLOG).await;
    let workers: Vec<Process> = (0..PROCESSES)
        .map(|_| Process::spawn(&fixture.database(), SLOTS))
        .collect();
    until(Duration::from_secs(30), async || {
        attempts(&fixture).await.len() == PROCESSES
    })
    .await;

    let before = attempts(&fixture).await;
    let mut ticks = tokio::time::interval(EVERY);
    let mut waits = Vec::with_capacity(COMMITS);
    for number in 0..COMMITS {
        ticks.tick().await;
        let began = Instant::now();
        fixture.create(&format!("person-{number}")).await;
        waits.push(began.elapsed());
    }
    let after = attempts(&fixture).await;
    let left = fixture.behind().await;
    drop(workers);

    let shares: Vec<String> = after
        .iter()
        .map(|(worker, now)| {
            let then = before
                .iter()
                .find(|(name, _)| name == worker)
                .map_or(0, |(_, count)| *count);
            (now - then).to_string()
        })
        .collect();
    let waits = Percentiles::of(waits);
    println!(
        "{COMMITS} creates, 50 a second, beside {PROCESSES} saturated worker processes ({left} of {BACKLOG} jobs left at the end): p50 {:.1} ms (wanted: at most 15), p99 {:.1} ms, max {:.1} ms (wanted: at most 100)",
        waits.at(50),
        waits.at(99),
        waits.max()
    );
    println!("syncs of each worker meanwhile: {}", shares.join(", "));
}

async fn attempts(fixture: &Fixture) -> Vec<(String, i64)> {
    sqlx::query(
        "SELECT worker_id, count(*) FROM sync_attempt GROUP BY worker_id ORDER BY worker_id",
    )
    .fetch_all(fixture.db.readers())
    .await
    .unwrap()
    .iter()
    .map(|row| (row.get(0), row.get(1)))
    .collect()
}
