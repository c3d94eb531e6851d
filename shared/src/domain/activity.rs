//! What happened to tenants and relays, in the words clients know.

use serde::Serialize;
use utoipa::ToSchema;

use super::Pubkey;
use super::text::text_enum;

text_enum! {
    /// What happened. The texts are contract with existing clients.
    ActivityType, "activity type" {
        /// A tenant signed in for the first time.
        CreateTenant = "create_tenant",
        /// A tenant's settings changed.
        UpdateTenant = "update_tenant",
        /// A relay was created.
        CreateRelay = "create_relay",
        /// A relay's settings changed.
        UpdateRelay = "update_relay",
        /// A relay was turned on.
        ActivateRelay = "activate_relay",
        /// A relay was turned off, by its tenant or for want of payment.
        DeactivateRelay = "deactivate_relay",
        /// A relay was removed, for good.
        RemoveRelay = "remove_relay",
        /// zooid did not take a relay's newest settings.
        FailRelaySync = "fail_relay_sync",
        /// zooid took a relay's newest settings.
        CompleteRelaySync = "complete_relay_sync",
    }
}

text_enum! {
    /// What an activity is about.
    ResourceType, "resource type" {
        /// A tenant, named by public key.
        Tenant = "tenant",
        /// A relay, named by id.
        Relay = "relay",
    }
}

/// One line of the audit log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Activity {
    /// Position in the log: the cursor of whoever follows it. Not part of the model clients read.
    #[serde(skip)]
    pub seq: i64,
    /// The activity's id.
    pub id: String,
    /// The tenant it concerns.
    pub tenant_pubkey: Pubkey,
    /// Unix seconds.
    pub created_at: i64,
    /// What happened.
    pub activity_type: ActivityType,
    /// The kind of resource it happened to.
    pub resource_type: ResourceType,
    /// That resource's id.
    pub resource_id: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_read_the_activity_without_its_cursor() {
        let pubkey = "3bf0c63fcb93463407af97a5e5ee64fa883d107ef9e558472c4eb9aaaefa459d";
        let activity = Activity {
            seq: 9,
            id: "a1".to_owned(),
            tenant_pubkey: pubkey.parse().unwrap(),
            created_at: 1_700_000_000,
            activity_type: ActivityType::CreateRelay,
            resource_type: ResourceType::Relay,
            resource_id: "r1".to_owned(),
        };
        assert_eq!(
            serde_json::to_value(&activity).unwrap(),
            serde_json::json!({
                "id": "a1", "tenant_pubkey": pubkey, "created_at": 1_700_000_000, "activity_type": "create_relay",
                "resource_type": "relay", "resource_id": "r1",
            }),
        );
    }
}
