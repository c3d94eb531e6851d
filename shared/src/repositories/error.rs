//! Why a row could not be written, in the words of the domain.

use sqlx::error::ErrorKind;

use super::{Repository, columns::Column};
use crate::domain::Pubkey;

/// What SQLite's message for a broken unique constraint begins with; the columns follow, as `table.column`, in the
/// order of the index.
const UNIQUE_FAILED: &str = "UNIQUE constraint failed: ";

/// A row could not be written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another row has the value already.
    #[error("a {entity} with {field} {value} exists already")]
    AlreadyExists {
        /// What the row is.
        entity: &'static str,
        /// The field whose value is taken.
        field: &'static str,
        /// The value.
        value: String,
    },
    /// The row belongs to a tenant that does not exist.
    #[error("there is no tenant {0}")]
    UnknownTenant(Pubkey),
    /// Anything else the database says.
    #[error("cannot write to the database")]
    Database(#[from] sqlx::Error),
}

impl StoreError {
    /// The meaning of `error`, raised while `columns` of an `R` were written.
    ///
    /// An index over several columns is about the last of them: those before it say where it must be unique.
    pub(super) fn of_write<R: Repository>(error: sqlx::Error, columns: &[Column<'_>]) -> Self {
        let taken = error
            .as_database_error()
            .filter(|error| error.kind() == ErrorKind::UniqueViolation)
            .and_then(|error| error.message().strip_prefix(UNIQUE_FAILED))
            .and_then(|index| index.rsplit('.').next())
            .and_then(|name| columns.iter().find(|column| column.name == name));
        match taken {
            Some(column) => Self::AlreadyExists {
                entity: R::ENTITY,
                field: column.name,
                value: column.value.to_string(),
            },
            None => Self::Database(error),
        }
    }
}

/// Whether a row refers to one that does not exist. SQLite does not say which foreign key it was.
pub(super) fn is_dangling(error: &StoreError) -> bool {
    match error {
        StoreError::Database(error) => error
            .as_database_error()
            .is_some_and(|error| error.kind() == ErrorKind::ForeignKeyViolation),
        StoreError::AlreadyExists { .. } | StoreError::UnknownTenant(_) => false,
    }
}
