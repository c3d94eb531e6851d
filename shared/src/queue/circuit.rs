//! The circuit of a target: after failures that are the target's and no relay's, its jobs are held, and spend nothing.
//!
//! It opens after [`FAILURES_TO_OPEN`] such failures in a row from at least two relays, or at once when zooid refuses our
//! credentials; one bad relay alone never opens it. The jobs stay where they are: claims pass over the whole target. A
//! probe closes it (`probe.rs`). The pause between two probes grows until a sync has been accepted, so a target that
//! answers probes and still fails every sync is not called ever faster.

use chrono::{DateTime, Utc};

use super::probe;
use crate::{
    db::WriteTx,
    domain::{Opens, RelayId, ZooidDomain},
};

/// Failures of a target in a row that open its circuit.
const FAILURES_TO_OPEN: i64 = 5;

/// A failure of the target itself; opens the circuit if it is one too many. `reason` is for operators: redacted.
pub(super) async fn count_failure(
    tx: &mut WriteTx,
    now: DateTime<Utc>,
    target: &ZooidDomain,
    relay: &RelayId,
    opens: Opens,
    reason: &str,
) -> Result<(), sqlx::Error> {
    let now = now.timestamp_millis();
    let (open, since, probe_failures): (bool, i64, u32) = sqlx::query_as(
        "INSERT INTO target (name, circuit_since, failures, first_failed_relay)
         VALUES ($1, $2, 1, $3)
         ON CONFLICT (name) DO UPDATE
         SET failures = failures + 1,
             several_relays = several_relays OR coalesce(first_failed_relay <> excluded.first_failed_relay, 0),
             first_failed_relay = coalesce(first_failed_relay, excluded.first_failed_relay)
         RETURNING
             circuit_state = 'closed' AND ($4 OR (failures >= $5 AND several_relays)),
             circuit_since,
             probe_failures",
    )
    .bind(target.as_str())
    .bind(now)
    .bind(relay.as_str())
    .bind(opens == Opens::AtOnce)
    .bind(FAILURES_TO_OPEN)
    .fetch_one(&mut *tx)
    .await?;
    if !open {
        return Ok(());
    }
    let first_probe = now.saturating_add_unsigned(
        u64::try_from(probe::pause(probe_failures).as_millis()).unwrap_or(u64::MAX),
    );
    sqlx::query(
        "UPDATE target
         SET circuit_state = 'open',
             circuit_since = $2,
             circuit_reason = $3,
             next_probe_at = $4
         WHERE name = $1",
    )
    .bind(target.as_str())
    .bind(now)
    .bind(reason)
    .bind(first_probe)
    .execute(&mut *tx)
    .await?;
    tracing::warn!(%target, reason, closed_since = since, "the circuit opened; its jobs are held until a probe succeeds");
    Ok(())
}

/// The target answered as it should, even if it said no: its failures were not in a row.
pub(super) async fn count_answer(
    tx: &mut WriteTx,
    target: &ZooidDomain,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE target
         SET failures = 0,
             several_relays = 0,
             first_failed_relay = NULL
         WHERE name = $1
           AND failures > 0
           AND circuit_state = 'closed'",
    )
    .bind(target.as_str())
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// The target asked for a pause (429 or 503 with Retry-After): nothing of its is claimed before `until`, in unix seconds.
pub(super) async fn hold_back(
    tx: &mut WriteTx,
    now: DateTime<Utc>,
    target: &ZooidDomain,
    until: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO target (name, circuit_since, not_before)
         VALUES ($1, $2, $3)
         ON CONFLICT (name) DO UPDATE
         SET not_before = max(coalesce(not_before, 0), excluded.not_before)",
    )
    .bind(target.as_str())
    .bind(now.timestamp_millis())
    .bind(until)
    .execute(&mut *tx)
    .await?;
    Ok(())
}
