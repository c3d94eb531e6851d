//! A partial change of a relay's settings.
//!
//! Invariant: it touches the fields it names and no other, so that several changes in flight merge without loss.

use url::Url;
use utoipa::ToSchema;

use super::json::{Fields, Flag};
use super::{CustomDomain, PlanId, RelaySettings, Rules, Subdomain, ValidationError};

/// Longest `info_name`, in characters: what clients show on one line.
pub const INFO_NAME_MAX_CHARS: usize = 128;

/// Longest `info_icon`, in characters: what browsers and proxies take as a URL.
pub const INFO_ICON_MAX_CHARS: usize = 2048;

/// Longest `info_description`, in characters: it is sent to every client that asks for the relay's information (NIP-11).
pub const INFO_DESCRIPTION_MAX_CHARS: usize = 4096;

/// What becomes of a relay's custom domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CustomDomainChange {
    /// The relay has none any more; clients send "".
    Remove,
    /// The relay gets this one, unverified.
    Set(CustomDomain),
}

impl CustomDomainChange {
    fn into_domain(self) -> Option<CustomDomain> {
        match self {
            Self::Remove => None,
            Self::Set(domain) => Some(domain),
        }
    }
}

/// A change of some of a relay's settings: `None` leaves a field as it is, or at the default of a new relay.
#[derive(Debug, Clone, Default, PartialEq, Eq, ToSchema)]
pub struct SettingsPatch {
    /// The label under the relay's `zooid_domain`, none of the reserved words.
    pub subdomain: Option<Subdomain>,
    /// The tenant's own domain, a public host name that is not ours; "" for none.
    #[schema(value_type = Option<String>, max_length = 253)]
    pub custom_domain: Option<CustomDomainChange>,
    /// The plan.
    pub plan_id: Option<PlanId>,
    /// The relay's name (NIP-11), without control characters.
    #[schema(max_length = 128)]
    pub info_name: Option<String>,
    /// The http or https URL of the relay's icon (NIP-11); "" for none.
    #[schema(max_length = 2048)]
    pub info_icon: Option<String>,
    /// The relay's description (NIP-11), without control characters other than line breaks and tabs.
    #[schema(max_length = 4096)]
    pub info_description: Option<String>,
    /// Whether anyone may read; 0 for a new relay.
    #[schema(value_type = Option<Flag>)]
    pub policy_public_read: Option<bool>,
    /// Whether anyone may write; 0 for a new relay.
    #[schema(value_type = Option<Flag>)]
    pub policy_public_write: Option<bool>,
    /// Whether anyone may join without an invitation; 0 for a new relay.
    #[schema(value_type = Option<Flag>)]
    pub policy_public_join: Option<bool>,
    /// Whether signatures are removed from what non-members read; 0 for a new relay.
    #[schema(value_type = Option<Flag>)]
    pub policy_strip_signatures: Option<bool>,
    /// Whether relay-based groups (NIP-29) are on; 1 for a new relay.
    #[schema(value_type = Option<Flag>)]
    pub groups_enabled: Option<bool>,
    /// Whether relay management (NIP-86) is on; 1 for a new relay.
    #[schema(value_type = Option<Flag>)]
    pub management_enabled: Option<bool>,
    /// Whether members may invite others; 1 for a new relay.
    #[schema(value_type = Option<Flag>)]
    pub members_can_invite: Option<bool>,
    /// Whether media storage (Blossom) is on; 0 for a new relay on the free plan, which does not include it, else 1.
    #[schema(value_type = Option<Flag>)]
    pub blossom_enabled: Option<bool>,
    /// Whether audio and video rooms are on; 0 for a new relay on the free plan, which does not include them, else 1.
    #[schema(value_type = Option<Flag>)]
    pub livekit_enabled: Option<bool>,
    /// Whether push notifications are on; 1 for a new relay.
    #[schema(value_type = Option<Flag>)]
    pub push_enabled: Option<bool>,
}

impl SettingsPatch {
    pub(super) fn from_fields(fields: &Fields<'_>) -> Result<Self, ValidationError> {
        let custom_domain = match fields.text("custom_domain")? {
            None => None,
            Some("") => Some(CustomDomainChange::Remove),
            Some(_) => fields
                .parsed("custom_domain", "custom-domain-invalid")?
                .map(CustomDomainChange::Set),
        };
        Ok(Self {
            subdomain: fields.parsed("subdomain", "subdomain-invalid")?,
            custom_domain,
            plan_id: fields.parsed("plan_id", "plan-unknown")?,
            info_name: fields.string("info_name")?,
            info_icon: fields.string("info_icon")?,
            info_description: fields.string("info_description")?,
            policy_public_read: fields.flag("policy_public_read")?,
            policy_public_write: fields.flag("policy_public_write")?,
            policy_public_join: fields.flag("policy_public_join")?,
            policy_strip_signatures: fields.flag("policy_strip_signatures")?,
            groups_enabled: fields.flag("groups_enabled")?,
            management_enabled: fields.flag("management_enabled")?,
            members_can_invite: fields.flag("members_can_invite")?,
            blossom_enabled: fields.flag("blossom_enabled")?,
            livekit_enabled: fields.flag("livekit_enabled")?,
            push_enabled: fields.flag("push_enabled")?,
        })
    }

    /// Checks what can be known without the relay: reserved names and the limits of texts.
    pub(super) fn check(&self, rules: &Rules) -> Result<(), ValidationError> {
        if let Some(subdomain) = &self.subdomain {
            rules.check_subdomain(subdomain)?;
        }
        if let Some(CustomDomainChange::Set(domain)) = &self.custom_domain {
            rules.check_custom_domain(domain)?;
        }
        if let Some(name) = &self.info_name {
            check_text("info_name", name, INFO_NAME_MAX_CHARS, &[])?;
        }
        if let Some(description) = &self.info_description {
            check_text(
                "info_description",
                description,
                INFO_DESCRIPTION_MAX_CHARS,
                &['\n', '\r', '\t'],
            )?;
        }
        if let Some(icon) = &self.info_icon {
            check_icon(icon)?;
        }
        Ok(())
    }

    /// The settings after the change.
    #[must_use]
    pub fn over(self, base: RelaySettings) -> RelaySettings {
        RelaySettings {
            subdomain: self.subdomain.unwrap_or(base.subdomain),
            custom_domain: self
                .custom_domain
                .map_or(base.custom_domain, CustomDomainChange::into_domain),
            plan_id: self.plan_id.unwrap_or(base.plan_id),
            info_name: self.info_name.unwrap_or(base.info_name),
            info_icon: self.info_icon.unwrap_or(base.info_icon),
            info_description: self.info_description.unwrap_or(base.info_description),
            policy_public_read: self.policy_public_read.unwrap_or(base.policy_public_read),
            policy_public_write: self.policy_public_write.unwrap_or(base.policy_public_write),
            policy_public_join: self.policy_public_join.unwrap_or(base.policy_public_join),
            policy_strip_signatures: self
                .policy_strip_signatures
                .unwrap_or(base.policy_strip_signatures),
            groups_enabled: self.groups_enabled.unwrap_or(base.groups_enabled),
            management_enabled: self.management_enabled.unwrap_or(base.management_enabled),
            members_can_invite: self.members_can_invite.unwrap_or(base.members_can_invite),
            blossom_enabled: self.blossom_enabled.unwrap_or(base.blossom_enabled),
            livekit_enabled: self.livekit_enabled.unwrap_or(base.livekit_enabled),
            push_enabled: self.push_enabled.unwrap_or(base.push_enabled),
        }
    }
}

pub(super) fn check_text(
    field: &'static str,
    text: &str,
    max_chars: usize,
    allowed_controls: &[char],
) -> Result<(), ValidationError> {
    if text.chars().count() > max_chars {
        return Err(ValidationError::new(
            "field-too-long",
            field,
            &format!("must be at most {max_chars} characters long"),
        ));
    }
    if text
        .chars()
        .any(|char| char.is_control() && !allowed_controls.contains(&char))
    {
        return Err(ValidationError::new(
            "field-invalid",
            field,
            "must not contain control characters",
        ));
    }
    Ok(())
}

fn check_icon(icon: &str) -> Result<(), ValidationError> {
    check_text("info_icon", icon, INFO_ICON_MAX_CHARS, &[])?;
    let is_web_url = || {
        Url::parse(icon).is_ok_and(|url| matches!(url.scheme(), "http" | "https"))
            && !icon.contains(char::is_whitespace)
    };
    if icon.is_empty() || is_web_url() {
        return Ok(());
    }
    Err(ValidationError::new(
        "icon-invalid",
        "info_icon",
        "must be an http or https URL",
    ))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::domain::PlanId;

    fn patch(body: &Value) -> Result<SettingsPatch, ValidationError> {
        let patch = SettingsPatch::from_fields(&Fields::of(body)?)?;
        patch.check(&Rules::default())?;
        Ok(patch)
    }

    fn defaults(plan: PlanId) -> RelaySettings {
        RelaySettings::defaults("mine".parse().unwrap(), plan)
    }

    #[test]
    fn an_empty_custom_domain_removes_it_and_null_keeps_it() {
        let with_domain = patch(&json!({"custom_domain": "Chat.Example.org"}))
            .unwrap()
            .over(defaults(PlanId::Basic));
        assert_eq!(
            with_domain.custom_domain.as_ref().unwrap().as_str(),
            "chat.example.org"
        );
        let kept = patch(&json!({"custom_domain": null}))
            .unwrap()
            .over(with_domain.clone());
        assert_eq!(kept.custom_domain, with_domain.custom_domain);
        let removed = patch(&json!({"custom_domain": ""}))
            .unwrap()
            .over(with_domain);
        assert_eq!(removed.custom_domain, None);
    }

    #[test]
    fn texts_beyond_their_limits_are_refused_with_the_fields_name() {
        for (body, code, field) in [
            (
                json!({"info_name": "n".repeat(129)}),
                "field-too-long",
                "info_name",
            ),
            (
                json!({"info_name": "two\nlines"}),
                "field-invalid",
                "info_name",
            ),
            (
                json!({"info_icon": format!("https://a/{}", "x".repeat(2048))}),
                "field-too-long",
                "info_icon",
            ),
            (
                json!({"info_icon": "javascript:alert(1)"}),
                "icon-invalid",
                "info_icon",
            ),
            (
                json!({"info_icon": "https://a b/"}),
                "icon-invalid",
                "info_icon",
            ),
            (
                json!({"info_icon": "icon.png"}),
                "icon-invalid",
                "info_icon",
            ),
            (
                json!({"info_description": "d".repeat(4097)}),
                "field-too-long",
                "info_description",
            ),
            (
                json!({"info_description": "nul \u{0}"}),
                "field-invalid",
                "info_description",
            ),
            (json!({"subdomain": "-x"}), "subdomain-invalid", "subdomain"),
            (
                json!({"custom_domain": "localhost"}),
                "custom-domain-invalid",
                "custom_domain",
            ),
            (json!({"plan_id": "gold"}), "plan-unknown", "plan_id"),
            (json!({"push_enabled": 2}), "flag-invalid", "push_enabled"),
            (json!({"info_name": 5}), "field-type", "info_name"),
        ] {
            let error = patch(&body).unwrap_err();
            assert_eq!((error.code, error.field), (code, field), "{body}");
            assert!(error.message.starts_with(field), "{}", error.message);
        }
        assert!(patch(&json!({"info_name": "é".repeat(128), "info_description": "a\n\tb", "info_icon": ""})).is_ok());
    }

    #[test]
    fn every_flag_can_be_set_by_its_own_name() {
        let names = [
            "policy_public_read",
            "policy_public_write",
            "policy_public_join",
            "policy_strip_signatures",
            "groups_enabled",
            "management_enabled",
            "members_can_invite",
            "blossom_enabled",
            "livekit_enabled",
            "push_enabled",
        ];
        for name in names {
            let before = serde_json::to_value(defaults(PlanId::Basic)).unwrap();
            let flipped = 1 - before[name].as_u64().unwrap();
            let after = patch(&json!({name: flipped}))
                .unwrap()
                .over(defaults(PlanId::Basic));
            let mut expected = before;
            expected[name] = json!(flipped);
            assert_eq!(serde_json::to_value(after).unwrap(), expected);
        }
    }

    proptest! {
        #[test]
        fn changes_of_different_fields_commute(name in "[a-z]{0,9}", read: bool, push: bool, domain in prop::option::of(Just("chat.example.org"))) {
            let one = SettingsPatch { info_name: Some(name), policy_public_read: Some(read), ..SettingsPatch::default() };
            let other = SettingsPatch {
                push_enabled: Some(push),
                custom_domain: domain.map(|text| CustomDomainChange::Set(text.parse().unwrap())),
                ..SettingsPatch::default()
            };
            let base = defaults(PlanId::Basic);
            prop_assert_eq!(other.clone().over(one.clone().over(base.clone())), one.over(other.over(base)));
        }

        #[test]
        fn an_empty_change_changes_nothing(plan in prop::sample::select(PlanId::ALL)) {
            prop_assert_eq!(SettingsPatch::default().over(defaults(plan)), defaults(plan));
        }
    }
}
