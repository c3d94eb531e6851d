//! What is remembered of requests: the `idempotency_key` and `seen_event` tables.

use chrono::{DateTime, Utc};

use crate::{db::WriteTx, domain::Pubkey};

/// Rows that one write prunes at most: others wait for it.
const PRUNED_MAX: i64 = 100;

/// How long an answer is kept for a repeated request, in seconds.
pub const KEY_LIFE_SECONDS: i64 = 24 * 60 * 60;

/// A request that its client may repeat without doing it twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestKey {
    /// Who signed it.
    pub signer: Pubkey,
    /// Verb and pattern of its route.
    pub route: &'static str,
    /// What the client calls it.
    pub key: String,
    /// SHA-256 of its body, as hex.
    pub body_hash: String,
}

/// What a request was answered with the first time.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct FirstAnswer {
    /// SHA-256 of the body it had, as hex.
    pub body_hash: String,
    /// The answer, as JSON.
    pub answer: String,
}

/// The answer that a request of this signer, route and key got within [`KEY_LIFE_SECONDS`].
///
/// # Errors
/// When the database refuses.
pub async fn first_answer(
    tx: &mut WriteTx,
    request: &RequestKey,
    now: DateTime<Utc>,
) -> Result<Option<FirstAnswer>, sqlx::Error> {
    sqlx::query_as(
        "SELECT body_hash, answer
         FROM idempotency_key
         WHERE signer = $1
           AND route = $2
           AND key = $3
           AND created_at > $4",
    )
    .bind(request.signer.as_hex())
    .bind(request.route)
    .bind(&request.key)
    .bind(now.timestamp() - KEY_LIFE_SECONDS)
    .fetch_optional(&mut *tx)
    .await
}

/// Remembers what `request` was answered with, and forgets some that are too old.
///
/// # Errors
/// When the database refuses.
pub async fn remember_answer(
    tx: &mut WriteTx,
    request: &RequestKey,
    answer: &str,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "DELETE FROM idempotency_key
         WHERE (signer, route, key) IN (
             SELECT signer, route, key
             FROM idempotency_key
             WHERE created_at <= $1
             LIMIT $2
         )",
    )
    .bind(now.timestamp() - KEY_LIFE_SECONDS)
    .bind(PRUNED_MAX)
    .execute(&mut *tx)
    .await?;
    sqlx::query(
        "INSERT OR REPLACE INTO idempotency_key (signer, route, key, body_hash, answer, created_at)
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(request.signer.as_hex())
    .bind(request.route)
    .bind(&request.key)
    .bind(&request.body_hash)
    .bind(answer)
    .bind(now.timestamp())
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// Uses up the signed event `id`, which is accepted until `expires_at` (Unix seconds). Answers whether it was unused.
///
/// # Errors
/// When the database refuses.
pub async fn use_event(
    tx: &mut WriteTx,
    id: &str,
    expires_at: i64,
    now: DateTime<Utc>,
) -> Result<bool, sqlx::Error> {
    sqlx::query(
        "DELETE FROM seen_event
         WHERE id IN (SELECT id FROM seen_event WHERE expires_at < $1 LIMIT $2)",
    )
    .bind(now.timestamp())
    .bind(PRUNED_MAX)
    .execute(&mut *tx)
    .await?;
    let used = sqlx::query(
        "INSERT INTO seen_event (id, expires_at)
         VALUES ($1, $2)
         ON CONFLICT (id) DO NOTHING",
    )
    .bind(id)
    .bind(expires_at)
    .execute(&mut *tx)
    .await?;
    Ok(used.rows_affected() > 0)
}
