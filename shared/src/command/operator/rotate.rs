//! Sealing what is kept sealed anew, after `CARAVEL_SECRETS_KEY` was changed, so that the former key can be forgotten.
//!
//! Invariant: the secrets stay what they are; only the key they lie under changes. Each batch is a write of its own, and
//! asks for what is left to do: whatever stops a rotation, the next one goes on from there. Its line in the record is the
//! last of its writes.

use std::sync::Arc;

use serde_json::json;

use super::{ByOperator, Deed, record};
use crate::{
    command::{Command, CommandError, Context},
    crypto::{SealError, Sealed},
    db::WriteTx,
    domain::{OperatorActionKind, OperatorResource},
    repositories::sealed::{self, Vault},
};

/// Values sealed in one write, which holds up the writes of others: some milliseconds.
const BATCH: u32 = 100;

/// What a rotation came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rotation {
    /// Relay keys that lie under the current key now, and did not before.
    pub relay_secrets: u64,
    /// Wallet URLs that lie under the current key now, and did not before.
    pub wallet_urls: u64,
    /// What could not be opened, and stays as it is.
    pub refused: Vec<Refused>,
    /// Its line in the record; `None` when nothing was sealed.
    pub action_id: Option<String>,
}

/// A value that could not be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// What it belongs to: "relay" or "tenant".
    pub entity: &'static str,
    /// The id of the relay, the public key of the tenant.
    pub id: String,
    /// Why, without the value.
    pub reason: SealError,
}

/// A batch, done.
struct Batch {
    resealed: u64,
    refused: Vec<Refused>,
    /// The last row looked at; `None` when there was none.
    last: Option<String>,
}

impl Command {
    /// Seals under the current key what lies under previous ones. A value that none of the keys opens is passed over,
    /// and told of.
    ///
    /// Programs whose current key is another one go on sealing under that: change it everywhere first.
    ///
    /// # Errors
    /// When the database refuses; what was sealed until then stays so.
    pub async fn rotate_secrets(&self, by: ByOperator) -> Result<Rotation, CommandError> {
        let mut rotation = Rotation::default();
        let ended = self.reseal_all(&mut rotation).await;
        rotation.action_id = self.record_rotation(by, &rotation).await?;
        ended.map(|()| rotation)
    }

    async fn reseal_all(&self, rotation: &mut Rotation) -> Result<(), CommandError> {
        for vault in Vault::ALL {
            let mut after = String::new();
            loop {
                let context = Arc::clone(&self.context);
                let batch = self
                    .db
                    .write(async move |tx: &mut WriteTx| reseal(tx, &context, vault, &after).await)
                    .await?;
                match vault {
                    Vault::RelaySecrets => rotation.relay_secrets += batch.resealed,
                    Vault::WalletUrls => rotation.wallet_urls += batch.resealed,
                }
                rotation.refused.extend(batch.refused);
                match batch.last {
                    Some(last) => after = last,
                    None => break,
                }
            }
        }
        Ok(())
    }

    /// Answers the id of the line. What it touched are values here, not relays.
    async fn record_rotation(
        &self,
        by: ByOperator,
        rotation: &Rotation,
    ) -> Result<Option<String>, CommandError> {
        let affected = rotation.relay_secrets + rotation.wallet_urls;
        let detail = json!({
            "key_id": self.context.sealer.key_id(),
            "relay_secrets": rotation.relay_secrets,
            "wallet_urls": rotation.wallet_urls,
            "refused": rotation.refused.len(),
        });
        let now = self.context.clock.now();
        self.db
            .write(async move |tx: &mut WriteTx| {
                let deed = Deed {
                    action: OperatorActionKind::RotateSecrets,
                    resource_type: OperatorResource::Secrets,
                    resource_id: "",
                };
                let recorded = record(tx, now, &by, deed, affected, detail).await?;
                Ok(recorded.action_id)
            })
            .await
    }
}

/// Seals the next values of `vault` anew, in the order of their rows.
async fn reseal(
    tx: &mut WriteTx,
    context: &Context,
    vault: Vault,
    after: &str,
) -> Result<Batch, CommandError> {
    let sealer = &context.sealer;
    let rows = sealed::list_outdated(&mut *tx, vault, sealer.key_id(), after, BATCH).await?;
    let mut batch = Batch {
        resealed: 0,
        refused: Vec::new(),
        last: rows.last().map(|row| row.owner.clone()),
    };
    for row in rows {
        let opened =
            Sealed::parse(row.sealed.as_str()).and_then(|old| sealer.open(&old, &row.owner));
        match opened {
            Ok(value) => {
                let new = sealer.seal(&value, &row.owner);
                sealed::replace(tx, vault, &row, &new).await?;
                batch.resealed += 1;
            }
            Err(reason) => batch.refused.push(Refused {
                entity: vault.entity(),
                id: row.owner,
                reason,
            }),
        }
    }
    Ok(batch)
}
