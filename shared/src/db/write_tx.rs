//! The transaction a closure works on: an executor, and a place to leave what must happen after the commit.

use std::sync::{Arc, OnceLock};

use futures::{
    FutureExt, StreamExt,
    future::{self, BoxFuture},
    stream::{self, BoxStream},
};
use sqlx::{
    Describe, Either, Execute, Executor, SqlStr, Sqlite, SqliteConnection,
    sqlite::{SqliteArguments, SqliteQueryResult, SqliteRow, SqliteStatement, SqliteTypeInfo},
};

use super::{
    guard::control_statement,
    wake::{Due, WakeKind},
};
use crate::domain::Activity;

/// Result codes after which SQLite has undone the whole transaction, not just a statement: NOMEM, IOERR, CORRUPT, FULL
/// (<https://sqlite.org/lang_transaction.html>, "Response To Errors Within A Transaction").
const FATAL_CODES: [i32; 4] = [7, 10, 11, 13];

/// An open write transaction, lent to one closure.
///
/// Statements run through it as through a connection (`query.execute(&mut *tx)`). It has no way to begin, commit or roll
/// back, and refuses SQL text that would.
#[derive(Debug)]
pub struct WriteTx {
    connection: SqliteConnection,
    /// The error that made SQLite undo the whole transaction, if one did.
    lost: Arc<OnceLock<String>>,
    staged: Staged,
    /// The texts that ran, for the tests of what they cost.
    #[cfg(test)]
    pub(crate) ran: std::collections::BTreeSet<String>,
}

/// A step that can be undone alone, between [`WriteTx::nest`] and [`WriteTx::settle`].
#[derive(Debug)]
#[must_use = "a step that is not settled stays open until the closure ends"]
pub struct Nested {
    activities: usize,
    wake: Due,
}

/// What a closure leaves for after the commit; dropped when the closure is undone.
#[derive(Debug, Default)]
pub(super) struct Staged {
    pub(super) activities: Vec<Activity>,
    pub(super) wake: Due,
}

impl WriteTx {
    pub(super) fn new(connection: SqliteConnection) -> Self {
        Self {
            connection,
            lost: Arc::default(),
            staged: Staged::default(),
            #[cfg(test)]
            ran: std::collections::BTreeSet::new(),
        }
    }

    /// Announces an activity to followers once this write is durable.
    pub fn publish(&mut self, activity: Activity) {
        self.staged.activities.push(activity);
        self.staged.wake.add(WakeKind::Follower);
    }

    /// Wakes the listeners of that kind, in every process, once this write is durable.
    pub fn wake(&mut self, kind: WakeKind) {
        self.staged.wake.add(kind);
    }

    /// Begins a step that can be undone alone: what it writes until [`WriteTx::settle`] stays or goes with its result.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn nest(&mut self) -> Result<Nested, sqlx::Error> {
        self.control("SAVEPOINT nested").await?;
        Ok(Nested {
            activities: self.staged.activities.len(),
            wake: self.staged.wake,
        })
    }

    /// Ends a step: keeps what it wrote when `result` is `Ok`, undoes it otherwise, and answers `result`.
    ///
    /// # Errors
    /// The error in `result`, or the database's when it refuses to end the step.
    pub async fn settle<T, E>(&mut self, nested: Nested, result: Result<T, E>) -> Result<T, E>
    where
        E: From<sqlx::Error>,
    {
        let end = if result.is_ok() {
            "RELEASE nested"
        } else {
            self.staged.activities.truncate(nested.activities);
            self.staged.wake = nested.wake;
            "ROLLBACK TO nested; RELEASE nested"
        };
        self.control(end).await?;
        result
    }

    /// Runs transaction control of our own. Once the transaction is lost a SAVEPOINT would begin a new one, so nothing may
    /// run then; and when control fails, nobody knows what still holds: that loses it too.
    async fn control(&mut self, sql: &'static str) -> Result<(), sqlx::Error> {
        if let Some(cause) = self.lost_to() {
            return Err(sqlx::Error::Protocol(cause));
        }
        if let Err(error) = self.connection.execute(sqlx::query(sql)).await {
            let _ = self.lost.set(error.to_string());
            return Err(error);
        }
        Ok(())
    }

    /// The error that made SQLite undo the whole transaction, if one did: nothing more may be written on it.
    pub(crate) fn lost_to(&self) -> Option<String> {
        self.lost.get().cloned()
    }

    pub(super) fn take_staged(&mut self) -> Staged {
        std::mem::take(&mut self.staged)
    }

    /// The connection itself, for the writer's own transaction control.
    pub(super) fn connection(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }

    pub(super) fn into_connection(self) -> SqliteConnection {
        self.connection
    }

    fn refuse(&self, sql: &str) -> Option<sqlx::Error> {
        if self.lost.get().is_some() {
            return Some(sqlx::Error::Protocol(
                "the write transaction was undone by an earlier error".to_owned(),
            ));
        }
        control_statement(sql).map(|word| {
            sqlx::Error::Protocol(format!("{word} is not allowed inside a write closure"))
        })
    }
}

/// The primary result code of an error that SQLite reported (<https://sqlite.org/rescode.html>).
pub(super) fn primary_code(error: &sqlx::Error) -> Option<i32> {
    let extended: i32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(extended & 0xff)
}

/// Notes on `lost` when an error has undone the whole transaction.
fn note<T>(lost: &OnceLock<String>, result: Result<T, sqlx::Error>) -> Result<T, sqlx::Error> {
    if let Err(error) = &result
        && primary_code(error).is_some_and(|code| FATAL_CODES.contains(&code))
    {
        let _ = lost.set(error.to_string());
    }
    result
}

/// A query whose text has been looked at: what sqlx needs of it to run.
type Checked = (SqlStr, Option<SqliteArguments>);

fn check<'q, E>(tx: &mut WriteTx, mut query: E) -> Result<Checked, sqlx::Error>
where
    E: 'q + Execute<'q, Sqlite>,
{
    let arguments = query.take_arguments().map_err(sqlx::Error::Encode)?;
    let sql = query.sql();
    #[cfg(test)]
    tx.ran.insert(sql.as_str().to_owned());
    match tx.refuse(sql.as_str()) {
        Some(error) => Err(error),
        None => Ok((sql, arguments)),
    }
}

impl<'c> Executor<'c> for &'c mut WriteTx {
    type Database = Sqlite;

    fn fetch_many<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxStream<'e, Result<Either<SqliteQueryResult, SqliteRow>, sqlx::Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Sqlite>,
    {
        let lost = Arc::clone(&self.lost);
        match check(self, query) {
            Ok(query) => self
                .connection
                .fetch_many(query)
                .map(move |row| note(&lost, row))
                .boxed(),
            Err(error) => stream::once(future::ready(Err(error))).boxed(),
        }
    }

    fn fetch_optional<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxFuture<'e, Result<Option<SqliteRow>, sqlx::Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Sqlite>,
    {
        let lost = Arc::clone(&self.lost);
        match check(self, query) {
            Ok(query) => self
                .connection
                .fetch_optional(query)
                .map(move |row| note(&lost, row))
                .boxed(),
            Err(error) => future::ready(Err(error)).boxed(),
        }
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [SqliteTypeInfo],
    ) -> BoxFuture<'e, Result<SqliteStatement, sqlx::Error>>
    where
        'c: 'e,
    {
        match self.refuse(sql.as_str()) {
            Some(error) => future::ready(Err(error)).boxed(),
            None => self.connection.prepare_with(sql, parameters),
        }
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<Sqlite>, sqlx::Error>>
    where
        'c: 'e,
    {
        match self.refuse(sql.as_str()) {
            Some(error) => future::ready(Err(error)).boxed(),
            None => self.connection.describe(sql),
        }
    }
}
