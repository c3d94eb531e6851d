//! The baseline: apalis-sqlite's own consumer, as its documentation starts it, on the same kind of database.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use apalis::prelude::{TaskSink, WorkerBuilder, WorkerBuilderExt};
use apalis_sqlite::{Config, SqliteStorage};
use serde::{Deserialize, Serialize};
use shared::db::Role;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

use crate::fixture;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Noop {
    number: usize,
}

/// Drains `jobs` no-op jobs with `slots` slots; answers jobs per second, or what was done when `limit` ran out.
pub async fn drain(jobs: usize, slots: usize, limit: Duration) -> f64 {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stock.db");
    // Its tables, by the migrations that Caravel runs too; then a pool of its own with the same pragmas.
    let db = fixture::open(path.clone(), Role::Interactive).await;
    db.close().await;
    let options = SqliteConnectOptions::new()
        .filename(&path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(Duration::from_secs(5));
    let pool = SqlitePoolOptions::new()
        .max_connections(5)
        .connect_with(options)
        .await
        .unwrap();
    // The index that Caravel's migrations replace is part of what is compared.
    sqlx::query("CREATE INDEX IF NOT EXISTS LIdx ON Jobs (lock_by)")
        .execute(&pool)
        .await
        .unwrap();
    let config = Config::default().queue("noop").batch_size(slots);
    let mut storage = SqliteStorage::<Noop>::new(&pool).with_config(config);
    let backlog = (0..jobs).map(|number| Noop { number }).collect();
    storage.push_bulk(backlog).await.unwrap();

    let done = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&done);
    let began = Instant::now();
    let worker = WorkerBuilder::new("stock")
        .backend(storage)
        .concurrency(slots)
        .build(move |_job: Noop| {
            counter.fetch_add(1, Ordering::Relaxed);
            async { Ok::<(), std::io::Error>(()) }
        });
    let running = tokio::spawn(async move { worker.run().await });
    let finished = tokio::time::timeout(limit, async {
        let mut look = tokio::time::interval(Duration::from_millis(5));
        while done.load(Ordering::Relaxed) < jobs {
            look.tick().await;
        }
    })
    .await;
    let took = began.elapsed();
    running.abort();
    if finished.is_err() {
        println!(
            "   (the stock consumer was stopped after {} of {jobs} jobs)",
            done.load(Ordering::Relaxed)
        );
    }
    count(done.load(Ordering::Relaxed)) / took.as_secs_f64()
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of jobs are far below 2^52"
)]
pub fn count(number: usize) -> f64 {
    number as f64
}
