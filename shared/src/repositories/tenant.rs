//! The `tenant` table. The sealed wallet URL in it is written here and read by nobody but billing.

use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use sqlx::{FromRow, QueryBuilder, Row as _, SqliteExecutor, sqlite::SqliteRow};
use utoipa::ToSchema;

use super::{
    Create, Direction, FindById, List, Pagination, Repository, StoreError, Update,
    columns::{Column, changed, column, insert, update},
    row::parsed,
};
use crate::{
    crypto::Sealed,
    db::WriteTx,
    domain::{Flag, Malformed, Pubkey, Tenant},
};

/// The columns of a [`Tenant`], for a `SELECT`.
macro_rules! select {
    () => {
        "SELECT
             pubkey,
             return_url,
             nwc_url IS NOT NULL AS nwc_is_set,
             created_at,
             billing_anchor,
             stripe_customer_id,
             stripe_payment_method_id,
             stripe_subscription_id,
             nwc_error,
             stripe_error,
             past_due_at,
             churned_at
         FROM tenant "
    };
}

impl Repository for Tenant {
    const ENTITY: &'static str = "tenant";
    const TABLE: &'static str = "tenant";
}

impl FindById for Tenant {
    type Id = Pubkey;

    async fn find_by_id<'e>(
        executor: impl SqliteExecutor<'e>,
        id: &Pubkey,
    ) -> Result<Option<Self>, sqlx::Error> {
        sqlx::query_as(concat!(select!(), "WHERE pubkey = $1"))
            .bind(id.as_hex())
            .fetch_optional(executor)
            .await
    }
}

/// Where a tenant stands in the list of all: by creation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantCursor {
    /// Unix seconds.
    pub created_at: i64,
    /// Tells apart those of the same second.
    pub pubkey: Pubkey,
}

impl TenantCursor {
    /// The one that a page ends with whose last row is `tenant`.
    #[must_use]
    pub fn of(tenant: &Tenant) -> Self {
        Self {
            created_at: tenant.created_at,
            pubkey: tenant.pubkey.clone(),
        }
    }
}

/// `<created_at>.<pubkey>`.
impl fmt::Display for TenantCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.created_at, self.pubkey)
    }
}

impl FromStr for TenantCursor {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let parsed = text.split_once('.').and_then(|(created_at, pubkey)| {
            Some(Self {
                created_at: created_at.parse().ok()?,
                pubkey: pubkey.parse().ok()?,
            })
        });
        parsed.ok_or(Malformed {
            what: "cursor",
            rule: "must be from the link to the next page",
        })
    }
}

/// Which tenants to list: those that pass every filter given.
#[derive(Debug, Clone, Default, PartialEq, Eq, ToSchema)]
pub struct TenantFilter {
    /// Whether a wallet is connected.
    #[schema(value_type = Option<Flag>)]
    pub nwc_is_set: Option<bool>,
    /// Whether a payment is overdue.
    #[schema(value_type = Option<Flag>)]
    pub past_due: Option<bool>,
    /// Whether the tenant left.
    #[schema(value_type = Option<Flag>)]
    pub churned: Option<bool>,
}

impl List for Tenant {
    type Filter = TenantFilter;
    type Cursor = TenantCursor;

    /// Oldest first.
    async fn list<'e>(
        executor: impl SqliteExecutor<'e>,
        filter: &TenantFilter,
        page: &Pagination<TenantCursor>,
    ) -> Result<Vec<Self>, sqlx::Error> {
        let (compared, from_end, order) = match page.direction {
            Direction::Forward => ("> (", i64::MIN, " ORDER BY created_at, pubkey LIMIT "),
            Direction::Backward => (
                "< (",
                i64::MAX,
                " ORDER BY created_at DESC, pubkey DESC LIMIT ",
            ),
        };
        let (created_at, pubkey) = match &page.after {
            Some(last) => (last.created_at, last.pubkey.as_hex()),
            None => (from_end, ""),
        };
        let mut query = QueryBuilder::new(concat!(select!(), "WHERE (created_at, pubkey) "));
        query.push(compared).push_bind(created_at);
        query.push(", ").push_bind(pubkey.to_owned()).push(")");
        for (column, is_set) in [
            ("nwc_url", filter.nwc_is_set),
            ("past_due_at", filter.past_due),
            ("churned_at", filter.churned),
        ] {
            if let Some(is_set) = is_set {
                let condition = if is_set { " IS NOT NULL" } else { " IS NULL" };
                query.push(" AND ").push(column).push(condition);
            }
        }
        query.push(order).push_bind(page.sql_limit());
        query.build_query_as().fetch_all(executor).await
    }
}

impl Create for Tenant {
    type New = Self;

    async fn create(tx: &mut WriteTx, tenant: Self) -> Result<Self, StoreError> {
        let mut columns = columns(&tenant);
        columns.extend([
            column("pubkey", tenant.pubkey.as_hex()),
            column("created_at", tenant.created_at),
            column("updated_at", tenant.created_at),
        ]);
        insert::<Self>(tx, &columns).await?;
        Ok(tenant)
    }
}

impl Update for Tenant {
    async fn update(
        tx: &mut WriteTx,
        before: &Self,
        after: &Self,
        now: DateTime<Utc>,
    ) -> Result<Self, StoreError> {
        let mut columns = changed(&columns(before), columns(after));
        columns.push(column("updated_at", now.timestamp()));
        let guard = [column("pubkey", before.pubkey.as_hex())];
        update::<Self>(tx, &columns, &guard).await?;
        Ok(after.clone())
    }
}

/// Writes the tenant's sealed wallet URL; `None` forgets it.
///
/// # Errors
/// When the database refuses, [`sqlx::Error::RowNotFound`] when there is no such tenant.
pub async fn set_nwc_url(
    tx: &mut WriteTx,
    pubkey: &Pubkey,
    nwc_url: Option<&Sealed>,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let columns = [
        column("nwc_url", nwc_url.map(Sealed::as_str)),
        column("updated_at", now.timestamp()),
    ];
    update::<Tenant>(tx, &columns, &[column("pubkey", pubkey.as_hex())]).await
}

/// What can change, the wallet URL aside.
fn columns(tenant: &Tenant) -> Vec<Column<'_>> {
    vec![
        column("return_url", tenant.return_url.as_deref()),
        column("billing_anchor", tenant.billing_anchor),
        column("stripe_customer_id", tenant.stripe_customer_id.as_deref()),
        column(
            "stripe_payment_method_id",
            tenant.stripe_payment_method_id.as_deref(),
        ),
        column(
            "stripe_subscription_id",
            tenant.stripe_subscription_id.as_deref(),
        ),
        column("nwc_error", tenant.nwc_error.as_deref()),
        column("stripe_error", tenant.stripe_error.as_deref()),
        column("past_due_at", tenant.past_due_at),
        column("churned_at", tenant.churned_at),
    ]
}

impl FromRow<'_, SqliteRow> for Tenant {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            pubkey: parsed(row, "pubkey")?,
            return_url: row.try_get("return_url")?,
            nwc_is_set: row.try_get("nwc_is_set")?,
            created_at: row.try_get("created_at")?,
            billing_anchor: row.try_get("billing_anchor")?,
            stripe_customer_id: row.try_get("stripe_customer_id")?,
            stripe_payment_method_id: row.try_get("stripe_payment_method_id")?,
            stripe_subscription_id: row.try_get("stripe_subscription_id")?,
            nwc_error: row.try_get("nwc_error")?,
            stripe_error: row.try_get("stripe_error")?,
            past_due_at: row.try_get("past_due_at")?,
            churned_at: row.try_get("churned_at")?,
        })
    }
}
