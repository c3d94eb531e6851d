//! Actions on one relay.

use std::sync::Arc;

use serde_json::json;

use super::{Acted, ByOperator, Deed, count, record, terms};
use crate::{
    command::{Command, CommandError, Context},
    db::WriteTx,
    domain::{BulkFilter, OperatorResource, RelayAction, RelayId},
    queue::{Priority, operator},
};

impl Command {
    /// Does `action` to the relay.
    ///
    /// - `Retry` sends its newest state as soon as possible, with a fresh budget, and takes back that it was given up. A
    ///   pause that zooid asked for is kept, and named in the answer.
    /// - `Sync` does the same with a new generation: zooid may have the newest state already.
    /// - `Cancel` gives the newest generation up: a waiting job ends, a running one is not tried again. The next edit
    ///   starts over.
    /// - `Pause` holds its syncs back; one that runs may end. `Resume` lets them go on, and enqueues one if it is out of
    ///   step without a job.
    /// - `Release` lifts its quarantine, forgets the crashes and faults that led to it, and sends the newest state.
    ///
    /// Nothing is done when an attempt newer than `seen_attempt` exists (`None` for whoever looked at none), and nothing is
    /// sent again that runs or waits for nothing but a worker: so two clicks make one run.
    ///
    /// # Errors
    /// [`CommandError::RelayUnknown`]; for `Retry` and `Sync` [`CommandError::RelayQuarantined`]; for `Retry`
    /// [`CommandError::RelayInStep`].
    pub async fn act_on_relay(
        &self,
        by: ByOperator,
        id: RelayId,
        action: RelayAction,
        seen_attempt: Option<i64>,
    ) -> Result<Acted, CommandError> {
        let context = Arc::clone(&self.context);
        self.db
            .write(async move |tx: &mut WriteTx| {
                act(tx, &context, &by, &id, action, seen_attempt).await
            })
            .await
    }
}

async fn act(
    tx: &mut WriteTx,
    context: &Context,
    by: &ByOperator,
    id: &RelayId,
    action: RelayAction,
    seen_attempt: Option<i64>,
) -> Result<Acted, CommandError> {
    let standing = operator::standing(tx, id)
        .await?
        .ok_or_else(|| CommandError::RelayUnknown(id.clone()))?;
    // Before any refusal: the second of two clicks is not at fault.
    if seen_attempt.is_some_and(|seen| standing.attempt_count > seen) {
        return Ok(Acted::default());
    }
    let sends_again = match action {
        RelayAction::Retry if standing.in_step => {
            return Err(CommandError::RelayInStep(id.clone()));
        }
        RelayAction::Retry | RelayAction::Sync => true,
        RelayAction::Cancel | RelayAction::Pause | RelayAction::Resume | RelayAction::Release => {
            false
        }
    };
    if sends_again && standing.quarantined {
        return Err(CommandError::RelayQuarantined(id.clone()));
    }
    let now = context.clock.now();
    let changed = operator::matching(&mut *tx, now, action, &BulkFilter::of([id.clone()])).await?;
    operator::act(
        tx,
        &terms(context, now, by, Priority::Edit),
        action,
        &changed,
    )
    .await?;
    let deed = Deed {
        action: action.kind(),
        resource_type: OperatorResource::Relay,
        resource_id: id.as_str(),
    };
    let acted = record(tx, now, by, deed, count(&changed), json!({})).await?;
    Ok(Acted {
        not_before: standing
            .not_before
            .filter(|not_before| sends_again && *not_before > now.timestamp()),
        ..acted
    })
}
