//! Actions on one target.

use std::sync::Arc;

use serde_json::json;

use super::{Acted, ByOperator, Deed, record};
use crate::{
    command::{Command, CommandError},
    db::WriteTx,
    domain::{OperatorActionKind, OperatorResource, ZooidDomain},
    queue::operator,
};

/// What an operator can do to a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetAction {
    /// Hold all its syncs back; those that run may end.
    Pause,
    /// Let them go on.
    Resume,
    /// Ask for a probe as soon as possible.
    Probe,
}

impl TargetAction {
    fn kind(self) -> OperatorActionKind {
        match self {
            Self::Pause => OperatorActionKind::Pause,
            Self::Resume => OperatorActionKind::Resume,
            Self::Probe => OperatorActionKind::Probe,
        }
    }
}

impl Command {
    /// Does `action` to the target. Pausing what is paused, and the like, does nothing.
    ///
    /// # Errors
    /// [`CommandError::TargetUnknown`] for one that no worker serves and no relay is served by.
    pub async fn act_on_target(
        &self,
        by: ByOperator,
        target: ZooidDomain,
        action: TargetAction,
    ) -> Result<Acted, CommandError> {
        let context = Arc::clone(&self.context);
        self.db
            .write(async move |tx: &mut WriteTx| {
                let now = context.clock.now();
                if !operator::know_target(tx, now, &target).await? {
                    return Err(CommandError::TargetUnknown(target));
                }
                let changed = match action {
                    TargetAction::Pause => operator::hold_target(tx, now, &target).await?,
                    TargetAction::Resume => operator::let_go_target(tx, &target).await?,
                    TargetAction::Probe => operator::request_probe(tx, now, &target).await?,
                };
                let deed = Deed {
                    action: action.kind(),
                    resource_type: OperatorResource::Target,
                    resource_id: target.as_str(),
                };
                Ok(record(tx, now, &by, deed, changed.into(), json!({})).await?)
            })
            .await
    }
}
