//! Two relays and one host: whether a refused relay only has to wait for another one of ours.

use crate::{
    db::WriteTx,
    domain::{FailureKind, RelayId, SyncFailure, Taken},
};

use super::outcome::Run;

/// What a failure means once it is known who has the host.
#[derive(Debug)]
pub(super) struct Cause {
    pub(super) kind: FailureKind,
    /// For operators, redacted.
    pub(super) message: String,
    /// Whom the relay waits for; only when blocked, and none when that one has left meanwhile.
    pub(super) blocked_by: Option<RelayId>,
}

/// The relay of ours that has the host in zooid.
#[derive(Debug, sqlx::FromRow)]
struct Holder {
    relay_id: String,
    /// It wants another host now, or none.
    is_leaving: bool,
    /// It waits itself, directly or not, for the relay that was refused.
    waits_for_us: bool,
}

impl Cause {
    /// Looks at who has the host when a conflict is about one; every other failure is what it says.
    ///
    /// A holder that is about to leave blocks, one that stays is a conflict: as is one that waits for the refused relay in
    /// turn, for neither could ever move.
    pub(super) async fn find(
        tx: &mut WriteTx,
        run: &Run,
        failure: &SyncFailure,
    ) -> Result<Self, sqlx::Error> {
        let mut cause = Self {
            kind: failure.kind,
            message: failure.message.clone(),
            blocked_by: None,
        };
        if failure.kind != FailureKind::Conflict || failure.taken != Some(Taken::Host) {
            return Ok(cause);
        }
        let Some(holder) = holder(tx, run).await? else {
            if was_left_meanwhile(tx, run).await? {
                cause.kind = FailureKind::Blocked;
                cause.message = format!("{}; a relay of ours has left it since", cause.message);
            }
            return Ok(cause);
        };
        let relay = holder.relay_id;
        if !holder.is_leaving {
            cause.message = format!("{}; relay {relay} of ours has it", cause.message);
        } else if holder.waits_for_us {
            cause.message = format!(
                "{}; relay {relay} of ours has it and waits for this one's host in turn: give one of them another host first",
                cause.message
            );
        } else {
            cause.kind = FailureKind::Blocked;
            cause.message = format!(
                "{}; relay {relay} of ours still has it and is about to leave",
                cause.message
            );
            cause.blocked_by = relay.parse().ok();
        }
        Ok(cause)
    }
}

async fn holder(tx: &mut WriteTx, run: &Run) -> Result<Option<Holder>, sqlx::Error> {
    sqlx::query_as(
        "SELECT
             holder.relay_id,
             relay.removed_at IS NOT NULL
                 OR $1 <> CASE
                     WHEN relay.custom_domain_verified THEN relay.custom_domain
                     ELSE relay.subdomain || '.' || relay.zooid_domain
                 END AS is_leaving,
             EXISTS (
                 WITH RECURSIVE waits_for (relay_id) AS (
                     SELECT holder.blocked_by
                     UNION
                     SELECT relay_sync.blocked_by
                     FROM waits_for
                     CROSS JOIN relay_sync ON relay_sync.relay_id = waits_for.relay_id
                 )
                 SELECT 1
                 FROM waits_for
                 WHERE waits_for.relay_id = $2
             ) AS waits_for_us
         FROM relay_sync AS holder INDEXED BY relay_sync_by_host
         CROSS JOIN relay ON relay.id = holder.relay_id
         WHERE holder.accepted IS NOT NULL
           AND json_extract(holder.accepted, '$.host') = $1
           AND holder.target = $3
           AND holder.relay_id <> $2
         LIMIT 1",
    )
    .bind(&run.host)
    .bind(run.relay.as_str())
    .bind(run.target.as_str())
    .fetch_optional(&mut *tx)
    .await
}

/// Whether a relay of ours left the host after the refused attempt began.
async fn was_left_meanwhile(tx: &mut WriteTx, run: &Run) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT EXISTS (
             SELECT 1
             FROM relay_sync INDEXED BY relay_sync_by_left_host
             WHERE left_host = $1
               AND target = $2
               AND left_at >= (SELECT started_at FROM sync_attempt WHERE id = $3)
         )",
    )
    .bind(&run.host)
    .bind(run.target.as_str())
    .bind(run.attempt.get())
    .fetch_one(&mut *tx)
    .await
}
