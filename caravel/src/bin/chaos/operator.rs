//! The operator, with the repairs that docs/operations.md names: releases quarantines, tries given-up relays again,
//! asks whether zooid is back, and sends once more what zooid has lost. By the commands that the shell and the dashboard use.

use std::sync::Arc;
use std::time::Duration;

use shared::clock::{Clock as _, SystemClock};
use shared::command::operator::{ByOperator, TargetAction};
use shared::command::{Command, Context, Entropy, Trace};
use shared::config::ActingConfig;
use shared::db::{DatabaseOptions, Db, Role};
use shared::domain::{
    Actor, BulkFilter, BulkInput, CircuitState, PreviewInput, RelayAction, RelayId, SyncState,
};
use shared::query::{Query, operator::Viewpoint};
use tokio::sync::{mpsc, watch};

/// Between two looks.
const ROUND: Duration = Duration::from_millis(500);

/// How long a circuit is left to itself: the first probe is made by then. Later ones are up to a minute apart, in which
/// nothing would happen that could go wrong.
const OPEN_MS: i64 = 7_000;

/// What the operator did.
#[derive(Debug, Default)]
pub struct Repairs {
    /// Quarantines that were released.
    pub released: u64,
    /// Relays that were given up, and tried again.
    pub retried: u64,
    /// Probes of targets that were asked for.
    pub probed: u64,
    /// Relays whose file was lost, and sent once more.
    pub resent: u64,
}

/// Looks after the database until `over`. `lost` names the relays whose files zooid lost.
pub async fn run(
    config: ActingConfig,
    mut lost: mpsc::UnboundedReceiver<RelayId>,
    mut over: watch::Receiver<bool>,
) -> Repairs {
    let mut repairs = Repairs::default();
    let mut to_resend: Vec<RelayId> = Vec::new();
    loop {
        while let Ok(relay) = lost.try_recv() {
            to_resend.push(relay);
        }
        // Nothing is there yet, or somebody else writes for too long: there is another round.
        if let Err(error) = look_after(&config, &mut to_resend, &mut repairs).await {
            tracing::debug!(%error, "the operator could not look after the database");
        }
        let next_round = tokio::time::timeout(ROUND, over.wait_for(|over| *over));
        if next_round.await.is_ok() {
            return repairs;
        }
    }
}

/// One round. The database is opened for it, so that at times nobody has the file open: the next process recovers the WAL
/// then.
async fn look_after(
    config: &ActingConfig,
    to_resend: &mut Vec<RelayId>,
    repairs: &mut Repairs,
) -> anyhow::Result<()> {
    let options = DatabaseOptions::new(&config.shell.database, Role::Interactive);
    let db = Db::join(options).await?;
    let context = Context {
        clock: Arc::new(SystemClock),
        sealer: config.sealer.clone(),
        entropy: Entropy::from_system(),
        max_attempts: config.shell.retry.max_attempts,
    };
    let command = Command::new(db.clone(), context);
    let view = Viewpoint::new(SystemClock.now(), config.shell.lease);
    let repaired = repair(&command, &Query::new(&db), &view, to_resend, repairs).await;
    db.close().await;
    repaired
}

async fn repair(
    command: &Command,
    query: &Query,
    view: &Viewpoint,
    to_resend: &mut Vec<RelayId>,
    repairs: &mut Repairs,
) -> anyhow::Result<()> {
    repairs.released += to_all(command, RelayAction::Release, SyncState::Quarantined).await?;
    repairs.retried += to_all(command, RelayAction::Retry, SyncState::Failed).await?;
    let opened_by = SystemClock.now().timestamp_millis() - OPEN_MS;
    for target in query.list_targets(view).await? {
        if target.circuit_state == CircuitState::Open
            && target.circuit_since.is_some_and(|since| since < opened_by)
            && target.probe_requested_at.is_none()
        {
            let acted = command.act_on_target(by_shell(), target.name, TargetAction::Probe);
            repairs.probed += acted.await?.affected;
        }
    }
    let mut later = Vec::new();
    while let Some(relay) = to_resend.pop() {
        // What runs right now may have been sent before its file was lost.
        let acted = command.act_on_relay(by_shell(), relay.clone(), RelayAction::Sync, None);
        match acted.await {
            Ok(acted) if acted.affected > 0 => repairs.resent += acted.affected,
            Ok(_) | Err(_) => later.push(relay),
        }
    }
    *to_resend = later;
    Ok(())
}

/// Does `action` to every relay in `state`, as somebody does who has seen how many there are.
async fn to_all(command: &Command, action: RelayAction, state: SyncState) -> anyhow::Result<u64> {
    let filter = BulkFilter {
        state: [state].into(),
        ..BulkFilter::default()
    };
    let previewed = PreviewInput { action, filter };
    let preview = command.preview_bulk(previewed.clone()).await?;
    if preview.affected == 0 {
        return Ok(0);
    }
    let input = BulkInput {
        previewed,
        token: preview.token,
        expected: preview.affected,
    };
    Ok(command.run_bulk(by_shell(), input).await?.affected)
}

fn by_shell() -> ByOperator {
    ByOperator {
        actor: Actor::Shell,
        trace: Trace::none(),
    }
}
