//! Every read that people and programs ask for. Reads never wait for writers.

mod follow;
pub mod operator;

use sqlx::SqlitePool;

pub use follow::{Changed, News, Position};

use crate::{
    db::Db,
    domain::{Activity, Plan, Pubkey, Relay, RelayId, Tenant, plans},
    repositories::{
        FindById, List as _, Pagination,
        activity::{self, ActivityFilter},
        relay::RelayFilter,
        tenant::{TenantCursor, TenantFilter},
    },
};

/// Reads the state as last committed. Clones share the connections.
#[derive(Debug, Clone)]
pub struct Query {
    readers: SqlitePool,
}

/// A read that gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// There is nothing with this id.
    #[error("there is no {entity} {id}")]
    NotFound {
        /// What was asked for.
        entity: &'static str,
        /// Its id.
        id: String,
    },
    /// The database refused, or a row breaks a rule of the domain.
    #[error("cannot read from the database")]
    Database(#[from] sqlx::Error),
}

impl Query {
    /// Queries on `db`.
    #[must_use]
    pub fn new(db: &Db) -> Self {
        Self {
            readers: db.readers().clone(),
        }
    }

    /// The tenants that pass `filter`, oldest first.
    ///
    /// # Errors
    /// [`QueryError::Database`].
    pub async fn list_tenants(
        &self,
        filter: &TenantFilter,
        page: &Pagination<TenantCursor>,
    ) -> Result<Vec<Tenant>, QueryError> {
        Ok(Tenant::list(&self.readers, filter, page).await?)
    }

    /// The tenant.
    ///
    /// # Errors
    /// [`QueryError::NotFound`], [`QueryError::Database`].
    pub async fn get_tenant(&self, pubkey: &Pubkey) -> Result<Tenant, QueryError> {
        found(Tenant::find_by_id(&self.readers, pubkey).await?, pubkey)
    }

    /// Every plan, the cheapest first.
    #[must_use]
    pub fn list_plans(&self) -> &'static [Plan] {
        plans()
    }

    /// The relays that pass `filter`, in the order in which they were created.
    ///
    /// # Errors
    /// [`QueryError::Database`].
    pub async fn list_relays(
        &self,
        filter: &RelayFilter,
        page: &Pagination<RelayId>,
    ) -> Result<Vec<Relay>, QueryError> {
        Ok(Relay::list(&self.readers, filter, page).await?)
    }

    /// All relays of a tenant, in the order in which they were created.
    ///
    /// # Errors
    /// [`QueryError::Database`].
    pub async fn list_relays_for_tenant(&self, pubkey: &Pubkey) -> Result<Vec<Relay>, QueryError> {
        let filter = RelayFilter {
            tenant: Some(pubkey.clone()),
            ..RelayFilter::default()
        };
        self.list_relays(&filter, &Pagination::all()).await
    }

    /// The relay.
    ///
    /// # Errors
    /// [`QueryError::NotFound`], [`QueryError::Database`].
    pub async fn get_relay(&self, id: &RelayId) -> Result<Relay, QueryError> {
        found(Relay::find_by_id(&self.readers, id).await?, id)
    }

    /// What happened at `since` (unix seconds) or later, oldest first, at most `limit`. Whoever comes back with the time
    /// of the last activity it saw misses none, and sees those of that second again.
    ///
    /// # Errors
    /// [`QueryError::Database`].
    pub async fn list_activity(&self, since: i64, limit: u32) -> Result<Vec<Activity>, QueryError> {
        Ok(activity::list_since(&self.readers, since, limit).await?)
    }

    /// What happened after position `seq` of the log, in its order, at most `limit`.
    ///
    /// # Errors
    /// [`QueryError::Database`].
    pub async fn list_activity_after(
        &self,
        seq: i64,
        limit: u32,
    ) -> Result<Vec<Activity>, QueryError> {
        Ok(activity::list_after(&self.readers, seq, limit).await?)
    }

    /// What happened to a relay, newest first.
    ///
    /// # Errors
    /// [`QueryError::Database`].
    pub async fn list_activity_for_relay(
        &self,
        filter: &ActivityFilter,
        page: &Pagination<i64>,
    ) -> Result<Vec<Activity>, QueryError> {
        Ok(Activity::list(&self.readers, filter, page).await?)
    }

    /// When the newest activity happened, in unix seconds; `None` while there is none.
    ///
    /// # Errors
    /// [`QueryError::Database`].
    pub async fn max_activity_at(&self) -> Result<Option<i64>, QueryError> {
        Ok(activity::max_created_at(&self.readers).await?)
    }
}

fn found<E: FindById<Id: ToString>>(entity: Option<E>, id: &E::Id) -> Result<E, QueryError> {
    entity.ok_or_else(|| QueryError::NotFound {
        entity: E::ENTITY,
        id: id.to_string(),
    })
}
