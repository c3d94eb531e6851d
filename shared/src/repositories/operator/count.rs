//! How many relays are in which state, from `standing_count`, and whether their target holds them.

use std::collections::BTreeMap;

use serde::Serialize;
use sqlx::{FromRow, QueryBuilder, Row as _, sqlite::SqliteRow};
use utoipa::ToSchema;

use super::Snapshot;
use crate::{
    domain::{SyncState, ZooidDomain},
    repositories::{relay_sync::is_holding, row::parsed},
};

/// Relays by state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct RelayCounts {
    /// All of them.
    pub total: u64,
    /// In step.
    pub synced: u64,
    /// Waiting for a turn.
    pub pending: u64,
    /// Being sent.
    pub running: u64,
    /// Failed and waiting for another attempt.
    pub retrying: u64,
    /// Given up.
    pub failed: u64,
    /// Waiting for their target, the queue or another relay.
    pub held: u64,
    /// Held back by an operator.
    pub paused: u64,
    /// Kept from the workers.
    pub quarantined: u64,
}

/// The relays of one target, and whether it holds those that wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The target.
    pub target: ZooidDomain,
    /// Whether its circuit is open, or it or the queue as a whole is paused.
    pub is_holding: bool,
    /// Relays by `relay_sync.state`, which does not know what the target does.
    stored: BTreeMap<SyncState, u64>,
}

impl RelayCounts {
    fn add(&mut self, state: SyncState, relays: u64) {
        self.total += relays;
        *match state {
            SyncState::Synced => &mut self.synced,
            SyncState::Pending => &mut self.pending,
            SyncState::Running => &mut self.running,
            SyncState::Retrying => &mut self.retrying,
            SyncState::Failed => &mut self.failed,
            SyncState::Held => &mut self.held,
            SyncState::Paused => &mut self.paused,
            SyncState::Quarantined => &mut self.quarantined,
        } += relays;
    }

    /// Those that wait for a sync, whatever for.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        self.pending + self.retrying + self.held
    }
}

impl Standing {
    /// The state people are shown for one that is stored.
    #[must_use]
    pub fn shown(&self, stored: SyncState) -> SyncState {
        match stored {
            SyncState::Pending | SyncState::Retrying if self.is_holding => SyncState::Held,
            SyncState::Pending
            | SyncState::Retrying
            | SyncState::Synced
            | SyncState::Running
            | SyncState::Failed
            | SyncState::Held
            | SyncState::Paused
            | SyncState::Quarantined => stored,
        }
    }

    /// Adds its relays to `counts`, as people are shown them.
    pub fn add_to(&self, counts: &mut RelayCounts) {
        for (stored, relays) in &self.stored {
            counts.add(self.shown(*stored), *relays);
        }
    }

    /// Its relays, as people are shown them.
    #[must_use]
    pub fn counts(&self) -> RelayCounts {
        let mut counts = RelayCounts::default();
        self.add_to(&mut counts);
        counts
    }

    /// How many relays are stored in this state.
    pub(super) fn stored(&self, state: SyncState) -> u64 {
        self.stored.get(&state).copied().unwrap_or_default()
    }
}

struct Row {
    target: ZooidDomain,
    state: SyncState,
    relays: i64,
    is_holding: bool,
}

/// Every target that has relays.
///
/// # Errors
/// When the database refuses.
pub async fn standings(snapshot: &mut Snapshot) -> Result<Vec<Standing>, sqlx::Error> {
    let rows: Vec<Row> = snapshot
        .all(QueryBuilder::new(concat!(
            "SELECT standing_count.target, standing_count.state, standing_count.relays, ",
            is_holding!(),
            " AS is_holding
             FROM standing_count
             LEFT JOIN target ON target.name = standing_count.target
             WHERE standing_count.relays > 0
             ORDER BY standing_count.target, standing_count.state"
        )))
        .await?;
    let mut standings: Vec<Standing> = Vec::new();
    for row in rows {
        if standings
            .last()
            .is_none_or(|last| last.target != row.target)
        {
            standings.push(Standing {
                target: row.target,
                is_holding: row.is_holding,
                stored: BTreeMap::new(),
            });
        }
        if let Some(last) = standings.last_mut() {
            last.stored.insert(row.state, row.relays.unsigned_abs());
        }
    }
    Ok(standings)
}

/// Since when the relay of `target` that has been out of step the longest is, in milliseconds.
///
/// # Errors
/// When the database refuses.
pub async fn oldest_out_of_step(
    snapshot: &mut Snapshot,
    target: &ZooidDomain,
) -> Result<Option<i64>, sqlx::Error> {
    let mut query = QueryBuilder::new(
        "SELECT dirty_since
         FROM relay_sync
         WHERE dirty_since IS NOT NULL
           AND target = ",
    );
    query.push_bind(target.as_str().to_owned());
    query.push(" ORDER BY dirty_since LIMIT 1");
    let oldest: Option<(i64,)> = snapshot.first(query).await?;
    Ok(oldest.map(|(since,)| since))
}

impl FromRow<'_, SqliteRow> for Row {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            target: parsed(row, "target")?,
            state: parsed(row, "state")?,
            relays: row.try_get("relays")?,
            is_holding: row.try_get("is_holding")?,
        })
    }
}
