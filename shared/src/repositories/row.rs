//! Reading typed values from rows: what is text in SQLite passes the parser that requests pass.

use std::{error::Error, str::FromStr};

use sqlx::{Row as _, sqlite::SqliteRow};

/// The value of a text column.
pub(super) fn parsed<T>(row: &SqliteRow, column: &str) -> Result<T, sqlx::Error>
where
    T: FromStr<Err: Error + Send + Sync + 'static>,
{
    let text: &str = row.try_get(column)?;
    text.parse().map_err(|error| undecodable(column, error))
}

/// The value of a text column that can be NULL.
pub(super) fn parsed_option<T>(row: &SqliteRow, column: &str) -> Result<Option<T>, sqlx::Error>
where
    T: FromStr<Err: Error + Send + Sync + 'static>,
{
    let text: Option<&str> = row.try_get(column)?;
    text.map(str::parse)
        .transpose()
        .map_err(|error| undecodable(column, error))
}

/// `column` holds what its type does not allow.
pub(super) fn undecodable(
    column: &str,
    error: impl Into<Box<dyn Error + Send + Sync>>,
) -> sqlx::Error {
    sqlx::Error::ColumnDecode {
        index: column.to_owned(),
        source: error.into(),
    }
}
