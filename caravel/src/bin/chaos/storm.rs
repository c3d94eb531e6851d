//! The run as a whole: the storm, the quiet after it, and the verdict.

use std::io::{Write as _, stdout};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use sqlx::Connection as _;
use tokio::sync::{mpsc, watch};
use tokio::time::sleep_until;

use crate::fleet::{Doors, Fleet};
use crate::ground::Ground;
use crate::ledger::Ledger;
use crate::plan::Plan;
use crate::report::Report;
use crate::{StormArgs, database, operator, tenants, verdict, weather};

/// How long the quiet may take: a circuit that is open is probed once a minute.
const QUIET: Duration = Duration::from_mins(4);
/// Between two looks whether all has settled.
const LOOK: Duration = Duration::from_millis(100);

/// Makes a storm, waits for the quiet, and judges. Fails the process if anything was lost.
pub async fn run(arguments: &StormArgs) -> anyhow::Result<ExitCode> {
    let ground = Ground::prepare(arguments.seed, &arguments.log).await?;
    let report = tokio::select! {
        report = rage(arguments, &ground) => report,
        stopped = tokio::signal::ctrl_c() => {
            stopped.context("listen for Ctrl-C")?;
            bail!("stopped before its end");
        }
    };
    let report = match report {
        Ok(report) => report,
        Err(error) => {
            return Err(error.context(format!("see {}", ground.keep().display())));
        }
    };
    write!(stdout(), "{report}").context("report")?;
    if report.findings.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    writeln!(stdout(), "kept: {}", ground.keep().display()).context("report")?;
    Ok(ExitCode::FAILURE)
}

async fn rage(arguments: &StormArgs, ground: &Ground) -> anyhow::Result<Report> {
    let plan = Plan::new(
        arguments.seed,
        Duration::from_secs_f64(arguments.minutes * 60.0),
    );
    let ledger = Arc::new(Ledger::default());
    let doors = Arc::new(Doors::default());
    let fleet = Fleet::start(ground, plan, arguments, &ledger, &doors)?;
    let (lost, to_resend) = mpsc::unbounded_channel();
    let (over, is_over) = watch::channel(false);
    let operator = tokio::spawn(operator::run(ground.acting_config()?, to_resend, is_over));

    let blackouts = async {
        let start = tokio::time::Instant::now();
        for at in plan.blackouts() {
            sleep_until(start + at).await;
            fleet.black_out();
        }
    };
    let (weather, memories, ()) = tokio::join!(
        weather::run(&ground.sim, &plan, lost),
        tenants::run(plan, doors, &ground.admin),
        blackouts,
    );
    let (weather, memories) = (weather?, memories?);

    fleet.calm();
    let calm = Instant::now();
    let is_settled = tokio::time::timeout(QUIET, settle(ground)).await;
    let converged = is_settled.is_ok().then(|| calm.elapsed());
    over.send_replace(true);
    let repairs = operator.await.context("wait for the operator")?;
    fleet.end().await?;
    let entries = ledger.read();
    let findings = verdict::judge(ground, &entries, &memories).await?;
    Ok(Report {
        seed: arguments.seed,
        minutes: arguments.minutes,
        entries,
        weather,
        memories,
        repairs,
        converged,
        calls: ground.sim.totals().calls,
        findings,
    })
}

/// Waits until nothing is left to do.
async fn settle(ground: &Ground) {
    let mut look = tokio::time::interval(LOOK);
    loop {
        look.tick().await;
        // Somebody else may be migrating, or writing for long.
        let left = things_left(ground).await.unwrap_or(1);
        if left == 0 && ground.sim.totals().in_flight == 0 {
            return;
        }
    }
}

async fn things_left(ground: &Ground) -> Result<i64, sqlx::Error> {
    let mut connection = database::open(&ground.database()).await?;
    let left = sqlx::query_scalar(
        "SELECT (SELECT count(*)
                 FROM relay_sync
                 WHERE synced_generation < desired_generation
                    OR quarantined_at IS NOT NULL
                    OR settle_at IS NOT NULL)
              + (SELECT count(*)
                 FROM Jobs
                 WHERE status NOT IN ('Done', 'Killed'))",
    )
    .fetch_one(&mut connection)
    .await?;
    connection.close().await?;
    Ok(left)
}
