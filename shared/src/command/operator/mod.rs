//! The operator's hands: sending again, giving up, holding back, for one relay or for all that match.
//!
//! Invariants: each call is one write with its line in the record (`operator_action`), and leaves no line when it changed
//! nothing; whatever is asked twice is done once. Finished jobs are never revived, everything is enqueued afresh.

mod bulk;
mod queue;
mod reconcile;
mod relay;
mod removal;
mod rotate;
mod target;

use chrono::{DateTime, Utc};
use serde_json::Value;

pub use bulk::BulkPreview;
pub use queue::QueueAction;
pub use rotate::{Refused, Rotation};
pub use target::TargetAction;

use super::{Context, Trace};
use crate::{
    db::{WakeKind, WriteTx},
    domain::{Actor, OperatorActionKind, OperatorResource},
    queue::{Priority, operator::Terms},
    repositories::operator_action::{self, NewAction},
};

/// An operator who acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ByOperator {
    /// Who.
    pub actor: Actor,
    /// By which request.
    pub trace: Trace,
}

/// What an action came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Acted {
    /// How many relays it touched; 1 for a target or the queue. 0 when there was nothing to do: what was asked for is so
    /// already, or on its way.
    pub affected: u64,
    /// Its line in the record; `None` when there was nothing to do.
    pub action_id: Option<String>,
    /// Until when zooid asked us to wait, in unix seconds: what was enqueued for a relay is not sent before. `None` when
    /// that is over, or more than one relay is concerned.
    pub not_before: Option<i64>,
}

/// What an action is called in the record.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deed<'a> {
    pub(super) action: OperatorActionKind,
    pub(super) resource_type: OperatorResource,
    pub(super) resource_id: &'a str,
}

/// Puts what was done on record, and wakes whom it concerns: workers for what they may do now, followers for what they
/// show. Nothing done is nothing to record.
pub(super) async fn record(
    tx: &mut WriteTx,
    now: DateTime<Utc>,
    by: &ByOperator,
    deed: Deed<'_>,
    affected: u64,
    mut detail: Value,
) -> Result<Acted, sqlx::Error> {
    if affected == 0 {
        return Ok(Acted::default());
    }
    if !by.trace.as_str().is_empty() {
        detail["trace"] = by.trace.as_str().into();
    }
    let id = operator_action::log(
        tx,
        now,
        NewAction {
            actor: &by.actor,
            action: deed.action,
            resource_type: deed.resource_type,
            resource_id: deed.resource_id,
            affected,
            detail,
        },
    )
    .await?;
    tx.wake(WakeKind::Worker);
    tx.wake(WakeKind::Follower);
    Ok(Acted {
        affected,
        action_id: Some(id),
        not_before: None,
    })
}

fn terms<'a>(
    context: &Context,
    now: DateTime<Utc>,
    by: &'a ByOperator,
    priority: Priority,
) -> Terms<'a> {
    Terms {
        now,
        priority,
        max_attempts: context.max_attempts,
        trace: by.trace.as_str(),
    }
}

fn count<T>(relays: &[T]) -> u64 {
    u64::try_from(relays.len()).unwrap_or(u64::MAX)
}
