//! Worker processes whose handler accepts at once: what is left is the queue.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use shared::{
    clock::SystemClock,
    config::PruneConfig,
    db::{Db, Role},
    domain::{SyncReport, Verb, WorkerId, ZooidDomain},
    queue::{ClaimedSync, EngineConfig},
};
use tokio_util::sync::CancellationToken;
use worker::{MaintenanceConfig, RunConfig, RunningWorker};

use crate::fixture::{self, POLICY};

/// The first argument that turns this executable into such a worker.
pub const ARGUMENT: &str = "noop-worker";

/// Starts one in this process.
pub async fn start(db: Db, slots: usize, stop: CancellationToken) -> RunningWorker {
    start_for(db, vec![fixture::domain()], slots, stop).await
}

/// Starts one that serves these targets.
pub async fn start_for(
    db: Db,
    targets: Vec<ZooidDomain>,
    slots: usize,
    stop: CancellationToken,
) -> RunningWorker {
    let id: WorkerId = format!("noop-{}-{}", std::process::id(), rand::random::<u32>())
        .parse()
        .unwrap();
    let config = RunConfig {
        engine: EngineConfig {
            worker: id,
            slots,
            targets,
            lease: Duration::from_secs(10),
            crash_budget: 3,
            policy: POLICY,
        },
        maintenance: MaintenanceConfig {
            reconcile_every: Duration::from_secs(30),
            max_attempts: POLICY.max_attempts,
            prune: PruneConfig {
                after: Duration::from_hours(14 * 24),
                keep_rows: 1_000_000,
            },
        },
        drain: Duration::from_secs(10),
    };
    worker::start(db, Arc::new(SystemClock), config, accept, stop)
        .await
        .unwrap()
}

async fn accept(_sync: ClaimedSync) -> SyncReport {
    SyncReport {
        verb: Some(Verb::Patch),
        status: Some(200),
        result: Ok("{}".to_owned()),
    }
}

/// What the child process does: works until it is killed.
pub async fn run(database: &str, slots: usize) {
    let db = fixture::open(Path::new(database).to_owned(), Role::Background).await;
    start(db, slots, CancellationToken::new())
        .await
        .ended()
        .await
        .unwrap();
}

/// A worker process, killed when dropped.
pub struct Process(Child);

impl Process {
    pub fn spawn(database: &Path, slots: usize) -> Self {
        let child = Command::new(std::env::current_exe().unwrap())
            .arg(ARGUMENT)
            .arg(database)
            .arg(slots.to_string())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        Self(child)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}
