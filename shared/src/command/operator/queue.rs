//! Actions on the queue as a whole.

use std::sync::Arc;

use serde_json::json;

use super::{Acted, ByOperator, Deed, record};
use crate::{
    command::{Command, CommandError},
    db::WriteTx,
    domain::{OperatorActionKind, OperatorResource},
    queue::operator,
};

/// What an operator can do to the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueAction {
    /// Hold every sync back; those that run may end.
    Pause,
    /// Let them go on.
    Resume,
}

impl Command {
    /// Does `action` to the queue. Pausing what is paused, and the like, does nothing.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn act_on_queue(
        &self,
        by: ByOperator,
        action: QueueAction,
    ) -> Result<Acted, CommandError> {
        let context = Arc::clone(&self.context);
        self.db
            .write(async move |tx: &mut WriteTx| {
                let now = context.clock.now();
                let (changed, kind) = match action {
                    QueueAction::Pause => (
                        operator::hold_queue(tx, now).await?,
                        OperatorActionKind::Pause,
                    ),
                    QueueAction::Resume => (
                        operator::let_go_queue(tx).await?,
                        OperatorActionKind::Resume,
                    ),
                };
                let deed = Deed {
                    action: kind,
                    resource_type: OperatorResource::Queue,
                    resource_id: "",
                };
                Ok(record(tx, now, &by, deed, changed.into(), json!({})).await?)
            })
            .await
    }
}
