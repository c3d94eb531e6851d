//! Bringing every relay in step by hand.

use std::sync::Arc;

use serde_json::json;

use super::{Acted, ByOperator, Deed, count, record, terms};
use crate::{
    command::{Command, CommandError},
    db::WriteTx,
    domain::{OperatorActionKind, OperatorResource, ReconcileInput},
    queue::{Priority, operator},
};

impl Command {
    /// Enqueues, in the background, the relays that are out of step although no job covers them: what workers do from time
    /// to time, at once and without their limit. With `all` it sends every relay once more, those that were given up
    /// included; only what is quarantined is left alone.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn reconcile(
        &self,
        by: ByOperator,
        which: ReconcileInput,
    ) -> Result<Acted, CommandError> {
        let context = Arc::clone(&self.context);
        self.db
            .write(async move |tx: &mut WriteTx| {
                let now = context.clock.now();
                let terms = terms(&context, now, &by, Priority::Background);
                let ReconcileInput { all, target } = which;
                let relays = if all {
                    let relays = operator::all(tx, target.as_ref()).await?;
                    operator::send_all(tx, &terms, &relays).await?;
                    relays
                } else {
                    let relays = operator::uncovered(tx, target.as_ref()).await?;
                    operator::enqueue_all(tx, &terms, &relays).await?;
                    relays
                };
                let deed = Deed {
                    action: OperatorActionKind::Reconcile,
                    resource_type: OperatorResource::Relays,
                    resource_id: "",
                };
                let detail = json!({ "all": all, "target": target });
                Ok(record(tx, now, &by, deed, count(&relays), detail).await?)
            })
            .await
    }
}
