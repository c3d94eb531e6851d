//! The `relay_domain` table: how far the custom domain of a relay is verified, and when it is looked up next.
//!
//! Triggers add and remove its rows with `relay.custom_domain`. Invariant: a due look-up is taken in a write that makes it
//! due no longer, so however many workers look, one of them makes it; one that dies over it leaves it due again when its
//! lease is over.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{FromRow, Row as _, SqliteExecutor, sqlite::SqliteRow};

use super::row::parsed;
use crate::{
    db::WriteTx,
    domain::{DomainCheck, DomainVerification, RelayId, ZooidDomain, canonical_name},
};

/// A custom domain that this worker, and no other, has to look up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueDomain {
    /// Whose it is.
    pub relay: RelayId,
    /// What to look up.
    pub check: DomainCheck,
    /// Until when it is this worker's, in unix milliseconds: what is found counts while nobody has taken it since.
    pub(crate) taken_until: i64,
}

/// A row. Times are unix milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayDomain {
    /// When the tenant named it.
    pub set_at: i64,
    /// How far it is verified.
    pub verification: DomainVerification,
    /// When it was last looked up.
    pub checked_at: Option<i64>,
    /// When it is looked up next; while somebody does, until when it is theirs.
    pub next_check_at: i64,
}

/// Whether a look-up is due.
///
/// # Errors
/// When the database refuses.
pub async fn any_due(
    executor: impl SqliteExecutor<'_>,
    now: DateTime<Utc>,
) -> Result<bool, sqlx::Error> {
    let due = sqlx::query(
        "SELECT 1
         FROM relay_domain
         WHERE next_check_at <= $1
         LIMIT 1",
    )
    .bind(now.timestamp_millis())
    .fetch_optional(executor)
    .await?;
    Ok(due.is_some())
}

/// Takes at most `limit` look-ups that are due, those first that have been for longest. Whoever takes one makes it within
/// `lease`. A row that breaks a rule of the domain is left out: it must not keep its neighbours from being looked up.
///
/// # Errors
/// When the database refuses.
pub async fn take_due(
    tx: &mut WriteTx,
    now: DateTime<Utc>,
    lease: Duration,
    limit: usize,
) -> Result<Vec<DueDomain>, sqlx::Error> {
    let taken_until = (now + lease).timestamp_millis();
    let taken = sqlx::query(
        "UPDATE relay_domain
         SET next_check_at = $2
         WHERE relay_id IN (
             SELECT due.relay_id
             FROM relay_domain AS due
             WHERE due.next_check_at <= $1
             ORDER BY due.next_check_at
             LIMIT $3
         )
         RETURNING
             relay_id,
             (SELECT custom_domain FROM relay WHERE id = relay_id) AS custom_domain,
             (SELECT subdomain FROM relay WHERE id = relay_id) AS subdomain,
             (SELECT zooid_domain FROM relay WHERE id = relay_id) AS zooid_domain",
    )
    .bind(now.timestamp_millis())
    .bind(taken_until)
    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
    .fetch_all(&mut *tx)
    .await?;
    let served = served_domains(tx).await?;
    let read = |row: &SqliteRow| -> Result<DueDomain, sqlx::Error> {
        Ok(DueDomain {
            relay: parsed(row, "relay_id")?,
            check: DomainCheck {
                domain: parsed(row, "custom_domain")?,
                canonical: canonical_name(
                    &parsed(row, "subdomain")?,
                    &parsed(row, "zooid_domain")?,
                ),
                served: served.clone(),
            },
            taken_until,
        })
    };
    Ok(taken
        .iter()
        .filter_map(|row| {
            read(row)
                .inspect_err(|error| {
                    let id: Option<&str> = row.try_get("relay_id").ok();
                    tracing::error!(relay.id = id, %error, "cannot read a custom domain");
                })
                .ok()
        })
        .collect())
}

/// Every domain under which some worker serves relays.
async fn served_domains(tx: &mut WriteTx) -> Result<Vec<ZooidDomain>, sqlx::Error> {
    let rows = sqlx::query("SELECT name FROM target")
        .fetch_all(&mut *tx)
        .await?;
    rows.iter().map(|row| parsed(row, "name")).collect()
}

/// The row of `relay`; `None` when it has no custom domain.
///
/// # Errors
/// When the database refuses.
pub async fn find(
    executor: impl SqliteExecutor<'_>,
    relay: &RelayId,
) -> Result<Option<RelayDomain>, sqlx::Error> {
    sqlx::query_as(
        "SELECT set_at, verified_at, failing_since, checked_at, next_check_at, error
         FROM relay_domain
         WHERE relay_id = $1",
    )
    .bind(relay.as_str())
    .fetch_optional(executor)
    .await
}

/// Writes what a look-up at `now` made of the domain of `relay`, and when the next one is due.
///
/// # Errors
/// When the database refuses.
pub async fn record(
    tx: &mut WriteTx,
    relay: &RelayId,
    now: DateTime<Utc>,
    verification: &DomainVerification,
    next: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE relay_domain
         SET verified_at = $2,
             failing_since = $3,
             error = $4,
             checked_at = $5,
             next_check_at = $6
         WHERE relay_id = $1",
    )
    .bind(relay.as_str())
    .bind(verification.verified_at)
    .bind(verification.failing_since)
    .bind(&verification.error)
    .bind(now.timestamp_millis())
    .bind(next.timestamp_millis())
    .execute(&mut *tx)
    .await?;
    Ok(())
}

impl FromRow<'_, SqliteRow> for RelayDomain {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            set_at: row.try_get("set_at")?,
            verification: DomainVerification {
                verified_at: row.try_get("verified_at")?,
                failing_since: row.try_get("failing_since")?,
                error: row.try_get("error")?,
            },
            checked_at: row.try_get("checked_at")?,
            next_check_at: row.try_get("next_check_at")?,
        })
    }
}
