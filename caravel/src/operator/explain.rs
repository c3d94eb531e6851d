//! `caravel explain`: one relay, and all there is to know of it.

use std::process::ExitCode;

use chrono::{DateTime, Utc};
use serde_json::Value;
use shared::{
    config::ExplainConfig,
    query::operator::{ExplanationCode, RelayReport},
    repositories::operator::job::{Job, JobState},
    zooid::Preview,
};

use super::{
    arguments::ExplainArgs,
    find::find_relay,
    lists,
    output::{self, Text, Tone},
    shell::Reading,
    when,
};

/// Explains a relay.
pub async fn run(config: ExplainConfig, arguments: ExplainArgs) -> anyhow::Result<ExitCode> {
    let reading = Reading::begin(&config.shell).await?;
    let preview = Preview::new(config.storage, config.livekit, config.sealer);
    let relay = find_relay(&reading.query, &arguments.relay).await?;
    let report = reading
        .query
        .explain_relay(&reading.view, &preview, &relay)
        .await?;
    let now = reading.view.now;
    reading.end().await;
    if arguments.output.json {
        output::json(&report)?;
    } else {
        print(&report, now)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn print(report: &RelayReport, now: DateTime<Utc>) -> anyhow::Result<()> {
    let sync = &report.sync;
    output::line(&format!("{}  {}", sync.host, sync.relay_id))?;
    output::line(&format!(
        "{}; zooid has generation {} of {}",
        sync.state, sync.synced_generation, sync.generation
    ))?;
    output::line("")?;
    output::line(&report.explanation.sentence)?;
    if let Some(next_step) = &report.explanation.next_step {
        output::line(next_step)?;
    }
    if let Some(custom_domain) = &report.custom_domain {
        output::line(&custom_domain.sentence)?;
    }
    if let Some(failure) = &sync.failure {
        output::line(&format!(
            "Last failure: {}: {}",
            failure.kind, failure.message
        ))?;
    }
    if let Some(job) = &report.job {
        output::line(&told(job, now))?;
    }
    differences(report)?;
    attempts(report, now)?;
    history(report)?;
    if let Some(request) = &report.next_request {
        output::heading("Next request")?;
        output::line(&format!("{} {}", request.verb, request.path))?;
        output::json(&request.body)?;
    }
    Ok(())
}

fn told(job: &Job, now: DateTime<Utc>) -> String {
    let Job {
        attempts,
        max_attempts,
        ..
    } = job;
    match job.state {
        JobState::Running => {
            let worker = job.locked_by.as_ref().map_or("a worker", |id| id.as_str());
            format!("Attempt {attempts} of {max_attempts} runs on {worker}.")
        }
        JobState::Waiting => format!(
            "Attempt {} of {max_attempts} is due {}.",
            attempts + 1,
            when::relative(now, job.run_at * 1000)
        ),
    }
}

/// What zooid does not have yet.
fn differences(report: &RelayReport) -> anyhow::Result<()> {
    let in_step = report.explanation.code == ExplanationCode::InStep;
    let changed: Vec<_> = report.diff.iter().filter(|row| row.changed).collect();
    if in_step || changed.is_empty() {
        return Ok(());
    }
    output::heading("What zooid does not have yet")?;
    output::table(
        ["FIELD", "WANTED", "ACCEPTED"],
        changed.into_iter().map(|row| {
            let shown = |value: &Value| match (row.secret, value) {
                (true, _) => Text::from("(secret)"),
                (false, Value::Null) => "".into(),
                (false, Value::String(text)) => text.as_str().into(),
                (false, other) => other.to_string().into(),
            };
            [
                row.field.as_str().into(),
                shown(&row.desired),
                shown(&row.accepted),
            ]
        }),
    )
}

fn attempts(report: &RelayReport, now: DateTime<Utc>) -> anyhow::Result<()> {
    if report.attempts.is_empty() {
        return Ok(());
    }
    output::heading("Attempts")?;
    output::table(
        [
            "NO", "STARTED", "TOOK", "CALL", "ANSWER", "OUTCOME", "MESSAGE",
        ],
        report.attempts.iter().map(|attempt| {
            let status = attempt.http_status.map(|status| status.to_string());
            [
                attempt.number.into(),
                when::relative(now, attempt.started_at).into(),
                lists::took(attempt).into(),
                attempt.verb.map_or("", |verb| verb.as_str()).into(),
                status.unwrap_or_default().into(),
                lists::outcome(attempt),
                attempt.message.as_str().into(),
            ]
        }),
    )
}

fn history(report: &RelayReport) -> anyhow::Result<()> {
    output::heading("History")?;
    output::table(
        ["WHEN", "WHAT", "DETAIL"],
        report.timeline.iter().map(|event| {
            let tone = match event.event.as_str() {
                "accepted" => Tone::Good,
                "failed" | "lost" => Tone::Bad,
                _ => Tone::Neutral,
            };
            [
                when::exact(event.at).into(),
                Text::new(&event.event, tone),
                event.detail.as_str().into(),
            ]
        }),
    )
}
