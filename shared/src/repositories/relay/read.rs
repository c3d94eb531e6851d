//! The relay as people read it: its row, joined with how far zooid has followed.

use sqlx::{FromRow, QueryBuilder, Row as _, SqliteExecutor, sqlite::SqliteRow};
use utoipa::ToSchema;

use crate::{
    domain::{
        CustomDomain, Flag, Generation, PlanId, Pubkey, Relay, RelayId, RelaySettings, RelayStatus,
        SyncState, ZooidDomain,
    },
    repositories::{
        Direction, FindById, List, Pagination,
        relay_sync::sync_joins,
        row::{parsed, undecodable},
    },
};

/// The columns of `relay` that [`settings`] reads.
macro_rules! settings_columns {
    () => {
        "relay.subdomain,
         relay.custom_domain,
         relay.plan_id,
         relay.info_name,
         relay.info_icon,
         relay.info_description,
         relay.policy_public_read,
         relay.policy_public_write,
         relay.policy_public_join,
         relay.policy_strip_signatures,
         relay.groups_enabled,
         relay.management_enabled,
         relay.members_can_invite,
         relay.blossom_enabled,
         relay.livekit_enabled,
         relay.push_enabled"
    };
}

/// The columns of a [`Relay`], for a `SELECT` over `relay` and its `sync_joins`.
macro_rules! columns {
    () => {
        concat!(
            "relay.id,
             relay.tenant_pubkey,
             relay.zooid_domain,
             relay.schema,
             relay.status,
             relay.custom_domain_verified,
             relay_domain.verified_at / 1000 AS custom_domain_verified_at,
             coalesce(relay_domain.error, '') AS custom_domain_error,
             relay.generation,
             relay.stripe_subscription_item_id,
             relay.created_at,
             relay.updated_at,
             relay.removed_at,
             relay_sync.sync_error,
             relay_sync.synced_generation,
             waiting.run_at AS next_attempt_at,
             (
                 SELECT relay_observation.live_at / 1000
                 FROM relay_observation
                 WHERE relay_observation.relay_id = relay.id
                   AND relay_observation.live_generation = relay.generation
                   AND relay_observation.drift_since IS NULL
             ) AS live_at, ",
            $crate::repositories::relay_sync::sync_state!(),
            " AS sync_state, ",
            $crate::repositories::relay::settings_columns!()
        )
    };
}

pub(in crate::repositories) use {columns, settings_columns};

/// The read model, up to its `WHERE`.
macro_rules! select {
    () => {
        concat!("SELECT ", columns!(), " FROM relay ", sync_joins!())
    };
}

impl FindById for Relay {
    type Id = RelayId;

    async fn find_by_id<'e>(
        executor: impl SqliteExecutor<'e>,
        id: &RelayId,
    ) -> Result<Option<Self>, sqlx::Error> {
        sqlx::query_as(concat!(select!(), "WHERE relay.id = $1"))
            .bind(id.as_str())
            .fetch_optional(executor)
            .await
    }
}

/// Which relays to list: those that pass every filter given.
#[derive(Debug, Clone, Default, PartialEq, Eq, ToSchema)]
pub struct RelayFilter {
    /// Owned by this tenant: its key as hex or npub.
    #[schema(value_type = Option<String>, pattern = "^([0-9a-fA-F]{64}|npub1[02-9ac-hj-np-z]{58})$")]
    pub tenant: Option<Pubkey>,
    /// Served under this domain.
    pub zooid_domain: Option<ZooidDomain>,
    /// In this status.
    pub status: Option<RelayStatus>,
    /// At this point on the way to zooid.
    pub sync_state: Option<SyncState>,
    /// On this plan.
    pub plan_id: Option<PlanId>,
    /// Those that an admin removed, and no others, instead of those that are there.
    #[schema(value_type = Option<Flag>)]
    pub removed: bool,
}

impl List for Relay {
    type Filter = RelayFilter;
    /// The id of the last one seen.
    type Cursor = RelayId;

    /// In the order in which they were created.
    async fn list<'e>(
        executor: impl SqliteExecutor<'e>,
        filter: &RelayFilter,
        page: &Pagination<RelayId>,
    ) -> Result<Vec<Self>, sqlx::Error> {
        // Ids are letters and digits: every one lies between these.
        let (compared, from_end, order) = match page.direction {
            Direction::Forward => ("> ", "", " ORDER BY relay.id LIMIT "),
            Direction::Backward => ("< ", "~", " ORDER BY relay.id DESC LIMIT "),
        };
        let mut query = QueryBuilder::new(concat!(select!(), "WHERE relay.id "));
        query.push(compared);
        query.push_bind(
            page.after
                .as_ref()
                .map_or(from_end, RelayId::as_str)
                .to_owned(),
        );
        if let Some(tenant) = &filter.tenant {
            query.push(" AND relay.tenant_pubkey = ");
            query.push_bind(tenant.as_hex().to_owned());
        }
        if let Some(domain) = &filter.zooid_domain {
            query.push(" AND relay.zooid_domain = ");
            query.push_bind(domain.as_str().to_owned());
        }
        if let Some(status) = filter.status {
            query.push(" AND relay.status = ");
            query.push_bind(status.as_str());
        }
        if let Some(state) = filter.sync_state {
            query.push(" AND sync_state = ");
            query.push_bind(state.as_str());
        }
        if let Some(plan) = filter.plan_id {
            query.push(" AND relay.plan_id = ");
            query.push_bind(plan.as_str());
        }
        query.push(if filter.removed {
            " AND relay.removed_at IS NOT NULL"
        } else {
            " AND relay.removed_at IS NULL"
        });
        query.push(order);
        query.push_bind(page.sql_limit());
        query.build_query_as().fetch_all(executor).await
    }
}

impl FromRow<'_, SqliteRow> for Relay {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        let synced_generation: i64 = row.try_get("synced_generation")?;
        Ok(Self {
            id: parsed(row, "id")?,
            tenant_pubkey: parsed(row, "tenant_pubkey")?,
            zooid_domain: parsed(row, "zooid_domain")?,
            settings: settings(row)?,
            status: parsed(row, "status")?,
            custom_domain_verified: row.try_get("custom_domain_verified")?,
            custom_domain_verified_at: row.try_get("custom_domain_verified_at")?,
            custom_domain_error: row.try_get("custom_domain_error")?,
            schema: parsed(row, "schema")?,
            generation: generation(row)?,
            stripe_subscription_item_id: row.try_get("stripe_subscription_item_id")?,
            created_at: row.try_get("created_at")?,
            updated_at: row.try_get("updated_at")?,
            removed_at: row.try_get("removed_at")?,
            synced: synced_generation > 0,
            sync_error: row.try_get("sync_error")?,
            synced_generation,
            sync_state: parsed(row, "sync_state")?,
            next_attempt_at: row.try_get("next_attempt_at")?,
            live_at: row.try_get("live_at")?,
        })
    }
}

/// The settings in a row that has `settings_columns`.
pub(super) fn settings(row: &SqliteRow) -> Result<RelaySettings, sqlx::Error> {
    let custom_domain: &str = row.try_get("custom_domain")?;
    let custom_domain: Option<CustomDomain> = match custom_domain {
        "" => None,
        _ => Some(parsed(row, "custom_domain")?),
    };
    Ok(RelaySettings {
        subdomain: parsed(row, "subdomain")?,
        custom_domain,
        plan_id: parsed(row, "plan_id")?,
        info_name: row.try_get("info_name")?,
        info_icon: row.try_get("info_icon")?,
        info_description: row.try_get("info_description")?,
        policy_public_read: row.try_get("policy_public_read")?,
        policy_public_write: row.try_get("policy_public_write")?,
        policy_public_join: row.try_get("policy_public_join")?,
        policy_strip_signatures: row.try_get("policy_strip_signatures")?,
        groups_enabled: row.try_get("groups_enabled")?,
        management_enabled: row.try_get("management_enabled")?,
        members_can_invite: row.try_get("members_can_invite")?,
        blossom_enabled: row.try_get("blossom_enabled")?,
        livekit_enabled: row.try_get("livekit_enabled")?,
        push_enabled: row.try_get("push_enabled")?,
    })
}

/// The generation in a row of `relay`.
pub(super) fn generation(row: &SqliteRow) -> Result<Generation, sqlx::Error> {
    let number: i64 = row.try_get("generation")?;
    Generation::try_from(number).map_err(|error| undecodable("generation", error))
}
