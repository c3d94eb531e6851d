//! Relays that are to be no more.
//!
//! Invariant: the row stays, so that its id and its schema are never given out again, and the unique index sees to the
//! latter. What else it holds of the relay is of no use to anybody.

use chrono::{DateTime, Utc};

use crate::{crypto::Sealed, db::WriteTx, domain::RelayId};

/// Puts `nothing`, a sealed empty value, in the place of the relay's secret key.
///
/// # Errors
/// When the database refuses.
pub async fn wipe_secret(
    tx: &mut WriteTx,
    relay: &RelayId,
    nothing: &Sealed,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE relay
         SET secret = $2
         WHERE id = $1
           AND removed_at IS NOT NULL",
    )
    .bind(relay.as_str())
    .bind(nothing.as_str())
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// Frees the names of those of `relays` that were removed and that zooid has no file of: unless a newer generation is to
/// be sent, or a call that nobody answered may still bring one back. Nothing of them is held back any more.
///
/// # Errors
/// When the database refuses.
pub async fn bury(
    tx: &mut WriteTx,
    now: DateTime<Utc>,
    relays: &[&RelayId],
) -> Result<(), sqlx::Error> {
    let ids = serde_json::to_string(relays).map_err(|error| sqlx::Error::Encode(error.into()))?;
    sqlx::query(
        "UPDATE relay
         SET gone_at = $2
         WHERE id IN (SELECT value FROM json_each($1))
           AND removed_at IS NOT NULL
           AND gone_at IS NULL
           AND EXISTS (
               SELECT 1
               FROM relay_sync
               WHERE relay_sync.relay_id = relay.id
                 AND relay_sync.synced_generation = relay_sync.desired_generation
                 AND relay_sync.settle_at IS NULL
           );
         UPDATE relay_sync
         SET paused_at = NULL,
             quarantined_at = NULL,
             crashes = 0,
             faults = 0
         WHERE relay_id IN (SELECT value FROM json_each($1))
           AND (paused_at IS NOT NULL OR quarantined_at IS NOT NULL)
           AND EXISTS (SELECT 1 FROM relay WHERE relay.id = relay_sync.relay_id AND relay.gone_at IS NOT NULL)",
    )
    .bind(ids)
    .bind(now.timestamp())
    .execute(&mut *tx)
    .await?;
    Ok(())
}
