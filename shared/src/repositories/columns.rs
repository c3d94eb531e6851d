//! Writing a row from the list of its columns, so that an entity names each of them once for insert and update alike.

use std::fmt;

use sqlx::{AssertSqlSafe, QueryBuilder, Sqlite, query::Query, sqlite::SqliteArguments};

use super::{Repository, StoreError};
use crate::db::WriteTx;

/// A column and what it is to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Column<'a> {
    pub(super) name: &'static str,
    pub(super) value: Value<'a>,
}

/// What a column can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Null,
    Integer(i64),
    Text(&'a str),
}

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("NULL"),
            Self::Integer(number) => number.fmt(f),
            Self::Text(text) => f.write_str(text),
        }
    }
}

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<bool> for Value<'_> {
    fn from(flag: bool) -> Self {
        Self::Integer(i64::from(flag))
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl<'a, T: Into<Value<'a>>> From<Option<T>> for Value<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// The column `name`, holding `value`.
pub(super) fn column<'a>(name: &'static str, value: impl Into<Value<'a>>) -> Column<'a> {
    Column {
        name,
        value: value.into(),
    }
}

/// The columns of `after` whose values differ from those of `before`, a list of the same columns in the same order.
pub(super) fn changed<'a>(before: &[Column<'_>], after: Vec<Column<'a>>) -> Vec<Column<'a>> {
    after
        .into_iter()
        .zip(before)
        .filter(|(after, before)| after != *before)
        .map(|(after, _)| after)
        .collect()
}

/// The statement that adds a row of these columns to `table`. Placeholders from `$first` on stand for their values, in
/// order: so that two such statements can be sent as one text, which costs one way to the connection's thread.
pub(super) fn insert_statement(table: &str, columns: &[Column<'_>], first: usize) -> String {
    let names: Vec<&str> = columns.iter().map(|column| column.name).collect();
    let values: Vec<String> = (first..first + columns.len())
        .map(|number| format!("${number}"))
        .collect();
    format!(
        "INSERT INTO {table} ({}) VALUES ({})",
        names.join(", "),
        values.join(", ")
    )
}

/// Gives the values of `columns` to the placeholders of [`insert_statement`].
pub(super) fn bind_all<'q>(
    query: Query<'q, Sqlite, SqliteArguments>,
    columns: &[Column<'_>],
) -> Query<'q, Sqlite, SqliteArguments> {
    columns
        .iter()
        .fold(query, |query, column| match column.value {
            Value::Null => query.bind(None::<i64>),
            Value::Integer(number) => query.bind(number),
            Value::Text(text) => query.bind(text.to_owned()),
        })
}

/// Adds a row that holds `columns`.
pub(super) async fn insert<R: Repository>(
    tx: &mut WriteTx,
    columns: &[Column<'_>],
) -> Result<(), StoreError> {
    let statement = AssertSqlSafe(insert_statement(R::TABLE, columns, 1));
    match bind_all(sqlx::query(statement), columns)
        .execute(&mut *tx)
        .await
    {
        Ok(_) => Ok(()),
        Err(error) => Err(StoreError::of_write::<R>(error, columns)),
    }
}

/// Writes `columns` into the row that still holds `guard`.
pub(super) async fn update<R: Repository>(
    tx: &mut WriteTx,
    columns: &[Column<'_>],
    guard: &[Column<'_>],
) -> Result<(), StoreError> {
    let mut query = QueryBuilder::new("UPDATE ");
    query.push(R::TABLE);
    for (index, column) in columns.iter().enumerate() {
        query.push(if index == 0 { " SET " } else { ", " });
        query.push(column.name).push(" = ");
        push_value(&mut query, column.value);
    }
    for (index, column) in guard.iter().enumerate() {
        query.push(if index == 0 { " WHERE " } else { " AND " });
        query.push(column.name).push(" = ");
        push_value(&mut query, column.value);
    }
    match query.build().execute(&mut *tx).await {
        Ok(done) if done.rows_affected() == 1 => Ok(()),
        Ok(_) => Err(StoreError::Database(sqlx::Error::RowNotFound)),
        Err(error) => Err(StoreError::of_write::<R>(error, columns)),
    }
}

fn push_value(query: &mut QueryBuilder<Sqlite>, value: Value<'_>) {
    match value {
        Value::Null => query.push("NULL"),
        Value::Integer(number) => query.push_bind(number),
        Value::Text(text) => query.push_bind(text.to_owned()),
    };
}
