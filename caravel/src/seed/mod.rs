//! `caravel seed`: a database as large as asked for, to look at the dashboard with, and to measure it.
//!
//! Tenants and relays are created by the code that creates them for the API; history is written as rows that have ended
//! already, with what their triggers and the workers would have made of them. Invariant: counts and rollups are what
//! counting the rows would give, after each write.

mod causes;
mod end;
mod fleet;
mod history;
mod names;
mod plan;

use std::{
    io::{self, Write as _},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use anyhow::ensure;
use shared::{
    clock::{SharedClock, SystemClock},
    config::ActingConfig,
    db::{DatabaseOptions, Db, Role},
    queue::sum_hours,
    telemetry,
};

use crate::cli::SeedArgs;
use plan::{ATTEMPTS_PER_RELAY_MAX, Plan, Wanted};

/// Fills the database.
pub async fn run(config: ActingConfig, arguments: SeedArgs) -> anyhow::Result<ExitCode> {
    telemetry::init(config.shell.log.format, config.shell.log.filter.clone())?;
    let SeedArgs {
        relays,
        attempts,
        seed,
        add,
    } = arguments;
    ensure!(
        attempts <= relays.saturating_mul(ATTEMPTS_PER_RELAY_MAX),
        "{attempts} attempts are more than {ATTEMPTS_PER_RELAY_MAX} for each of {relays} relays"
    );
    // As workers write: whoever works on the database beside this comes first.
    let options = DatabaseOptions::new(&config.shell.database, Role::Background);
    let db = Db::open(options).await?;
    let there: i64 = sqlx::query_scalar("SELECT count(*) FROM relay")
        .fetch_one(db.readers())
        .await?;
    ensure!(
        there == 0 || add,
        "{} has relays already; --add adds others to them",
        db.path().display()
    );

    let clock: SharedClock = Arc::new(SystemClock);
    let began = clock.monotonic();
    let plan = Plan::make(Wanted {
        relays,
        attempts,
        seed,
        now: clock.now().timestamp_millis(),
    });
    let installation = fleet::Installation {
        db: db.clone(),
        sealer: config.sealer,
        max_attempts: config.shell.retry.max_attempts,
        seed,
        now: clock.now(),
        first_name: usize::try_from(there)?,
    };
    let Plan {
        tenants,
        relays,
        events,
    } = plan;
    let mut fleet = fleet::found(installation, tenants, relays).await?;
    history::write(&mut fleet, &events).await?;
    end::write(&mut fleet).await?;
    sum_hours(&db, &clock, Duration::ZERO).await?;
    summarize(&db, clock.monotonic().saturating_sub(began)).await?;
    db.close().await;
    Ok(ExitCode::SUCCESS)
}

/// Says on standard error how far it is, in twentieths.
fn progress(what: &str, done: usize, step: usize, all: usize) {
    let twentieth = (all / 20).max(1);
    if done == all || done / twentieth > done.saturating_sub(step) / twentieth {
        eprintln!("{what}: {done} of {all}");
    }
}

/// Says what is there now.
async fn summarize(db: &Db, took: Duration) -> anyhow::Result<()> {
    let states: Vec<(String, i64)> = sqlx::query_as(
        "SELECT state, sum(relays) FROM relay_count GROUP BY state HAVING sum(relays) > 0 ORDER BY sum(relays) DESC",
    )
    .fetch_all(db.readers())
    .await?;
    let attempts: i64 = sqlx::query_scalar("SELECT coalesce(sum(attempts), 0) FROM attempt_count")
        .fetch_one(db.readers())
        .await?;
    let relays: i64 = states.iter().map(|(_, relays)| relays).sum();
    let mut out = io::stdout();
    writeln!(
        out,
        "{relays} relays and {attempts} attempts in {}, after {:.1} s",
        db.path().display(),
        took.as_secs_f64()
    )?;
    for (state, relays) in states {
        writeln!(out, "{relays:>9} {state}")?;
    }
    Ok(())
}
