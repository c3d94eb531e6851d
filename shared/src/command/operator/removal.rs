//! Removing a relay for good.
//!
//! Invariant: a removed relay never comes back, so neither its id nor its schema nor its secret is ever of use again. What
//! zooid has of it goes by its own sync, like any other change.

use std::sync::Arc;

use serde_json::json;

use super::{Acted, ByOperator, Deed, record};
use crate::{
    command::{
        Command, CommandError, Context,
        relay::{change, find},
    },
    db::WriteTx,
    domain::{ActivityType, OperatorActionKind, OperatorResource, Relay, RelayId},
    repositories::relay::wipe_secret,
};

impl Command {
    /// Removes the relay: from now on nothing is wanted of it but that zooid has no file of it. Its secret key is wiped at
    /// once; its row stays, and its names become free when zooid has confirmed. Removing what was removed does nothing.
    ///
    /// # Errors
    /// [`CommandError::RelayUnknown`].
    pub async fn remove_relay(&self, by: ByOperator, id: RelayId) -> Result<Acted, CommandError> {
        let context = Arc::clone(&self.context);
        self.db
            .write(async move |tx: &mut WriteTx| remove(tx, &context, &by, &id).await)
            .await
    }
}

async fn remove(
    tx: &mut WriteTx,
    context: &Context,
    by: &ByOperator,
    id: &RelayId,
) -> Result<Acted, CommandError> {
    let before = find(tx, id).await?;
    if before.removed_at.is_some() {
        return Ok(Acted::default());
    }
    let now = context.clock.now();
    let after = Relay {
        removed_at: Some(now.timestamp()),
        ..before.clone()
    };
    change(
        tx,
        context,
        &by.trace,
        ActivityType::RemoveRelay,
        before,
        after,
    )
    .await?;
    wipe_secret(tx, id, &context.sealer.seal(&[], id.as_str())).await?;
    let deed = Deed {
        action: OperatorActionKind::Remove,
        resource_type: OperatorResource::Relay,
        resource_id: id.as_str(),
    };
    Ok(record(tx, now, by, deed, 1, json!({})).await?)
}
