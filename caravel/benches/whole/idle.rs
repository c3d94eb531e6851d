//! What a worker process costs while there is nothing to do.

use std::time::{Duration, Instant};

use zooid_sim::{SimConfig, ZooidSim};

use crate::{fixture::Fixture, pickup::WorkerProcess};

const WATCHED: Duration = Duration::from_secs(30);
/// Clock ticks a second in /proc/<pid>/stat; 100 on every Linux that Rust supports.
const TICKS_PER_SECOND: f64 = 100.0;

pub async fn run() {
    let zooid_folder = tempfile::tempdir().unwrap();
    let sim = ZooidSim::start(SimConfig::new(zooid_folder.path()))
        .await
        .unwrap();
    let fixture = Fixture::new().await;
    let worker = WorkerProcess::spawn(&fixture, &sim);
    worker.ready(&fixture).await;
    // It has worked before it idles, as a worker in the field has.
    fixture.create_many(200).await;
    fixture.all_synced().await;

    let (began, before) = (Instant::now(), cpu_seconds(worker.id()));
    tokio::time::sleep(WATCHED).await;
    let used = cpu_seconds(worker.id()) - before;
    let share = used / began.elapsed().as_secs_f64() * 100.0;
    println!(
        "an idle worker over {} s: {share:.2} % of a core (wanted: at most 0.2), {:.1} MiB resident (wanted: under 40)",
        WATCHED.as_secs(),
        resident_mib(worker.id())
    );
    drop(worker);
    sim.shutdown().await;
}

fn cpu_seconds(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // The name may contain spaces; the fields after it do not.
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let ticks: f64 = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
    ticks / TICKS_PER_SECOND
}

fn resident_mib(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    line.split_whitespace()
        .nth(1)
        .unwrap()
        .parse::<f64>()
        .unwrap()
        / 1024.0
}
