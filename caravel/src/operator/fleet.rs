//! The fleet: zooids and workers.

use std::process::ExitCode;

use chrono::{DateTime, Utc};
use shared::{
    config::ShellConfig,
    domain::CircuitState,
    query::operator::{TargetView, WorkerView},
    repositories::operator::keyset::Page,
};

use super::{
    arguments::OutputArgs,
    output::{self, Text, Tone},
    shell::Reading,
    when,
};

/// `caravel targets`.
pub async fn targets(config: ShellConfig, arguments: OutputArgs) -> anyhow::Result<ExitCode> {
    let reading = Reading::begin(&config).await?;
    let targets = reading.query.list_targets(&reading.view).await?;
    let now = reading.view.now;
    reading.end().await;
    if arguments.json {
        output::json(&whole(targets))?;
        return Ok(ExitCode::SUCCESS);
    }
    let columns = [
        "TARGET", "STANDS", "RELAYS", "SYNCED", "WAITING", "FAILED", "HELD", "WORKERS", "REMARKS",
    ];
    output::table(
        columns,
        targets.iter().map(|target| {
            let relays = &target.relays;
            [
                target.name.as_str().into(),
                standing(target),
                relays.total.into(),
                relays.synced.into(),
                (relays.pending + relays.running + relays.retrying).into(),
                (relays.failed + relays.quarantined).into(),
                (relays.held + relays.paused).into(),
                target.workers_alive.into(),
                remarks(target, now).into(),
            ]
        }),
    )?;
    Ok(ExitCode::SUCCESS)
}

/// `caravel workers`.
pub async fn workers(config: ShellConfig, arguments: OutputArgs) -> anyhow::Result<ExitCode> {
    let reading = Reading::begin(&config).await?;
    let workers = reading.query.list_workers(&reading.view).await?;
    let now = reading.view.now;
    reading.end().await;
    if arguments.json {
        output::json(&whole(workers))?;
        return Ok(ExitCode::SUCCESS);
    }
    output::table(
        ["WORKER", "PID", "STANDS", "STARTED", "BEAT", "BUSY", "AT"],
        workers.iter().map(|worker| {
            let hosts: Vec<&str> = worker
                .running
                .iter()
                .map(|sync| sync.host.as_str())
                .collect();
            [
                worker.id.as_str().into(),
                worker.pid.into(),
                life(worker),
                when::relative(now, worker.started_at).into(),
                when::relative(now, worker.beat_at).into(),
                format!("{}/{}", worker.running.len(), worker.slots).into(),
                hosts.join(", ").into(),
            ]
        }),
    )?;
    Ok(ExitCode::SUCCESS)
}

/// A list that is never long, in the form of those that are.
fn whole<T>(items: Vec<T>) -> Page<T> {
    Page { items, next: None }
}

fn standing(target: &TargetView) -> Text {
    match (target.paused_at, target.circuit_state) {
        (Some(_), _) => Text::new("paused", Tone::Uneasy),
        (None, CircuitState::Open) => Text::new("circuit open", Tone::Bad),
        (None, CircuitState::Closed) => Text::new("ok", Tone::Good),
    }
}

/// Why it stands so, and what comes next.
fn remarks(target: &TargetView, now: DateTime<Utc>) -> String {
    let mut remarks = Vec::new();
    if target.circuit_state == CircuitState::Open {
        remarks.push(target.circuit_reason.clone());
    }
    if let Some(at) = target.next_probe_at {
        remarks.push(format!("next probe {}", when::relative(now, at)));
    }
    if !target.probe_error.is_empty() {
        remarks.push(format!("last probe: {}", target.probe_error));
    }
    if let Some(at) = target.not_before.filter(|at| *at > now.timestamp_millis()) {
        remarks.push(format!(
            "asked to be left alone; goes on {}",
            when::relative(now, at)
        ));
    }
    remarks.retain(|remark| !remark.is_empty());
    remarks.join("; ")
}

fn life(worker: &WorkerView) -> Text {
    if worker.alive {
        Text::new("alive", Tone::Good)
    } else if worker.stopped_at.is_some() {
        "stopped".into()
    } else {
        Text::new("dead", Tone::Bad)
    }
}
