//! Overruling ambiguous calls: a request whose answer never came may still take effect, after the one that was accepted.
//!
//! `relay_sync.settle_at` says when such a call is old enough. A relay that is in step by then is sent once more, with a
//! new generation; one that is not gets in step by an attempt that starts later, which settles it as well.

use chrono::{DateTime, Utc};

use super::{
    enqueue::{Enqueue, enqueue},
    job::Priority,
};
use crate::{db::WriteTx, domain::RelayId, repositories::relay};

/// Relays settled by one write.
const BATCH: i64 = 50;

/// Sends every relay once more whose ambiguous call is old enough. Cheap when there is none.
pub(super) async fn settle(
    tx: &mut WriteTx,
    now: DateTime<Utc>,
    max_attempts: u32,
) -> Result<(), sqlx::Error> {
    let due: Vec<String> = sqlx::query_scalar(
        "UPDATE relay_sync
         SET settle_at = NULL
         WHERE relay_id IN (
             SELECT relay_id
             FROM relay_sync INDEXED BY relay_sync_to_settle
             WHERE settle_at <= $1
               AND settle_at IS NOT NULL
               AND state = 'synced'
             LIMIT $2
         )
         RETURNING relay_id",
    )
    .bind(now.timestamp())
    .bind(BATCH)
    .fetch_all(&mut *tx)
    .await?;
    for relay in due {
        let relay: RelayId = relay
            .parse()
            .map_err(|error: crate::domain::Malformed| sqlx::Error::Decode(error.into()))?;
        let target = relay::bump_generation(tx, &relay).await?;
        let job = Enqueue {
            relay: &relay,
            target: &target,
            priority: Priority::Background,
            max_attempts,
            trace: "",
        };
        enqueue(tx, now, job).await?;
    }
    Ok(())
}
