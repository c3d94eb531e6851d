//! One state of the database, for all statements of an answer.

use sqlx::{
    FromRow, QueryBuilder, Sqlite, SqliteConnection, SqlitePool, Transaction, sqlite::SqliteRow,
};

/// A read transaction: writers go on meanwhile, and what they write is not seen. It ends when it is dropped.
#[derive(Debug)]
pub struct Snapshot {
    tx: Transaction<'static, Sqlite>,
    /// The texts that ran, for the tests of what they cost.
    #[cfg(test)]
    pub(crate) ran: std::collections::BTreeSet<String>,
}

impl Snapshot {
    /// The present state.
    ///
    /// # Errors
    /// When no connection of `readers` can be had.
    pub async fn of(readers: &SqlitePool) -> Result<Self, sqlx::Error> {
        Ok(Self {
            tx: readers.begin().await?,
            #[cfg(test)]
            ran: std::collections::BTreeSet::new(),
        })
    }

    /// The connection, for reads that others share.
    pub fn connection(&mut self) -> &mut SqliteConnection {
        &mut self.tx
    }

    /// Every row of the answer.
    pub(in crate::repositories) async fn all<T>(
        &mut self,
        mut query: QueryBuilder<Sqlite>,
    ) -> Result<Vec<T>, sqlx::Error>
    where
        T: for<'r> FromRow<'r, SqliteRow> + Send + Unpin,
    {
        #[cfg(test)]
        self.ran.insert(query.sql().as_str().to_owned());
        query.build_query_as().fetch_all(&mut *self.tx).await
    }

    /// The first row, if there is one.
    pub(in crate::repositories) async fn first<T>(
        &mut self,
        mut query: QueryBuilder<Sqlite>,
    ) -> Result<Option<T>, sqlx::Error>
    where
        T: for<'r> FromRow<'r, SqliteRow> + Send + Unpin,
    {
        #[cfg(test)]
        self.ran.insert(query.sql().as_str().to_owned());
        query.build_query_as().fetch_optional(&mut *self.tx).await
    }
}
