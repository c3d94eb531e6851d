//! What a tenant can set on a relay.
//!
//! Invariant: a feature that is on is included in the plan, once [`RelaySettings::check_plan`] has passed.

use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use super::{CustomDomain, Plan, PlanId, Subdomain, ValidationError};

/// The editable part of a relay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the flags are independent of each other and named by the HTTP contract"
)]
pub struct RelaySettings {
    /// The label under the relay's `zooid_domain`.
    pub subdomain: Subdomain,
    /// The tenant's own domain. Clients read "" for none.
    #[serde(serialize_with = "custom_domain_or_empty")]
    #[schema(value_type = String)]
    pub custom_domain: Option<CustomDomain>,
    /// The plan.
    pub plan_id: PlanId,
    /// The relay's name (NIP-11), may be empty.
    pub info_name: String,
    /// The URL of the relay's icon (NIP-11), may be empty.
    pub info_icon: String,
    /// The relay's description (NIP-11), may be empty.
    pub info_description: String,
    /// Whether anyone may read.
    #[serde(serialize_with = "as_integer")]
    #[schema(value_type = u8, maximum = 1)]
    pub policy_public_read: bool,
    /// Whether anyone may write.
    #[serde(serialize_with = "as_integer")]
    #[schema(value_type = u8, maximum = 1)]
    pub policy_public_write: bool,
    /// Whether anyone may join without an invitation.
    #[serde(serialize_with = "as_integer")]
    #[schema(value_type = u8, maximum = 1)]
    pub policy_public_join: bool,
    /// Whether signatures are removed from what non-members read.
    #[serde(serialize_with = "as_integer")]
    #[schema(value_type = u8, maximum = 1)]
    pub policy_strip_signatures: bool,
    /// Whether relay-based groups (NIP-29) are on.
    #[serde(serialize_with = "as_integer")]
    #[schema(value_type = u8, maximum = 1)]
    pub groups_enabled: bool,
    /// Whether relay management (NIP-86) is on.
    #[serde(serialize_with = "as_integer")]
    #[schema(value_type = u8, maximum = 1)]
    pub management_enabled: bool,
    /// Whether members may invite others.
    #[serde(serialize_with = "as_integer")]
    #[schema(value_type = u8, maximum = 1)]
    pub members_can_invite: bool,
    /// Whether media storage (Blossom) is on.
    #[serde(serialize_with = "as_integer")]
    #[schema(value_type = u8, maximum = 1)]
    pub blossom_enabled: bool,
    /// Whether audio and video rooms are on.
    #[serde(serialize_with = "as_integer")]
    #[schema(value_type = u8, maximum = 1)]
    pub livekit_enabled: bool,
    /// Whether push notifications are on.
    #[serde(serialize_with = "as_integer")]
    #[schema(value_type = u8, maximum = 1)]
    pub push_enabled: bool,
}

impl RelaySettings {
    /// What a new relay starts with when its tenant says no more than where and on which plan.
    #[must_use]
    pub fn defaults(subdomain: Subdomain, plan_id: PlanId) -> Self {
        let plan = Plan::of(plan_id);
        Self {
            subdomain,
            custom_domain: None,
            plan_id,
            info_name: String::new(),
            info_icon: String::new(),
            info_description: String::new(),
            policy_public_read: false,
            policy_public_write: false,
            policy_public_join: false,
            policy_strip_signatures: false,
            groups_enabled: true,
            management_enabled: true,
            members_can_invite: true,
            blossom_enabled: plan.blossom,
            livekit_enabled: plan.livekit,
            push_enabled: true,
        }
    }

    /// Refuses features that are on although the plan does not include them. They are never cleared silently.
    ///
    /// # Errors
    /// `plan-feature`, with the flag's name.
    pub fn check_plan(&self) -> Result<(), ValidationError> {
        let plan = Plan::of(self.plan_id);
        let rule = || {
            format!(
                "is not included in the {} plan, send 0 to turn it off",
                plan.name
            )
        };
        if self.blossom_enabled && !plan.blossom {
            return Err(ValidationError::new(
                "plan-feature",
                "blossom_enabled",
                &rule(),
            ));
        }
        if self.livekit_enabled && !plan.livekit {
            return Err(ValidationError::new(
                "plan-feature",
                "livekit_enabled",
                &rule(),
            ));
        }
        Ok(())
    }
}

/// A relay's booleans are 0 and 1 for clients.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature is serde's"
)]
pub(super) fn as_integer<S: Serializer>(flag: &bool, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u8(u8::from(*flag))
}

#[expect(clippy::ref_option, reason = "the signature is serde's")]
fn custom_domain_or_empty<S: Serializer>(
    domain: &Option<CustomDomain>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(domain.as_ref().map_or("", CustomDomain::as_str))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn defaults(plan: PlanId) -> RelaySettings {
        RelaySettings::defaults("mine".parse().unwrap(), plan)
    }

    #[test]
    fn defaults_follow_the_contract_on_each_plan() {
        for (plan, paid) in [(PlanId::Free, 0), (PlanId::Basic, 1), (PlanId::Growth, 1)] {
            assert_eq!(
                serde_json::to_value(defaults(plan)).unwrap(),
                json!({
                    "subdomain": "mine", "custom_domain": "", "plan_id": plan.as_str(),
                    "info_name": "", "info_icon": "", "info_description": "",
                    "policy_public_read": 0, "policy_public_write": 0, "policy_public_join": 0, "policy_strip_signatures": 0,
                    "groups_enabled": 1, "management_enabled": 1, "members_can_invite": 1, "push_enabled": 1,
                    "blossom_enabled": paid, "livekit_enabled": paid,
                }),
            );
            assert!(defaults(plan).check_plan().is_ok());
        }
    }
}
