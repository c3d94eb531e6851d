//! What the tables keep sealed, and sealing it anew.
//!
//! Invariant: a value that is sealed anew is the same value: nothing else in its row changes, the generation included, so
//! zooid need not be told.

use sqlx::SqliteExecutor;

use crate::{crypto::Sealed, db::WriteTx};

/// A column of sealed values, each bound to the key of its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vault {
    /// `relay.secret`, bound to `relay.id`.
    RelaySecrets,
    /// `tenant.nwc_url`, bound to `tenant.pubkey`.
    WalletUrls,
}

impl Vault {
    /// All there are.
    pub const ALL: [Self; 2] = [Self::RelaySecrets, Self::WalletUrls];

    /// What a row of it is called, by people.
    #[must_use]
    pub fn entity(self) -> &'static str {
        match self {
            Self::RelaySecrets => "relay",
            Self::WalletUrls => "tenant",
        }
    }
}

/// A row that has a sealed value, as it stands in the database.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct SealedRow {
    /// The key of the row, to which the value is bound.
    pub owner: String,
    /// The value, which may be malformed.
    pub sealed: String,
}

/// The first rows after `after`, in the order of their keys, whose values were not sealed under the key `key_id`.
///
/// # Errors
/// When the database refuses.
pub async fn list_outdated<'e>(
    executor: impl SqliteExecutor<'e>,
    vault: Vault,
    key_id: &str,
    after: &str,
    limit: u32,
) -> Result<Vec<SealedRow>, sqlx::Error> {
    // The id of its key is the second part of a value: see `Sealed`.
    let sql = match vault {
        Vault::RelaySecrets => {
            "SELECT id AS owner, secret AS sealed
             FROM relay
             WHERE id > $1
               AND substr(secret, 4, 8) <> $2
             ORDER BY id
             LIMIT $3"
        }
        Vault::WalletUrls => {
            "SELECT pubkey AS owner, nwc_url AS sealed
             FROM tenant
             WHERE pubkey > $1
               AND substr(nwc_url, 4, 8) <> $2
             ORDER BY pubkey
             LIMIT $3"
        }
    };
    sqlx::query_as(sql)
        .bind(after)
        .bind(key_id)
        .bind(limit)
        .fetch_all(executor)
        .await
}

/// Puts `sealed` in the place of the value in `row`, which must still be there.
///
/// # Errors
/// When the database refuses; [`sqlx::Error::RowNotFound`] when the row has another value by now.
pub async fn replace(
    tx: &mut WriteTx,
    vault: Vault,
    row: &SealedRow,
    sealed: &Sealed,
) -> Result<(), sqlx::Error> {
    let sql = match vault {
        Vault::RelaySecrets => {
            "UPDATE relay
             SET secret = $1
             WHERE id = $2
               AND secret = $3"
        }
        Vault::WalletUrls => {
            "UPDATE tenant
             SET nwc_url = $1
             WHERE pubkey = $2
               AND nwc_url = $3"
        }
    };
    let done = sqlx::query(sql)
        .bind(sealed.as_str())
        .bind(&row.owner)
        .bind(&row.sealed)
        .execute(&mut *tx)
        .await?;
    match done.rows_affected() {
        1 => Ok(()),
        _ => Err(sqlx::Error::RowNotFound),
    }
}
