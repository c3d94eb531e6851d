//! Finds relays that are out of step although no job covers them, whatever the cause: a restored backup, a row deleted by
//! hand, a defect. One worker at a time: whoever moves the row in `maintenance` forward does the work.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{
    enqueue::{Enqueue, enqueue},
    job::{JOB_TYPE, Priority},
    periodic::take_on,
};
use crate::{
    db::WriteTx,
    domain::{RelayId, ZooidDomain},
};

/// Relays enqueued by one call: what one write may hold up others for. The rest follows with the next call.
const BATCH: i64 = 500;

/// Enqueues relays whose generation is ahead of what zooid accepted, that have no job, no final failure for that
/// generation, and are neither paused nor quarantined. Does nothing when some worker did it less than `every` ago.
/// Answers how many were enqueued.
///
/// # Errors
/// When the database refuses.
pub async fn reconcile(
    tx: &mut WriteTx,
    now: DateTime<Utc>,
    every: Duration,
    max_attempts: u32,
) -> Result<usize, sqlx::Error> {
    if !take_on(tx, "reconcile", now, every).await? {
        return Ok(0);
    }
    let uncovered: Vec<(String, String)> = sqlx::query_as(
        "SELECT relay.id, relay.zooid_domain
         FROM relay_sync INDEXED BY relay_sync_out_of_step
         CROSS JOIN relay ON relay.id = relay_sync.relay_id
         WHERE relay_sync.synced_generation < relay_sync.desired_generation
           AND relay_sync.failed_generation IS NOT relay_sync.desired_generation
           AND relay_sync.paused_at IS NULL
           AND relay_sync.quarantined_at IS NULL
           AND NOT EXISTS (
               SELECT 1
               FROM Jobs
               WHERE Jobs.job_type = $1
                 AND Jobs.idempotency_key IN (relay.id, relay.id || ':running')
           )
         LIMIT $2",
    )
    .bind(JOB_TYPE)
    .bind(BATCH)
    .fetch_all(&mut *tx)
    .await?;
    for (relay, target) in &uncovered {
        let relay: RelayId = relay.parse().map_err(decode)?;
        let target: ZooidDomain = target.parse().map_err(decode)?;
        let job = Enqueue {
            relay: &relay,
            target: &target,
            priority: Priority::Background,
            max_attempts,
            trace: "",
        };
        enqueue(tx, now, job).await?;
    }
    Ok(uncovered.len())
}

fn decode(error: crate::domain::Malformed) -> sqlx::Error {
    sqlx::Error::Decode(error.into())
}
