//! The tables `dashboard_session` and `login_link`: who is signed in at the dashboard, and who may.
//!
//! Invariant: a token comes here as its keyed hash, and what is over is never found.

use chrono::{DateTime, Utc};
use sqlx::{FromRow, Row as _, SqliteExecutor, sqlite::SqliteRow};

use super::row::{parsed, undecodable};
use crate::{
    db::WriteTx,
    domain::{DashboardSession, Pubkey, SessionScope},
};

/// A link that signs in once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginLink {
    /// Whom.
    pub pubkey: Pubkey,
    /// To how much of what they may do.
    pub scope: SessionScope,
}

/// Begins a session, and forgets those that are over.
///
/// # Errors
/// When the database refuses.
pub async fn create(
    tx: &mut WriteTx,
    now: DateTime<Utc>,
    token_hash: &str,
    session: &DashboardSession,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "DELETE FROM dashboard_session
         WHERE expires_at <= $1",
    )
    .bind(now.timestamp_millis())
    .execute(&mut *tx)
    .await?;
    sqlx::query(
        "INSERT INTO dashboard_session (token_hash, pubkey, scope, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(token_hash)
    .bind(session.pubkey.as_hex())
    .bind(session.scope.as_str())
    .bind(now.timestamp_millis())
    .bind(session.expires_at.timestamp_millis())
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// The session of this token, unless it is over.
///
/// # Errors
/// When the database refuses.
pub async fn find<'e>(
    executor: impl SqliteExecutor<'e>,
    now: DateTime<Utc>,
    token_hash: &str,
) -> Result<Option<DashboardSession>, sqlx::Error> {
    sqlx::query_as(
        "SELECT pubkey, scope, expires_at
         FROM dashboard_session
         WHERE token_hash = $1
           AND expires_at > $2",
    )
    .bind(token_hash)
    .bind(now.timestamp_millis())
    .fetch_optional(executor)
    .await
}

/// Ends the session of this token, if there is one.
///
/// # Errors
/// When the database refuses.
pub async fn delete(tx: &mut WriteTx, token_hash: &str) -> Result<(), sqlx::Error> {
    sqlx::query(
        "DELETE FROM dashboard_session
         WHERE token_hash = $1",
    )
    .bind(token_hash)
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// Adds a link that is good until `expires_at`, and forgets those that are over.
///
/// # Errors
/// When the database refuses.
pub async fn create_link(
    tx: &mut WriteTx,
    now: DateTime<Utc>,
    token_hash: &str,
    link: &LoginLink,
    expires_at: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "DELETE FROM login_link
         WHERE expires_at <= $1",
    )
    .bind(now.timestamp_millis())
    .execute(&mut *tx)
    .await?;
    sqlx::query(
        "INSERT INTO login_link (token_hash, pubkey, scope, expires_at)
         VALUES ($1, $2, $3, $4)",
    )
    .bind(token_hash)
    .bind(link.pubkey.as_hex())
    .bind(link.scope.as_str())
    .bind(expires_at.timestamp_millis())
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// Takes the link of this token out, unless it is over: nobody finds it again.
///
/// # Errors
/// When the database refuses.
pub async fn take_link(
    tx: &mut WriteTx,
    now: DateTime<Utc>,
    token_hash: &str,
) -> Result<Option<LoginLink>, sqlx::Error> {
    sqlx::query_as(
        "DELETE FROM login_link
         WHERE token_hash = $1
           AND expires_at > $2
         RETURNING pubkey, scope",
    )
    .bind(token_hash)
    .bind(now.timestamp_millis())
    .fetch_optional(&mut *tx)
    .await
}

impl FromRow<'_, SqliteRow> for DashboardSession {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        let expires_at = DateTime::from_timestamp_millis(row.try_get("expires_at")?)
            .ok_or_else(|| undecodable("expires_at", "not a time"))?;
        Ok(Self {
            pubkey: parsed(row, "pubkey")?,
            scope: parsed(row, "scope")?,
            expires_at,
        })
    }
}

impl FromRow<'_, SqliteRow> for LoginLink {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            pubkey: parsed(row, "pubkey")?,
            scope: parsed(row, "scope")?,
        })
    }
}
