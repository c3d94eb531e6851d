//! Whether each target is reachable, and what holds its relays back.

use serde::Serialize;
use utoipa::ToSchema;

use super::{Viewpoint, workers};
use crate::{
    domain::{CircuitState, ZooidDomain},
    query::{Query, QueryError},
    repositories::operator::{
        Snapshot,
        count::{RelayCounts, Standing, standings},
        target::{self, TargetRow},
    },
};

/// A target. Times are unix milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct TargetView {
    /// The domain it serves.
    pub name: ZooidDomain,
    /// Where its management API is; "" until a worker that knows has started.
    pub url: String,
    /// Its relays.
    pub relays: RelayCounts,
    /// Whether calls go out.
    pub circuit_state: CircuitState,
    /// Since when; `None` before any worker has served it.
    pub circuit_since: Option<i64>,
    /// Why, redacted; "" when there is nothing to say.
    pub circuit_reason: String,
    /// Failures of the target in a row.
    pub failures: u64,
    /// When the next probe is due; `None` while the circuit is closed.
    pub next_probe_at: Option<i64>,
    /// When an operator asked for a probe that has not been made yet.
    pub probe_requested_at: Option<i64>,
    /// When it was last probed.
    pub probed_at: Option<i64>,
    /// What that probe said, redacted; "" when all was well.
    pub probe_error: String,
    /// Since when an operator holds it back.
    pub paused_at: Option<i64>,
    /// Until when it asked us to wait.
    pub not_before: Option<i64>,
    /// Workers that are alive.
    pub workers_alive: u64,
}

impl Query {
    /// Every target that has relays or that a worker has served, by name.
    ///
    /// # Errors
    /// [`QueryError::Database`].
    pub async fn list_targets(&self, view: &Viewpoint) -> Result<Vec<TargetView>, QueryError> {
        let mut snapshot = Snapshot::of(&self.readers).await?;
        let standings = standings(&mut snapshot).await?;
        Ok(list(&mut snapshot, view, &standings).await?)
    }
}

pub(super) async fn list(
    snapshot: &mut Snapshot,
    view: &Viewpoint,
    standings: &[Standing],
) -> Result<Vec<TargetView>, sqlx::Error> {
    let workers_alive = workers::alive(snapshot, view).await?;
    let rows = target::all(snapshot).await?;
    let unserved = standings
        .iter()
        .filter(|standing| rows.iter().all(|row| row.name != standing.target))
        .map(|standing| unserved(standing.target.clone()));
    let mut targets: Vec<TargetView> = rows
        .iter()
        .cloned()
        .chain(unserved)
        .map(|row| {
            let standing = standings
                .iter()
                .find(|standing| standing.target == row.name);
            let relays = standing.map(Standing::counts).unwrap_or_default();
            TargetView {
                circuit_since: (row.circuit_since > 0).then_some(row.circuit_since),
                name: row.name,
                url: row.url,
                relays,
                circuit_state: row.circuit_state,
                circuit_reason: row.circuit_reason,
                failures: row.failures,
                next_probe_at: row.next_probe_at,
                probe_requested_at: row.probe_requested_at,
                probed_at: row.probed_at,
                probe_error: row.probe_error,
                paused_at: row.paused_at,
                not_before: row.not_before,
                workers_alive,
            }
        })
        .collect();
    targets.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(targets)
}

/// A target that no worker has served yet.
fn unserved(name: ZooidDomain) -> TargetRow {
    TargetRow {
        name,
        url: String::new(),
        circuit_state: CircuitState::Closed,
        circuit_since: 0,
        circuit_reason: String::new(),
        failures: 0,
        next_probe_at: None,
        probe_requested_at: None,
        probed_at: None,
        probe_error: String::new(),
        paused_at: None,
        not_before: None,
    }
}
