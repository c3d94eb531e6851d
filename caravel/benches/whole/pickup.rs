//! From the answer to a commit in one process to the request that reaches zooid from another.

use std::{
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use nostr::key::Keys;
use zooid_sim::{SimConfig, ZooidSim};

use crate::{
    fixture::{Fixture, RELAY_DOMAIN, SECRETS_KEY, until},
    stats::Percentiles,
};

const CREATES: usize = 500;

pub async fn run() {
    let zooid_folder = tempfile::tempdir().unwrap();
    let sim = ZooidSim::start(SimConfig::new(zooid_folder.path()))
        .await
        .unwrap();
    // Taken after the start: what the stand-in counts from lies a little earlier, so the figures err upwards.
    let origin = Instant::now();
    let fixture = Fixture::new().await;
    let worker = WorkerProcess::spawn(&fixture, &sim);
    fixture.create("warm-up").await;
    fixture.all_synced().await;

    let mut delays = Vec::with_capacity(CREATES);
    for number in 0..CREATES {
        let relay = fixture.create(&format!("p{number}")).await;
        let committed = origin.elapsed();
        fixture.all_synced().await;
        let called = sim.calls(relay.id.as_str())[0].started;
        delays.push(called.saturating_sub(committed));
    }
    drop(worker);
    sim.shutdown().await;
    let delays = Percentiles::of(delays);
    println!(
        "commit in one process to the request of another, {CREATES} creates: p50 {:.2} ms (wanted: at most 2), p99 {:.2} ms (wanted: at most 10), max {:.2} ms",
        delays.at(50),
        delays.at(99),
        delays.max()
    );
}

/// A real worker process on a benchmark's database, killed when dropped.
pub struct WorkerProcess(Child);

impl WorkerProcess {
    pub fn spawn(fixture: &Fixture, sim: &ZooidSim) -> Self {
        let keys = Keys::generate();
        let mut whitelist: Vec<String> = Self::whitelisted(fixture);
        whitelist.push(keys.public_key().to_hex());
        std::fs::write(
            fixture.folder.path().join("whitelist"),
            whitelist.join("\n"),
        )
        .unwrap();
        sim.whitelist(whitelist);
        let child = Command::new(env!("CARGO_BIN_EXE_caravel"))
            .arg("worker")
            .current_dir(fixture.folder.path())
            .env(
                "DATABASE_URL",
                format!("sqlite://{}", fixture.database().display()),
            )
            .env(
                "CARAVEL_SECRETS_KEY",
                SECRETS_KEY.map(|byte| format!("{byte:02x}")).concat(),
            )
            .env("RELAY_DOMAIN", RELAY_DOMAIN)
            .env("ZOOID_API_URL", sim.api_url())
            .env("ZOOID_API_SECRET", keys.secret_key().to_secret_hex())
            .env("RUST_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Self(child)
    }

    /// The keys of the workers already started on this database.
    fn whitelisted(fixture: &Fixture) -> Vec<String> {
        std::fs::read_to_string(fixture.folder.path().join("whitelist"))
            .map(|text| text.lines().map(ToOwned::to_owned).collect())
            .unwrap_or_default()
    }

    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Waits until it has registered itself.
    pub async fn ready(&self, fixture: &Fixture) {
        let pid = self.id();
        until(Duration::from_secs(30), async || {
            let registered: i64 =
                sqlx::query_scalar("SELECT count(*) FROM worker_heartbeat WHERE pid = $1")
                    .bind(pid)
                    .fetch_one(fixture.db.readers())
                    .await
                    .unwrap();
            registered == 1
        })
        .await;
    }
}

impl Drop for WorkerProcess {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}
