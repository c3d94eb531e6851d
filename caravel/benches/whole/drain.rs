//! Draining a backlog: the queue alone against the stock consumer, then with signed HTTP and 1, 2 and 4 processes.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;
use zooid_sim::{SimConfig, ZooidSim};

use crate::{
    fixture::Fixture,
    noop_worker,
    pickup::WorkerProcess,
    stats::median,
    stock::{self, count},
};

const JOBS: usize = 10_000;
const SLOTS: usize = 10;
const ROUNDS: usize = 3;
/// The stock consumer slows down with its own history; a run that takes longer is stopped and counted as it stands.
const STOCK_LIMIT: Duration = Duration::from_mins(1);
const HTTP_JOBS: usize = 2_000;

pub async fn run() {
    let (mut own, mut stock, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let ours = drain_own().await;
        let theirs = stock::drain(JOBS, SLOTS, STOCK_LIMIT).await;
        own.push(ours);
        stock.push(theirs);
        ratios.push(ours / theirs);
    }
    println!(
        "{JOBS} no-op jobs, {SLOTS} slots, synchronous FULL: {:.0} jobs/s; stock consumer {:.0} jobs/s; ratio {:.1} (wanted: at least 10)",
        median(own),
        median(stock),
        median(ratios)
    );
    for processes in [1, 2, 4] {
        let rate = drain_http(processes).await;
        println!(
            "{HTTP_JOBS} signed syncs to a stand-in zooid, {processes} worker process(es), 16 slots each: {rate:.0} syncs/s"
        );
    }
}

async fn drain_own() -> f64 {
    let fixture = Fixture::new().await;
    fixture.create_many(JOBS).await;
    let stop = CancellationToken::new();
    let began = Instant::now();
    let worker = noop_worker::start(fixture.db.clone(), SLOTS, stop.clone()).await;
    fixture.all_synced().await;
    let took = began.elapsed();
    stop.cancel();
    worker.ended().await.unwrap();
    count(JOBS) / took.as_secs_f64()
}

async fn drain_http(processes: usize) -> f64 {
    let zooid_folder = tempfile::tempdir().unwrap();
    let sim = ZooidSim::start(SimConfig::new(zooid_folder.path()))
        .await
        .unwrap();
    let fixture = Fixture::new().await;
    fixture.create_many(HTTP_JOBS).await;
    let began = Instant::now();
    let workers: Vec<WorkerProcess> = (0..processes)
        .map(|_| WorkerProcess::spawn(&fixture, &sim))
        .collect();
    fixture.all_synced().await;
    let rate = count(HTTP_JOBS) / began.elapsed().as_secs_f64();
    assert_eq!(sim.max_overlap(), 1);
    drop(workers);
    sim.shutdown().await;
    rate
}
