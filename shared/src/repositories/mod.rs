//! The tables as Rust reads and writes them: one file a table.
//!
//! Invariants: reads run on any executor (the reader pool, a connection, an open write transaction), writes only on a
//! [`WriteTx`]; a row becomes an entity through the parsers of `domain` or not at all; a value that must be unique and is
//! not comes back as [`StoreError::AlreadyExists`]. What an entity can do is the traits it implements.

pub mod activity;
mod columns;
pub mod dashboard_session;
mod error;
pub(crate) mod follow;
pub mod operator;
pub mod operator_action;
#[cfg(test)]
mod plans;
pub mod relay;
pub mod relay_domain;
pub mod relay_sync;
pub(crate) mod relay_sync_filter;
pub mod request;
mod row;
pub mod sealed;
pub mod tenant;

use chrono::{DateTime, Utc};
use sqlx::SqliteExecutor;

pub use error::StoreError;

use crate::db::WriteTx;

/// An entity that has a table.
pub trait Repository: Sized + Send {
    /// What the entity is called, in errors and by people.
    const ENTITY: &'static str;
    /// Its table.
    const TABLE: &'static str;
}

/// An entity with a key of its own.
pub trait FindById: Repository {
    /// The key.
    type Id: Sync;

    /// The entity with this key, if there is one.
    ///
    /// # Errors
    /// When the database refuses, or the row breaks a rule of the domain.
    fn find_by_id<'e>(
        executor: impl SqliteExecutor<'e>,
        id: &Self::Id,
    ) -> impl Future<Output = Result<Option<Self>, sqlx::Error>> + Send;
}

/// An entity that is read in pages.
pub trait List: Repository {
    /// Which rows are wanted.
    type Filter: Sync;
    /// What a page begins after: the sort key of the last row of the page before.
    type Cursor: Sync;

    /// A page of the entities that pass `filter`, in the order the implementation documents.
    ///
    /// # Errors
    /// When the database refuses, or a row breaks a rule of the domain.
    fn list<'e>(
        executor: impl SqliteExecutor<'e>,
        filter: &Self::Filter,
        page: &Pagination<Self::Cursor>,
    ) -> impl Future<Output = Result<Vec<Self>, sqlx::Error>> + Send;
}

/// An entity that can be added.
pub trait Create: Repository {
    /// All that the new row holds.
    type New;

    /// Adds the row.
    ///
    /// # Errors
    /// [`StoreError::AlreadyExists`] for a value that must be unique, [`StoreError::UnknownTenant`] for an owner who is
    /// none, else what the database says.
    fn create(
        tx: &mut WriteTx,
        new: Self::New,
    ) -> impl Future<Output = Result<Self, StoreError>> + Send;
}

/// An entity that can be changed.
pub trait Update: Repository {
    /// Writes the columns in which `after` differs from `before`, and returns the row as it then is.
    ///
    /// `before` must have been read in this same transaction: nobody can have changed the row since.
    ///
    /// # Errors
    /// [`StoreError::AlreadyExists`] for a value that must be unique, else what the database says:
    /// [`sqlx::Error::RowNotFound`] when the row is not in the state `before` says.
    fn update(
        tx: &mut WriteTx,
        before: &Self,
        after: &Self,
        now: DateTime<Utc>,
    ) -> impl Future<Output = Result<Self, StoreError>> + Send;
}

/// Which way a list is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// In its own order.
    Forward,
    /// From its end.
    Backward,
}

/// Which part of a list to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pagination<C> {
    /// Begin after the row with this sort key; at the beginning when `None`.
    pub after: Option<C>,
    /// At most so many rows; all when `None`.
    pub limit: Option<u32>,
    /// Which way.
    pub direction: Direction,
}

impl<C> Pagination<C> {
    /// The whole list.
    #[must_use]
    pub fn all() -> Self {
        Self {
            after: None,
            limit: None,
            direction: Direction::Forward,
        }
    }

    /// The first `limit` rows.
    #[must_use]
    pub fn first(limit: u32) -> Self {
        Self {
            after: None,
            limit: Some(limit),
            direction: Direction::Forward,
        }
    }

    /// The limit as SQLite reads it: a negative one is none (<https://sqlite.org/lang_select.html#limitoffset>).
    fn sql_limit(&self) -> i64 {
        self.limit.map_or(-1, i64::from)
    }
}
