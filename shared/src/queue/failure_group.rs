//! Failures with one cause, found again: the group that a failed attempt belongs to.

use chrono::{DateTime, Utc};

use crate::{
    db::WriteTx,
    domain::{self, FailureKind, ZooidDomain},
};

/// The group of a failure, made if it is the first of its kind. Attempts and relays are counted by triggers.
pub(super) async fn find_or_add(
    tx: &mut WriteTx,
    now: DateTime<Utc>,
    target: &ZooidDomain,
    kind: FailureKind,
    status: Option<u16>,
    message: &str,
) -> Result<i64, sqlx::Error> {
    let pattern = domain::pattern(message);
    sqlx::query_scalar(
        "INSERT INTO failure_group (fingerprint, target, kind, http_status, pattern, message, first_seen_at, last_seen_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $7)
         ON CONFLICT (fingerprint) DO UPDATE
         SET message = excluded.message
         RETURNING id",
    )
    .bind(domain::fingerprint(target.as_str(), kind, status, &pattern))
    .bind(target.as_str())
    .bind(kind.as_str())
    .bind(status)
    .bind(&pattern)
    .bind(message)
    .bind(now.timestamp_millis())
    .fetch_one(&mut *tx)
    .await
}
