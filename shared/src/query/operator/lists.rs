//! The lists: relays, failure groups, attempts and the record of actions.

use crate::{
    domain::{AttemptId, RelayId},
    query::{Query, QueryError},
    repositories::{
        operator::{
            Snapshot,
            attempt::Attempt,
            attempt_list::{self, AttemptFilter},
            audit::{self, AuditEntry, AuditFilter},
            group::{self, FailureGroup, GroupCursor, GroupFilter},
            keyset::Page,
            sync_list::{self, SyncFilter, SyncPage},
        },
        relay_sync::{self, RelaySync},
    },
};

impl Query {
    /// The relays that pass `filter`, with all that tells why they are not in step.
    ///
    /// # Errors
    /// [`QueryError::Database`].
    pub async fn list_syncs(
        &self,
        filter: &SyncFilter,
        page: &SyncPage,
    ) -> Result<Page<RelaySync>, QueryError> {
        let mut snapshot = Snapshot::of(&self.readers).await?;
        Ok(sync_list::list(&mut snapshot, filter, page).await?)
    }

    /// Where the relay stands, with all that tells why.
    ///
    /// # Errors
    /// [`QueryError::NotFound`], [`QueryError::Database`].
    pub async fn get_sync(&self, relay: &RelayId) -> Result<RelaySync, QueryError> {
        let mut snapshot = Snapshot::of(&self.readers).await?;
        relay_sync::by_ids(&mut snapshot, std::slice::from_ref(relay))
            .await?
            .pop()
            .ok_or_else(|| QueryError::NotFound {
                entity: "relay",
                id: relay.to_string(),
            })
    }

    /// The failure groups that relays are in now, most relays first.
    ///
    /// # Errors
    /// [`QueryError::Database`].
    pub async fn list_failure_groups(
        &self,
        filter: &GroupFilter,
        after: Option<GroupCursor>,
        limit: u32,
    ) -> Result<Page<FailureGroup>, QueryError> {
        let mut snapshot = Snapshot::of(&self.readers).await?;
        Ok(group::list(&mut snapshot, filter, after, limit).await?)
    }

    /// The attempts that pass `filter`, newest first, those before `after`.
    ///
    /// # Errors
    /// [`QueryError::Database`].
    pub async fn list_attempts(
        &self,
        filter: &AttemptFilter,
        after: Option<AttemptId>,
        limit: u32,
    ) -> Result<Page<Attempt>, QueryError> {
        let mut snapshot = Snapshot::of(&self.readers).await?;
        Ok(attempt_list::list(&mut snapshot, filter, after, limit).await?)
    }

    /// What operators did, newest first, before place `after` of the record.
    ///
    /// # Errors
    /// [`QueryError::Database`].
    pub async fn list_audit(
        &self,
        filter: &AuditFilter,
        after: Option<i64>,
        limit: u32,
    ) -> Result<Page<AuditEntry>, QueryError> {
        let mut snapshot = Snapshot::of(&self.readers).await?;
        Ok(audit::list(&mut snapshot, filter, after, limit).await?)
    }
}
