//! Acting on relays, targets and the queue.
//!
//! Relays that are named are acted on as asked. Those that options choose are counted first: nobody retries ten thousand
//! relays by a slip of the hand.

use std::{
    collections::BTreeSet,
    io::{self, BufRead as _, IsTerminal as _},
    process::ExitCode,
};

use anyhow::ensure;
use chrono::DateTime;
use serde::Serialize;
use shared::{
    command::{
        Command, Trace,
        operator::{Acted, BulkPreview, ByOperator, QueueAction, TargetAction},
    },
    config::ActingConfig,
    domain::{
        Actor, BulkFilter, BulkInput, PreviewInput, ReconcileInput, RelayAction, ZooidDomain,
    },
    repositories::relay_sync::RelaySync,
};

use super::{
    arguments::{
        ConsentArgs, FilterArgs, HoldArgs, OutputArgs, ProbeArgs, ReconcileArgs, RelaysArgs,
        RemoveArgs,
    },
    find::find_relay,
    output,
    shell::Acting,
};

/// What to hold back or let go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// Hold back.
    Pause,
    /// Let go.
    Resume,
}

impl Hold {
    fn relays(self) -> RelayAction {
        match self {
            Self::Pause => RelayAction::Pause,
            Self::Resume => RelayAction::Resume,
        }
    }

    fn target(self) -> TargetAction {
        match self {
            Self::Pause => TargetAction::Pause,
            Self::Resume => TargetAction::Resume,
        }
    }

    fn queue(self) -> QueueAction {
        match self {
            Self::Pause => QueueAction::Pause,
            Self::Resume => QueueAction::Resume,
        }
    }
}

/// Does `action` to relays.
pub async fn on_relays(
    config: ActingConfig,
    action: RelayAction,
    arguments: RelaysArgs,
) -> anyhow::Result<ExitCode> {
    let RelaysArgs {
        relays,
        filter,
        targets,
        consent,
    } = arguments;
    let acting = Acting::begin(config).await?;
    let done = if relays.is_empty() {
        let filter = chosen(filter, targets.target);
        choose(&acting.command, action, filter, &consent).await?
    } else {
        name(&acting, action, &relays).await?
    };
    acting.end().await;
    report(action.as_str(), &done, &consent.output)
}

/// Pauses or resumes relays, a target or the queue.
pub async fn on_hold(
    config: ActingConfig,
    hold: Hold,
    arguments: HoldArgs,
) -> anyhow::Result<ExitCode> {
    let HoldArgs {
        relays,
        filter,
        target,
        queue,
        consent,
    } = arguments;
    let acting = Acting::begin(config).await?;
    let done = if let Some(target) = target {
        let action = hold.target();
        let acted = acting.command.act_on_target(by_shell(), target, action);
        Done::to("target", acted.await?)
    } else if queue {
        let acted = acting.command.act_on_queue(by_shell(), hold.queue());
        Done::to("queue", acted.await?)
    } else if relays.is_empty() {
        let filter = chosen(filter, Vec::new());
        choose(&acting.command, hold.relays(), filter, &consent).await?
    } else {
        name(&acting, hold.relays(), &relays).await?
    };
    acting.end().await;
    report(hold.relays().as_str(), &done, &consent.output)
}

/// Removes a relay, after a yes.
pub async fn remove(config: ActingConfig, arguments: RemoveArgs) -> anyhow::Result<ExitCode> {
    let RemoveArgs { relay, yes, output } = arguments;
    let acting = Acting::begin(config).await?;
    let id = find_relay(&acting.query, &relay).await?;
    let sync = acting.query.get_sync(&id).await?;
    if sync.removed_at.is_none() && !yes {
        let host = &sync.host;
        ask(
            &format!("remove {host} for good"),
            &format!("remove would end {host} for good"),
        )?;
    }
    let acted = acting.command.remove_relay(by_shell(), id.clone()).await?;
    let done = Done {
        what: "relay",
        acted,
        relay: Some(acting.query.get_sync(&id).await?),
    };
    acting.end().await;
    report("remove", &done, &output)
}

/// Asks for a probe.
pub async fn probe(config: ActingConfig, arguments: ProbeArgs) -> anyhow::Result<ExitCode> {
    let acting = Acting::begin(config).await?;
    let action = TargetAction::Probe;
    let acted = acting
        .command
        .act_on_target(by_shell(), arguments.target, action);
    let done = Done::to("target", acted.await?);
    acting.end().await;
    report("probe", &done, &arguments.output)
}

/// Enqueues relays that need it, or all.
pub async fn reconcile(config: ActingConfig, arguments: ReconcileArgs) -> anyhow::Result<ExitCode> {
    let acting = Acting::begin(config).await?;
    let which = ReconcileInput {
        all: arguments.all,
        target: arguments.target,
    };
    let acted = acting.command.reconcile(by_shell(), which);
    let done = Done::to("relay", acted.await?);
    acting.end().await;
    report("reconcile", &done, &arguments.output)
}

/// Whoever has a shell on the server.
pub fn by_shell() -> ByOperator {
    ByOperator {
        actor: Actor::Shell,
        trace: Trace::none(),
    }
}

fn chosen(filter: FilterArgs, targets: Vec<ZooidDomain>) -> BulkFilter {
    BulkFilter {
        state: filter.state.into_iter().collect(),
        kind: filter.kind.into_iter().collect(),
        target: targets.into_iter().collect(),
        group: filter.group.into_iter().collect(),
        q: filter.q,
        ..BulkFilter::default()
    }
}

/// Does `action` to the relays that pass `filter`, after a yes.
async fn choose(
    command: &Command,
    action: RelayAction,
    filter: BulkFilter,
    consent: &ConsentArgs,
) -> anyhow::Result<Done> {
    let previewed = PreviewInput { action, filter };
    let preview = command.preview_bulk(previewed.clone()).await?;
    if preview.affected > 0 && !consent.yes {
        let relays = counted(preview.affected, "relay");
        ask(
            &format!("{action} {relays}"),
            &format!("{action} would touch {relays}"),
        )?;
    }
    carry_out(command, previewed, preview).await
}

/// Does `action` to the relays that are called so.
async fn name(acting: &Acting, action: RelayAction, names: &[String]) -> anyhow::Result<Done> {
    let mut relays = BTreeSet::new();
    for name in names {
        relays.insert(find_relay(&acting.query, name).await?);
    }
    let command = &acting.command;
    // One alone is refused with a reason; of several, those are done that can be.
    if relays.len() == 1
        && let Some(relay) = relays.pop_first()
    {
        let acted = command.act_on_relay(by_shell(), relay.clone(), action, None);
        return Ok(Done {
            what: "relay",
            acted: acted.await?,
            relay: Some(acting.query.get_sync(&relay).await?),
        });
    }
    let filter = BulkFilter::of(relays);
    let previewed = PreviewInput { action, filter };
    let preview = command.preview_bulk(previewed.clone()).await?;
    carry_out(command, previewed, preview).await
}

/// Returns when the person at the terminal says yes to `question`. Whoever is at none is told `what` it would do.
fn ask(question: &str, what: &str) -> anyhow::Result<()> {
    ensure!(
        io::stdin().is_terminal(),
        "{what}: repeat the command with --yes"
    );
    eprint!("{question}? [y/N] ");
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    ensure!(
        matches!(answer.trim(), "y" | "Y" | "yes"),
        "nothing was done"
    );
    Ok(())
}

async fn carry_out(
    command: &Command,
    previewed: PreviewInput,
    preview: BulkPreview,
) -> anyhow::Result<Done> {
    if preview.affected == 0 {
        return Ok(Done::to("relay", Acted::default()));
    }
    let input = BulkInput {
        previewed,
        token: preview.token,
        expected: preview.affected,
    };
    let acted = command.run_bulk(by_shell(), input).await?;
    Ok(Done::to("relay", acted))
}

/// What an action came to, as the API answers it.
#[derive(Serialize)]
struct ActionView<'a> {
    affected: u64,
    action_id: Option<&'a str>,
    #[serde(flatten)]
    relay: Option<RelayView<'a>>,
}

/// Where the one relay stands that was named.
#[derive(Serialize)]
struct RelayView<'a> {
    not_before: Option<i64>,
    sync: &'a RelaySync,
}

/// What was done, and to what.
struct Done {
    what: &'static str,
    acted: Acted,
    /// The one relay that was named, as it is now.
    relay: Option<RelaySync>,
}

impl Done {
    fn to(what: &'static str, acted: Acted) -> Self {
        Self {
            what,
            acted,
            relay: None,
        }
    }
}

fn report(action: &str, done: &Done, output: &OutputArgs) -> anyhow::Result<ExitCode> {
    let Done { what, acted, relay } = done;
    let waits_until = acted
        .not_before
        .and_then(|at| DateTime::from_timestamp(at, 0));
    if output.json {
        output::json(&ActionView {
            affected: acted.affected,
            action_id: acted.action_id.as_deref(),
            relay: relay.as_ref().map(|sync| RelayView {
                not_before: acted.not_before,
                sync,
            }),
        })?;
    } else if acted.affected == 0 {
        output::line(&format!("{action}: nothing to do"))?;
    } else {
        output::line(&format!("{action}: {}", counted(acted.affected, what)))?;
    }
    if let Some(time) = waits_until {
        eprintln!(
            "zooid asked to be left alone until {}",
            time.format("%F %T UTC")
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn counted(number: u64, what: &str) -> String {
    match number {
        1 => format!("1 {what}"),
        more => format!("{more} {what}s"),
    }
}
