//! The relay as the database knows it and clients read it.

use serde::Serialize;
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;

use super::settings::as_integer;
use super::text::text_enum;
use super::{Generation, Pubkey, RelayId, RelaySettings, Schema, SyncState, ZooidDomain};

text_enum! {
    /// Whether a relay answers. zooid serves only active ones; the others keep their data.
    RelayStatus, "relay status" {
        /// It answers.
        Active = "active",
        /// Its tenant turned it off.
        Inactive = "inactive",
        /// It was turned off for want of payment.
        Delinquent = "delinquent",
    }
}

/// A relay. Serializes as clients read it; its sealed secret is not part of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Relay {
    /// The id.
    pub id: RelayId,
    /// The tenant that owns it.
    pub tenant_pubkey: Pubkey,
    /// The domain of ours under which it answers; never changes.
    pub zooid_domain: ZooidDomain,
    /// What its tenant can set.
    #[serde(flatten)]
    pub settings: RelaySettings,
    /// Whether it answers.
    pub status: RelayStatus,
    /// Whether the custom domain is known to lead here. Never true without one, and false again when it changes.
    #[serde(serialize_with = "as_integer")]
    #[schema(value_type = u8, maximum = 1)]
    pub custom_domain_verified: bool,
    /// Since when it is, in Unix seconds.
    pub custom_domain_verified_at: Option<i64>,
    /// A sentence about what is wrong with the custom domain, "" when there is nothing to say.
    pub custom_domain_error: String,
    /// Its name in zooid's database; never changes, never shown.
    #[serde(skip)]
    pub schema: Schema,
    /// The version of the desired state.
    pub generation: Generation,
    /// The billing system's id of its subscription item.
    pub stripe_subscription_item_id: Option<String>,
    /// Unix seconds.
    pub created_at: i64,
    /// Unix seconds.
    pub updated_at: i64,
    /// Since when it is to be no more, in Unix seconds. Only admins are shown a relay that has it.
    pub removed_at: Option<i64>,
    /// Whether zooid has accepted it at least once.
    #[serde(serialize_with = "as_integer")]
    #[schema(value_type = u8, maximum = 1)]
    pub synced: bool,
    /// A sentence about the last failure that still matters, "" when there is none.
    pub sync_error: String,
    /// The generation zooid last accepted, 0 for never.
    pub synced_generation: i64,
    /// Where the relay stands on its way to zooid.
    pub sync_state: SyncState,
    /// When the waiting sync runs next, in Unix seconds.
    pub next_attempt_at: Option<i64>,
    /// Since when the newest generation has been seen in effect at the relay's host, in Unix seconds; `None` before, while the
    /// relay differs, and where nobody looks.
    pub live_at: Option<i64>,
}

impl Relay {
    /// What tells this representation of the relay from every other: an entity tag (RFC 9110, section 8.8.3), quotes
    /// included. Its first part, up to the dot, is about what people edit; the second about everything, so it moves with
    /// each step of a sync.
    #[must_use]
    pub fn entity_tag(&self) -> String {
        format!("\"{}.{}\"", self.edit_hash(), hash(self))
    }

    /// Whether what people edit is as it was when the relay had this [entity tag](Self::entity_tag). A weak tag, which
    /// begins with `W/`, is none of a relay.
    #[must_use]
    pub fn is_as_edited(&self, tag: &str) -> bool {
        let inner = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
        let parts = inner.and_then(|inner| inner.split_once('.'));
        parts.is_some_and(|(edit, _)| edit == self.edit_hash())
    }

    fn edit_hash(&self) -> String {
        hash(&(&self.settings, self.status))
    }
}

fn hash(value: &impl Serialize) -> String {
    // Texts and numbers always are JSON.
    let json = serde_json::to_vec(value).unwrap_or_default();
    hex::encode(&Sha256::digest(json)[..16])
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::domain::PlanId;

    pub(in crate::domain) fn relay(plan: PlanId) -> Relay {
        let id: RelayId = "01j9zx3v8qj5s3r5t3n0v2k4m6".parse().unwrap();
        let settings = RelaySettings::defaults("mine".parse().unwrap(), plan);
        Relay {
            schema: Schema::derive(&settings.subdomain, &id),
            id,
            tenant_pubkey: "3bf0c63fcb93463407af97a5e5ee64fa883d107ef9e558472c4eb9aaaefa459d"
                .parse()
                .unwrap(),
            zooid_domain: "spaces.example.com".parse().unwrap(),
            settings,
            status: RelayStatus::Active,
            custom_domain_verified: false,
            custom_domain_verified_at: None,
            custom_domain_error: String::new(),
            generation: Generation::FIRST,
            stripe_subscription_item_id: None,
            created_at: 1_700_000_000,
            updated_at: 1_700_000_001,
            removed_at: None,
            synced: true,
            sync_error: String::new(),
            synced_generation: 1,
            sync_state: SyncState::Synced,
            next_attempt_at: None,
            live_at: Some(1_700_000_002),
        }
    }

    #[test]
    fn a_tag_is_of_one_representation_and_knows_an_edit_from_a_step_of_a_sync() {
        let before = relay(PlanId::Basic);
        let tag = before.entity_tag();
        let mut synced = before.clone();
        synced.sync_state = SyncState::Running;
        synced.generation = synced.generation.next();
        let mut edited = before.clone();
        edited.settings.info_name = "New".to_owned();
        let mut off = before.clone();
        off.status = RelayStatus::Inactive;

        assert_ne!(synced.entity_tag(), tag);
        assert!(synced.is_as_edited(&tag));
        for changed in [edited, off] {
            assert!(!changed.is_as_edited(&tag));
        }
        for other in [
            format!("W/{tag}"),
            tag.replace('.', ""),
            tag.replace('"', ""),
            String::new(),
        ] {
            assert!(!before.is_as_edited(&other), "{other}");
        }
    }

    #[test]
    fn clients_read_one_flat_object_with_integer_flags_and_without_the_schema() {
        assert_eq!(
            serde_json::to_value(relay(PlanId::Basic)).unwrap(),
            serde_json::json!({
                "id": "01j9zx3v8qj5s3r5t3n0v2k4m6",
                "tenant_pubkey": "3bf0c63fcb93463407af97a5e5ee64fa883d107ef9e558472c4eb9aaaefa459d",
                "subdomain": "mine", "zooid_domain": "spaces.example.com", "plan_id": "basic", "status": "active",
                "sync_error": "", "synced": 1, "custom_domain": "", "custom_domain_verified": 0,
                "custom_domain_verified_at": null, "custom_domain_error": "",
                "info_name": "", "info_icon": "", "info_description": "",
                "policy_public_read": 0, "policy_public_write": 0, "policy_public_join": 0, "policy_strip_signatures": 0,
                "groups_enabled": 1, "management_enabled": 1, "members_can_invite": 1,
                "blossom_enabled": 1, "livekit_enabled": 1, "push_enabled": 1,
                "generation": 1, "synced_generation": 1, "sync_state": "synced", "next_attempt_at": null, "live_at": 1_700_000_002,
                "stripe_subscription_item_id": null, "created_at": 1_700_000_000, "updated_at": 1_700_000_001,
                "removed_at": null,
            }),
        );
    }
}
