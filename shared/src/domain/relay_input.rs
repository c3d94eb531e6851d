//! What clients ask for when they create or change a relay, and the checks between asking and doing.
//!
//! Invariant: [`NewRelay`] and the settings that [`RelayPatch::apply`] returns obey every rule that can be known without the database;
//! uniqueness is the database's to enforce.

use serde_json::Value;
use utoipa::ToSchema;

use super::json::Fields;
use super::{
    JsonInput, Pubkey, Relay, RelaySettings, Rules, SettingsPatch, ValidationError, ZooidDomain,
};

/// A request to create a relay, as read. `subdomain`, `zooid_domain` and `plan_id` are required.
#[derive(Debug, Clone, Default, PartialEq, Eq, ToSchema)]
pub struct CreateRelayInput {
    /// The owner, as hex or npub; the caller where the client names nobody.
    #[schema(value_type = Option<String>, pattern = "^([0-9a-fA-F]{64}|npub1[02-9ac-hj-np-z]{58})$")]
    pub tenant_pubkey: Option<Pubkey>,
    /// The domain of ours under which it shall answer.
    pub zooid_domain: Option<ZooidDomain>,
    /// The settings the client names; the others take their defaults.
    #[serde(flatten)]
    pub settings: SettingsPatch,
}

impl JsonInput for CreateRelayInput {
    const REQUIRED: &'static [&'static str] = &["subdomain", "zooid_domain", "plan_id"];
    const RULES: &'static [&'static str] = &[
        "field-required",
        "field-too-long",
        "field-invalid",
        "flag-invalid",
        "pubkey-invalid",
        "subdomain-invalid",
        "subdomain-reserved",
        "zooid-domain-unknown",
        "custom-domain-invalid",
        "plan-unknown",
        "plan-feature",
        "icon-invalid",
    ];

    fn from_json(body: &Value) -> Result<Self, ValidationError> {
        let fields = Fields::of(body)?;
        Ok(Self {
            tenant_pubkey: fields.parsed("tenant_pubkey", "pubkey-invalid")?,
            zooid_domain: fields.parsed("zooid_domain", "zooid-domain-unknown")?,
            settings: SettingsPatch::from_fields(&fields)?,
        })
    }
}

impl CreateRelayInput {
    /// The relay to create, with its defaults filled in.
    ///
    /// # Errors
    /// The first rule the request breaks.
    pub fn validate(self, rules: &Rules) -> Result<NewRelay, ValidationError> {
        let subdomain = self
            .settings
            .subdomain
            .clone()
            .ok_or_else(|| ValidationError::required("subdomain"))?;
        let zooid_domain = self
            .zooid_domain
            .ok_or_else(|| ValidationError::required("zooid_domain"))?;
        let plan_id = self
            .settings
            .plan_id
            .ok_or_else(|| ValidationError::required("plan_id"))?;
        let tenant_pubkey = self
            .tenant_pubkey
            .ok_or_else(|| ValidationError::required("tenant_pubkey"))?;

        rules.check_zooid_domain(&zooid_domain)?;
        self.settings.check(rules)?;
        let settings = self
            .settings
            .over(RelaySettings::defaults(subdomain, plan_id));
        settings.check_plan()?;
        Ok(NewRelay {
            tenant_pubkey,
            zooid_domain,
            settings,
        })
    }
}

/// A relay that may be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRelay {
    /// The owner.
    pub tenant_pubkey: Pubkey,
    /// A domain we serve.
    pub zooid_domain: ZooidDomain,
    /// Complete settings.
    pub settings: RelaySettings,
}

/// A request to change a relay, as read. Everything is optional.
#[derive(Debug, Clone, Default, PartialEq, Eq, ToSchema)]
pub struct UpdateRelayInput {
    /// Must be the domain the relay has.
    pub zooid_domain: Option<ZooidDomain>,
    /// The settings to change.
    #[serde(flatten)]
    pub settings: SettingsPatch,
}

impl JsonInput for UpdateRelayInput {
    const RULES: &'static [&'static str] = &[
        "field-too-long",
        "field-invalid",
        "flag-invalid",
        "subdomain-invalid",
        "subdomain-reserved",
        "zooid-domain-immutable",
        "custom-domain-invalid",
        "plan-unknown",
        "plan-feature",
        "icon-invalid",
    ];

    fn from_json(body: &Value) -> Result<Self, ValidationError> {
        let fields = Fields::of(body)?;
        // Text that is no domain differs from the relay's domain, and that is what the client must hear.
        let zooid_domain = fields
            .text("zooid_domain")?
            .map(|text| text.parse().map_err(|_| zooid_domain_immutable()))
            .transpose()?;
        Ok(Self {
            zooid_domain,
            settings: SettingsPatch::from_fields(&fields)?,
        })
    }
}

impl UpdateRelayInput {
    /// The change, with the checks done that need no relay.
    ///
    /// # Errors
    /// The first rule the request breaks.
    pub fn validate(self, rules: &Rules) -> Result<RelayPatch, ValidationError> {
        self.settings.check(rules)?;
        Ok(RelayPatch {
            zooid_domain: self.zooid_domain,
            settings: self.settings,
        })
    }
}

/// A change that may be made to a relay, if the relay's present state allows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RelayPatch {
    zooid_domain: Option<ZooidDomain>,
    settings: SettingsPatch,
}

impl RelayPatch {
    /// The fields to write.
    #[must_use]
    pub fn settings(&self) -> &SettingsPatch {
        &self.settings
    }

    /// The settings of `relay` after the change. Where the custom domain differs from the present one, it is unverified.
    ///
    /// # Errors
    /// `zooid-domain-immutable`, or `plan-feature` for a feature that the resulting plan does not include.
    pub fn apply(&self, relay: &Relay) -> Result<RelaySettings, ValidationError> {
        if self
            .zooid_domain
            .as_ref()
            .is_some_and(|domain| *domain != relay.zooid_domain)
        {
            return Err(zooid_domain_immutable());
        }
        let settings = self.settings.clone().over(relay.settings.clone());
        settings.check_plan()?;
        Ok(settings)
    }
}

fn zooid_domain_immutable() -> ValidationError {
    ValidationError::new(
        "zooid-domain-immutable",
        "zooid_domain",
        "cannot be changed after the relay was created",
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::domain::PlanId;
    use crate::domain::relay::tests::relay;

    const TENANT: &str = "3bf0c63fcb93463407af97a5e5ee64fa883d107ef9e558472c4eb9aaaefa459d";

    fn rules() -> Rules {
        Rules {
            served_domains: vec!["spaces.example.com".parse().unwrap()],
            ..Rules::default()
        }
    }

    fn create(body: &Value) -> Result<NewRelay, ValidationError> {
        CreateRelayInput::from_json(body)?.validate(&rules())
    }

    fn update(relay: &Relay, body: &Value) -> Result<RelaySettings, ValidationError> {
        UpdateRelayInput::from_json(body)?
            .validate(&rules())?
            .apply(relay)
    }

    fn with(field: &str, value: Value) -> Value {
        let mut body = json!({"tenant_pubkey": TENANT, "subdomain": "mine", "zooid_domain": "spaces.example.com", "plan_id": "free"});
        body[field] = value;
        body
    }

    #[test]
    fn a_relay_needs_no_more_than_a_place_a_plan_and_an_owner() {
        let new = create(&with("unknown", json!({"ignored": true}))).unwrap();
        assert_eq!(
            new.settings,
            RelaySettings::defaults("mine".parse().unwrap(), PlanId::Free)
        );
        assert_eq!(new.tenant_pubkey.as_hex(), TENANT);
    }

    #[test]
    fn each_required_field_is_missed_by_name() {
        for field in ["subdomain", "zooid_domain", "plan_id", "tenant_pubkey"] {
            let error = create(&with(field, Value::Null)).unwrap_err();
            assert_eq!((error.code, error.field), ("field-required", field));
        }
    }

    #[test]
    fn a_create_that_breaks_a_rule_is_refused_with_its_code() {
        for (field, value, code) in [
            ("tenant_pubkey", json!("f".repeat(64)), "pubkey-invalid"),
            ("subdomain", json!("Mine"), "subdomain-invalid"),
            ("subdomain", json!("api"), "subdomain-reserved"),
            (
                "zooid_domain",
                json!("elsewhere.example.com"),
                "zooid-domain-unknown",
            ),
            ("zooid_domain", json!("no domain"), "zooid-domain-unknown"),
            (
                "custom_domain",
                json!("x.spaces.example.com"),
                "custom-domain-invalid",
            ),
            ("plan_id", json!("gold"), "plan-unknown"),
            ("blossom_enabled", json!(1), "plan-feature"),
            ("livekit_enabled", json!(true), "plan-feature"),
            ("push_enabled", json!("yes"), "flag-invalid"),
            ("info_icon", json!("ftp://x"), "icon-invalid"),
        ] {
            let error = create(&with(field, value)).unwrap_err();
            assert_eq!((error.code, error.field), (code, field));
        }
    }

    #[test]
    fn a_downgrade_must_turn_off_what_the_plan_lacks() {
        let basic = relay(PlanId::Basic);
        let error = update(&basic, &json!({"plan_id": "free"})).unwrap_err();
        assert_eq!(
            (error.code, error.field),
            ("plan-feature", "blossom_enabled")
        );
        let error = update(&basic, &json!({"plan_id": "free", "blossom_enabled": 0})).unwrap_err();
        assert_eq!(
            (error.code, error.field),
            ("plan-feature", "livekit_enabled")
        );
        let free = update(
            &basic,
            &json!({"plan_id": "free", "blossom_enabled": 0, "livekit_enabled": 0}),
        )
        .unwrap();
        assert_eq!(free.plan_id, PlanId::Free);
    }

    #[test]
    fn paid_features_stay_off_the_free_plan_and_stay_off_after_an_upgrade_until_asked_for() {
        let free = relay(PlanId::Free);
        assert_eq!(
            update(&free, &json!({"livekit_enabled": 1}))
                .unwrap_err()
                .code,
            "plan-feature"
        );
        let basic = update(&free, &json!({"plan_id": "basic"})).unwrap();
        assert!(!basic.blossom_enabled && !basic.livekit_enabled);
    }

    #[test]
    fn the_zooid_domain_may_be_repeated_but_not_changed() {
        let relay = relay(PlanId::Basic);
        assert!(update(&relay, &json!({"zooid_domain": "Spaces.Example.com"})).is_ok());
        for other in ["elsewhere.example.com", "no domain", ""] {
            let error = update(&relay, &json!({"zooid_domain": other})).unwrap_err();
            assert_eq!(
                (error.code, error.field),
                ("zooid-domain-immutable", "zooid_domain")
            );
        }
    }

    #[test]
    fn the_whole_object_a_client_read_can_be_sent_back() {
        let relay = relay(PlanId::Growth);
        let body = serde_json::to_value(&relay).unwrap();
        assert_eq!(update(&relay, &body).unwrap(), relay.settings);
    }

    proptest! {
        #[test]
        fn no_accepted_update_leaves_a_paid_feature_on_the_free_plan(
            plan in prop::sample::select(PlanId::ALL),
            next in prop::option::of(prop::sample::select(PlanId::ALL)),
            blossom: Option<bool>,
            livekit: Option<bool>,
        ) {
            let body = json!({"plan_id": next, "blossom_enabled": blossom, "livekit_enabled": livekit});
            if let Ok(settings) = update(&relay(plan), &body) {
                prop_assert!(settings.plan_id != PlanId::Free || !(settings.blossom_enabled || settings.livekit_enabled));
            }
        }
    }
}
