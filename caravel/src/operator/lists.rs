//! Lists: how relays stand, attempts, failure groups, what operators did.

use std::{num::NonZeroUsize, process::ExitCode};

use serde::Serialize;
use shared::{
    config::ShellConfig,
    domain::{AttemptOutcome, SyncState},
    repositories::{
        operator::{
            attempt::Attempt,
            attempt_list::AttemptFilter,
            audit::{AuditEntry, AuditFilter},
            group::{FailureGroup, GroupCursor, GroupFilter},
            keyset::{LIMIT_MAX, Page},
            sync_list::{SyncCursor, SyncFilter, SyncOrder, SyncPage},
        },
        relay_sync::RelaySync,
    },
};

use super::{
    arguments::{AttemptsArgs, AuditArgs, GroupsArgs, ListArgs, SyncsArgs},
    find::find_relay,
    output::{self, Text, Tone},
    shell::Reading,
    when,
};

/// `caravel syncs`.
pub async fn syncs(config: ShellConfig, arguments: SyncsArgs) -> anyhow::Result<ExitCode> {
    let filter = SyncFilter {
        states: arguments.filter.state,
        kinds: arguments.filter.kind,
        targets: arguments.targets.target,
        groups: arguments.filter.group,
        q: arguments.filter.q,
        ..SyncFilter::default()
    };
    let reading = Reading::begin(&config).await?;
    let found = gather(arguments.list.limit, async |cursor, limit| {
        let order = SyncOrder::News;
        let after = cursor
            .map(|cursor| SyncCursor::parse(&cursor, order))
            .transpose()?;
        let page = SyncPage {
            order,
            after,
            limit,
        };
        Ok(reading.query.list_syncs(&filter, &page).await?)
    })
    .await?;
    let now = reading.view.now;
    reading.end().await;
    let columns = ["RELAY", "HOST", "STATE", "SENT", "TRIES", "NEXT", "FAILURE"];
    print(&arguments.list, &found, columns, |sync: &RelaySync| {
        let next = sync.next_attempt_at.map(|seconds| seconds * 1000);
        [
            sync.relay_id.as_str().into(),
            sync.host.as_str().into(),
            state(sync.state),
            format!("{}/{}", sync.synced_generation, sync.generation).into(),
            tries(sync).into(),
            when::relative_or_blank(now, next).into(),
            failure(sync).into(),
        ]
    })
}

/// `caravel attempts`.
pub async fn attempts(config: ShellConfig, arguments: AttemptsArgs) -> anyhow::Result<ExitCode> {
    let reading = Reading::begin(&config).await?;
    let relay = match &arguments.relay {
        Some(name) => Some(find_relay(&reading.query, name).await?),
        None => None,
    };
    let filter = AttemptFilter {
        relay,
        kinds: arguments.kind,
        groups: arguments.group,
        targets: arguments.targets.target,
        ..AttemptFilter::default()
    };
    let found = gather(arguments.list.limit, async |cursor, limit| {
        let after = cursor.map(|cursor| cursor.parse()).transpose()?;
        Ok(reading.query.list_attempts(&filter, after, limit).await?)
    })
    .await?;
    let now = reading.view.now;
    reading.end().await;
    let columns = [
        "HOST", "NO", "STARTED", "TOOK", "CALL", "ANSWER", "OUTCOME", "MESSAGE",
    ];
    print(&arguments.list, &found, columns, |attempt: &Attempt| {
        [
            attempt.host.as_str().into(),
            attempt.number.into(),
            when::relative(now, attempt.started_at).into(),
            took(attempt).into(),
            attempt.verb.map_or("", |verb| verb.as_str()).into(),
            attempt
                .http_status
                .map_or(String::new(), |status| status.to_string())
                .into(),
            outcome(attempt),
            attempt.message.as_str().into(),
        ]
    })
}

/// `caravel groups`.
pub async fn groups(config: ShellConfig, arguments: GroupsArgs) -> anyhow::Result<ExitCode> {
    let filter = GroupFilter {
        targets: arguments.targets.target,
        kinds: arguments.kind,
    };
    let reading = Reading::begin(&config).await?;
    let found = gather(arguments.list.limit, async |cursor, limit| {
        let after: Option<GroupCursor> = cursor.map(|cursor| cursor.parse()).transpose()?;
        Ok(reading
            .query
            .list_failure_groups(&filter, after, limit)
            .await?)
    })
    .await?;
    let now = reading.view.now;
    reading.end().await;
    let columns = [
        "GROUP",
        "RELAYS",
        "TARGET",
        "KIND",
        "SEEN",
        "MESSAGE",
        "NEXT STEP",
    ];
    print(&arguments.list, &found, columns, |group: &FailureGroup| {
        [
            group.id.into(),
            group.relays.into(),
            group.target.as_str().into(),
            Text::new(group.kind.as_str(), Tone::Bad),
            when::relative(now, group.last_seen_at).into(),
            group.message.as_str().into(),
            group.next_step.into(),
        ]
    })
}

/// `caravel audit`.
pub async fn audit(config: ShellConfig, arguments: AuditArgs) -> anyhow::Result<ExitCode> {
    let filter = AuditFilter {
        actor: arguments.actor,
        action: arguments.action,
        ..AuditFilter::default()
    };
    let reading = Reading::begin(&config).await?;
    let found = gather(arguments.list.limit, async |cursor, limit| {
        let after = cursor.map(|cursor| cursor.parse()).transpose()?;
        Ok(reading.query.list_audit(&filter, after, limit).await?)
    })
    .await?;
    reading.end().await;
    let columns = ["WHEN", "ACTOR", "ACTION", "ON", "RELAYS", "DETAIL"];
    print(&arguments.list, &found, columns, |entry: &AuditEntry| {
        [
            when::exact(entry.acted_at).into(),
            entry.actor.as_str().into(),
            entry.action.as_str().into(),
            format!("{} {}", entry.resource_type, entry.resource_id).into(),
            entry.affected.into(),
            entry.detail.to_string().into(),
        ]
    })
}

/// The first `limit` rows, page by page. Where they end before the list does, `next` says so.
async fn gather<T>(
    limit: NonZeroUsize,
    page: impl AsyncFn(Option<String>, u32) -> anyhow::Result<Page<T>>,
) -> anyhow::Result<Page<T>> {
    let mut all = Page {
        items: Vec::new(),
        next: None,
    };
    loop {
        let wanted = limit.get() - all.items.len();
        let rows = u32::try_from(wanted).map_or(LIMIT_MAX, |rows| rows.min(LIMIT_MAX));
        // A page may be short, or even empty, before the list is at its end.
        let next = page(all.next.take(), rows).await?;
        all.items.extend(next.items);
        all.next = next.next;
        if all.next.is_none() || all.items.len() >= limit.get() {
            return Ok(all);
        }
    }
}

fn print<T: Serialize, const N: usize>(
    arguments: &ListArgs,
    page: &Page<T>,
    columns: [&str; N],
    row: impl Fn(&T) -> [Text; N],
) -> anyhow::Result<ExitCode> {
    if arguments.output.json {
        output::json(page)?;
    } else {
        output::table(columns, page.items.iter().map(row))?;
        if page.next.is_some() {
            eprintln!(
                "there are more: --limit shows more than {}",
                arguments.limit
            );
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A state, and how good that is.
pub fn state(state: SyncState) -> Text {
    let tone = match state {
        SyncState::Synced => Tone::Good,
        SyncState::Pending | SyncState::Running => Tone::Neutral,
        SyncState::Retrying | SyncState::Held | SyncState::Paused => Tone::Uneasy,
        SyncState::Failed | SyncState::Quarantined => Tone::Bad,
    };
    Text::new(state.as_str(), tone)
}

/// How an attempt ended, and how good that is: the kind of a failure says more than that it was one.
pub fn outcome(attempt: &Attempt) -> Text {
    match attempt.outcome {
        None => "running".into(),
        Some(AttemptOutcome::Accepted) => Text::new("accepted", Tone::Good),
        Some(outcome @ (AttemptOutcome::Failed | AttemptOutcome::Lost)) => {
            let told = attempt.kind.map_or(outcome.as_str(), |kind| kind.as_str());
            Text::new(told, Tone::Bad)
        }
        Some(AttemptOutcome::Released) => "released".into(),
    }
}

/// How long an attempt took.
pub fn took(attempt: &Attempt) -> String {
    attempt
        .duration_ms
        .map_or(String::new(), |ms| format!("{ms} ms"))
}

fn tries(sync: &RelaySync) -> String {
    sync.attempts
        .zip(sync.max_attempts)
        .map_or(String::new(), |(attempts, max)| format!("{attempts}/{max}"))
}

fn failure(sync: &RelaySync) -> String {
    sync.failure.as_ref().map_or(String::new(), |failure| {
        format!("{}: {}", failure.kind, failure.message)
    })
}
