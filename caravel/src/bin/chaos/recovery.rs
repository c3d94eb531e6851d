//! How soon a call is made again after its worker was killed in the middle of it.

use std::io::{Write as _, stdout};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Args;
use futures::future::try_join_all;
use nostr::key::Keys;
use rustix::process::Signal;
use shared::clock::SystemClock;
use shared::command::{AskedBy, Command, Context, Entropy, Trace};
use shared::db::{DatabaseOptions, Db, Role, Synchronous};
use shared::domain::{NewRelay, NewTenant, PlanId, Pubkey, RelayId, RelaySettings};
use zooid_sim::{Effect, Fault, Phase};

use crate::ground::{Ground, LEASE_SECONDS, RELAY_DOMAIN};
use crate::plan::Program;
use crate::process::{Process, Said};

/// How long one recovery may take before the measurement is broken off.
const DEADLINE: Duration = Duration::from_mins(1);
/// Between two looks; what is measured is coarser by this much.
const LOOK: Duration = Duration::from_millis(2);

/// How many kills.
#[derive(Args, Clone, Copy, Debug)]
pub struct RecoveryArgs {
    /// How many workers are killed
    #[arg(long, default_value_t = 300)]
    kills: usize,
    /// How many installations work side by side: nearly all of the time is spent waiting
    #[arg(long, default_value_t = 6)]
    lanes: usize,
}

/// Kills, measures and reports.
pub async fn run(arguments: &RecoveryArgs) -> anyhow::Result<ExitCode> {
    let lanes = arguments.lanes.clamp(1, arguments.kills.max(1));
    let lanes = (0..lanes).map(|lane| recover((arguments.kills + lane) / lanes));
    let mut times = try_join_all(lanes).await?.concat();
    times.sort_unstable();
    let percentile = |percent: usize| {
        let rank = (times.len() * percent).div_ceil(100).max(1) - 1;
        times.get(rank).map_or(f64::NAN, Duration::as_secs_f64)
    };
    writeln!(stdout(), "recoveries: {}", times.len())?;
    writeln!(
        stdout(),
        "lease {LEASE_SECONDS} s; next worker's request after p50 {:.2} s, p99 {:.2} s, max {:.2} s",
        percentile(50),
        percentile(99),
        percentile(100),
    )?;
    Ok(ExitCode::SUCCESS)
}

/// One installation with two workers: whichever makes the call is killed, and the other one takes over.
async fn recover(kills: usize) -> anyhow::Result<Vec<Duration>> {
    let ground = Ground::prepare(0, "warn").await?;
    let db = Db::open(DatabaseOptions {
        path: ground.database(),
        synchronous: Synchronous::Full,
        role: Role::Interactive,
    })
    .await?;
    let (commands, relay) = one_relay(&ground, &db).await?;
    let mut workers = [start(&ground, 0).await?, start(&ground, 1).await?];
    in_step(&db).await?;
    let mut times = Vec::new();
    for kill in 0..kills {
        ground.sim.inject(Fault::new(Effect::Hang {
            cap_ms: 60_000,
            phase: Phase::Before,
        }))?;
        edit(&commands, &relay, kill).await?;
        until("a call", async || Ok(ground.sim.totals().in_flight > 0)).await?;
        let holder: String =
            sqlx::query_scalar("SELECT worker_id FROM sync_attempt WHERE finished_at IS NULL")
                .fetch_one(db.readers())
                .await?;
        let victim = workers.iter().position(|worker| worker.id == holder);
        let victim = victim.context("find the worker that calls")?;
        let calls = ground.sim.calls(relay.as_str()).len();

        let killed = Instant::now();
        workers[victim].process.signal(Signal::KILL);
        until("the next worker's call", async || {
            Ok(ground.sim.calls(relay.as_str()).len() > calls)
        })
        .await?;
        times.push(killed.elapsed());

        ground.sim.clear_faults();
        in_step(&db).await?;
        ground.sim.forget_calls();
        workers[victim] = start(&ground, victim).await?;
    }
    db.close().await;
    Ok(times)
}

/// A worker that takes jobs.
struct Worker {
    id: String,
    process: Process,
}

async fn start(ground: &Ground, number: usize) -> anyhow::Result<Worker> {
    let log = ground.log_file(&format!("worker-{number}.log"))?;
    let mut process = Process::spawn(Program::Worker, None, ground.variables(), log)?;
    let ready = tokio::time::timeout(DEADLINE, process.voice.next()).await;
    match ready.context("wait for a worker")?? {
        Some(Said::Ready(id)) => Ok(Worker { id, process }),
        Some(Said::Listening(_) | Said::AtStep(_)) | None => {
            anyhow::bail!("a worker did not start")
        }
    }
}

async fn one_relay(ground: &Ground, db: &Db) -> anyhow::Result<(Command, RelayId)> {
    let context = Context {
        clock: Arc::new(SystemClock),
        sealer: ground.worker_config()?.sealer,
        entropy: Entropy::from_system(),
        max_attempts: 25,
    };
    let commands = Command::new(db.clone(), context);
    let owner: Pubkey = Keys::generate().public_key().to_hex().parse()?;
    let tenant = NewTenant {
        pubkey: owner.clone(),
        return_url: None,
    };
    commands.create_tenant(tenant).await?;
    let new = NewRelay {
        tenant_pubkey: owner,
        zooid_domain: RELAY_DOMAIN.parse()?,
        settings: RelaySettings::defaults("phoenix".parse()?, PlanId::Free),
    };
    let relay = commands.create_relay(Trace::none(), new).await?;
    Ok((commands, relay.id))
}

/// Turns the relay off and on by turns.
async fn edit(commands: &Command, relay: &RelayId, number: usize) -> anyhow::Result<()> {
    let (trace, relay) = (Trace::none(), relay.clone());
    if number.is_multiple_of(2) {
        commands.deactivate_relay(trace, relay).await?;
    } else {
        commands
            .activate_relay(trace, relay, AskedBy::Admin)
            .await?;
    }
    Ok(())
}

async fn in_step(db: &Db) -> anyhow::Result<()> {
    until("the relay to be in step", async || {
        let behind: i64 = sqlx::query_scalar(
            "SELECT count(*)
             FROM relay_sync
             WHERE synced_generation < desired_generation",
        )
        .fetch_one(db.readers())
        .await?;
        Ok(behind == 0)
    })
    .await
}

async fn until(what: &str, done: impl AsyncFn() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    let looking = async {
        let mut look = tokio::time::interval(LOOK);
        while !done().await? {
            look.tick().await;
        }
        Ok(())
    };
    let in_time = tokio::time::timeout(DEADLINE, looking).await;
    in_time.with_context(|| format!("wait for {what}"))?
}
