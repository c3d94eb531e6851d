//! What we tell zooid about a relay.
//!
//! Invariants: a PATCH merged into any configuration that we sent before (RFC 7396) gives the configuration that a PUT
//! would give, so it does not matter which of them arrived. None of the configurations that bring the whole zooid down
//! can be rendered: schema and public key are typed, and no role names a key (zooid.md, Hazards).

use serde_json::{Value, json};

use crate::config::{BaseUrl, BlossomStorage, LiveKitConfig, S3Config};
use crate::crypto::Sealer;
use crate::domain::{ABSENT, DesiredRelay, RelaySecret};

/// Where secrets stand in a body, the relay's own aside.
pub(super) const SECRET_POINTERS: [&str; 4] = [
    "/blossom/s3/access_key",
    "/blossom/s3/secret_key",
    "/livekit/api_key",
    "/livekit/api_secret",
];

/// Renders what one zooid should be told, for this installation: with its media storage and its calls.
#[derive(Debug, Clone)]
pub struct Renderer {
    pub(super) api_url: String,
    pub(super) storage: BlossomStorage,
    pub(super) livekit: Option<LiveKitConfig>,
    pub(super) sealer: Sealer,
}

impl Renderer {
    /// For the relays of the zooid at `api_url`, which store media in `storage` and offer calls through `livekit`.
    /// `sealer` hashes what must not be kept.
    #[must_use]
    pub fn new(
        api_url: &BaseUrl,
        storage: BlossomStorage,
        livekit: Option<LiveKitConfig>,
        sealer: Sealer,
    ) -> Self {
        Self {
            api_url: api_url.url().to_string(),
            storage,
            livekit,
            sealer,
        }
    }

    /// The body of a PATCH: every section of a relay's configuration (zooid.md, Config) but the secret. A section that
    /// is off is null, because an earlier configuration may have had it.
    #[must_use]
    pub fn patch_body(&self, relay: &DesiredRelay) -> Value {
        let settings = &relay.settings;
        let (adapter, s3) = match &self.storage {
            BlossomStorage::S3(s3) if settings.blossom_enabled => {
                ("s3", Some(s3_section(relay, s3)))
            }
            BlossomStorage::S3(_) | BlossomStorage::Local => ("local", None),
        };
        let livekit = self.livekit.as_ref().filter(|_| settings.livekit_enabled);
        json!({
            "host": relay.host(),
            "schema": relay.schema.as_str(),
            "inactive": relay.is_inactive(),
            "info": {
                "name": settings.info_name,
                "icon": settings.info_icon,
                "pubkey": relay.tenant_pubkey.as_hex(),
                "description": settings.info_description,
            },
            "policy": {
                "public_read": settings.policy_public_read,
                "public_write": settings.policy_public_write,
                "public_join": settings.policy_public_join,
                "strip_signatures": settings.policy_strip_signatures,
            },
            "groups": { "enabled": settings.groups_enabled },
            "push": { "enabled": settings.push_enabled },
            "management": { "enabled": settings.management_enabled },
            "blossom": { "enabled": settings.blossom_enabled, "adapter": adapter, "s3": s3 },
            "livekit": livekit.map(livekit_section),
            "roles": { "member": { "can_invite": settings.members_can_invite } },
        })
    }

    /// The body of a POST or PUT: what a PATCH leaves in an empty file, and the secret.
    #[must_use]
    pub fn full_body(&self, relay: &DesiredRelay, secret: &RelaySecret) -> Value {
        let mut body = canonical(self.patch_body(relay));
        body["secret"] = Value::from(secret.expose());
        body
    }

    /// What we remember of a configuration that zooid accepted: JSON with sorted keys, without the relay's own secret,
    /// which never changes, and with the installation's secrets as keyed hashes. `api_url` says which zooid it was.
    ///
    /// Two records differ if zooid has to be told. They also differ after a rotation of the sealing key. Of a relay that was
    /// removed it is [`ABSENT`].
    #[must_use]
    pub fn accepted_record(&self, relay: &DesiredRelay) -> String {
        if relay.is_removed {
            return ABSENT.to_owned();
        }
        let mut record = self.patch_body(relay);
        record["api_url"] = Value::from(self.api_url.as_str());
        let mut record = canonical(record);
        for pointer in SECRET_POINTERS {
            if let Some(value) = record.pointer_mut(pointer) {
                let secret = value.as_str().unwrap_or_default();
                *value = Value::from(self.sealer.keyed_hash(pointer, secret.as_bytes()));
            }
        }
        record.to_string()
    }
}

/// A bucket with the relay's place in it: one bucket holds the media of all relays, each under its own prefix.
fn s3_section(relay: &DesiredRelay, s3: &S3Config) -> Value {
    let mut section = bucket_section(s3);
    section["key_prefix"] = Value::from(relay.schema.as_str());
    section
}

pub(super) fn bucket_section(s3: &S3Config) -> Value {
    json!({
        // zooid reads "" as Amazon's own.
        "endpoint": s3.endpoint.as_deref().unwrap_or_default(),
        "region": s3.region,
        "bucket": s3.bucket,
        "access_key": s3.access_key.expose(),
        "secret_key": s3.secret_key.expose(),
    })
}

pub(super) fn livekit_section(livekit: &LiveKitConfig) -> Value {
    json!({
        "server_url": livekit.server_url.as_str(),
        "api_key": livekit.api_key.expose(),
        "api_secret": livekit.api_secret.expose(),
    })
}

/// The same value without what is null and with the keys of every object sorted, whatever order serde's maps keep.
pub(super) fn canonical(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map
                .into_iter()
                .filter(|(_, value)| !value.is_null())
                .collect();
            entries.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
            entries
                .into_iter()
                .map(|(key, value)| (key, canonical(value)))
                .collect()
        }
        Value::Array(items) => items.into_iter().map(canonical).collect(),
        scalar @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => scalar,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::{Source, WorkerConfig};
    use crate::domain::{
        CustomDomain, Generation, InZooid, PlanId, RelaySettings, RelayStatus, Schema, Subdomain,
    };

    const SECRET: &str = "1111111111111111111111111111111111111111111111111111111111111111";
    pub(in crate::zooid) const S3: [(&str, &str); 5] = [
        ("BLOSSOM_S3_ENDPOINT", "https://s3.example.com"),
        ("BLOSSOM_S3_REGION", "eu"),
        ("BLOSSOM_S3_BUCKET", "media"),
        ("BLOSSOM_S3_ACCESS_KEY", "AKIA-access"),
        ("BLOSSOM_S3_SECRET_KEY", "s3/secret+key"),
    ];
    pub(in crate::zooid) const LIVEKIT: [(&str, &str); 3] = [
        ("LIVEKIT_URL", "wss://rooms.example.com"),
        ("LIVEKIT_API_KEY", "lk-key"),
        ("LIVEKIT_API_SECRET", "lk-secret"),
    ];
    const TENANT: &str = "3bf0c63fcb93463407af97a5e5ee64fa883d107ef9e558472c4eb9aaaefa459d";

    fn secret() -> RelaySecret {
        RelaySecret::parse(SECRET.as_bytes()).unwrap()
    }

    pub(in crate::zooid) fn desired() -> DesiredRelay {
        let id = "01j9zx3v8qj5s3r5t3n0v2k4m6".parse().unwrap();
        let subdomain: Subdomain = "my-relay".parse().unwrap();
        DesiredRelay {
            schema: Schema::derive(&subdomain, &id),
            id,
            generation: Generation::FIRST,
            tenant_pubkey: TENANT.parse().unwrap(),
            zooid_domain: "spaces.example.com".parse().unwrap(),
            is_removed: false,
            status: RelayStatus::Active,
            custom_domain_verified: false,
            settings: RelaySettings::defaults(subdomain, PlanId::Basic),
            in_zooid: InZooid::Nothing,
        }
    }

    pub(in crate::zooid) fn renderer_with(change: &[(&str, &str)]) -> Renderer {
        let required = [
            ("CARAVEL_SECRETS_KEY", SECRET),
            ("ZOOID_API_URL", "http://127.0.0.1:3334"),
            ("ZOOID_API_SECRET", SECRET),
            ("RELAY_DOMAIN", "relays.example.com"),
        ];
        let source = required.iter().chain(change).copied().collect::<Source>();
        let config = WorkerConfig::load(&source).unwrap();
        let api_url = &config.targets[0].zooid.api_url;
        Renderer::new(api_url, config.storage, config.livekit, config.sealer)
    }

    fn renderer(s3: bool, livekit: bool) -> Renderer {
        let s3 = if s3 { &S3[..] } else { &[] };
        let livekit = if livekit { &LIVEKIT[..] } else { &[] };
        renderer_with(&[s3, livekit].concat())
    }

    /// RFC 7396, section 2.
    fn merge(target: &mut Value, patch: &Value) {
        let Some(patch) = patch.as_object() else {
            *target = patch.clone();
            return;
        };
        if !target.is_object() {
            *target = json!({});
        }
        for (name, value) in patch {
            if value.is_null() {
                target.as_object_mut().unwrap().remove(name);
            } else {
                merge(&mut target[name], value);
            }
        }
    }

    #[test]
    fn the_full_body_has_every_section_and_the_secret() {
        let schema = "my_relay_01j9zx3v8qj5s3r5t3n0v2k4m6";
        assert_eq!(
            renderer(true, true).full_body(&desired(), &secret()),
            json!({
                "host": "my-relay.spaces.example.com",
                "schema": schema,
                "secret": SECRET,
                "inactive": false,
                "info": { "name": "", "icon": "", "pubkey": TENANT, "description": "" },
                "policy": {
                    "public_read": false, "public_write": false, "public_join": false, "strip_signatures": false,
                },
                "groups": { "enabled": true },
                "push": { "enabled": true },
                "management": { "enabled": true },
                "blossom": {
                    "enabled": true,
                    "adapter": "s3",
                    "s3": {
                        "endpoint": "https://s3.example.com", "region": "eu", "bucket": "media",
                        "access_key": "AKIA-access", "secret_key": "s3/secret+key", "key_prefix": schema,
                    },
                },
                "livekit": {
                    "server_url": "wss://rooms.example.com", "api_key": "lk-key", "api_secret": "lk-secret",
                },
                "roles": { "member": { "can_invite": true } },
            }),
        );
    }

    #[test]
    fn a_patch_has_no_secret_and_removes_what_is_off() {
        let mut relay = desired();
        relay.settings.blossom_enabled = false;
        relay.settings.livekit_enabled = false;
        let patch = renderer(true, true).patch_body(&relay);
        assert_eq!(patch.get("secret"), None);
        assert_eq!(
            patch["blossom"],
            json!({ "enabled": false, "adapter": "local", "s3": null })
        );
        assert_eq!(patch.get("livekit"), Some(&Value::Null));
    }

    #[test]
    fn without_a_bucket_media_is_on_and_local() {
        let body = renderer(false, false).full_body(&desired(), &secret());
        assert_eq!(
            body["blossom"],
            json!({ "enabled": true, "adapter": "local" })
        );
        assert_eq!(body.get("livekit"), None);
    }

    #[test]
    fn only_an_active_relay_is_not_inactive() {
        for status in RelayStatus::ALL.iter().copied() {
            let relay = DesiredRelay {
                status,
                ..desired()
            };
            let inactive = status != RelayStatus::Active;
            assert_eq!(
                renderer(true, true).patch_body(&relay)["inactive"],
                inactive,
                "{status}"
            );
        }
    }

    #[test]
    fn the_record_shows_no_secret_but_tells_when_one_changed() {
        let record = renderer(true, true).accepted_record(&desired());
        for secret in [
            "AKIA-access",
            "s3/secret+key",
            "lk-key",
            "lk-secret",
            SECRET,
        ] {
            assert!(!record.contains(secret), "{secret}");
        }
        let rotated = [&S3[..], &LIVEKIT[..2], &[("LIVEKIT_API_SECRET", "another")]].concat();
        assert_ne!(renderer_with(&rotated).accepted_record(&desired()), record);
    }

    #[test]
    fn of_a_removed_relay_nothing_is_remembered_but_that_it_is_absent() {
        let removed = DesiredRelay {
            is_removed: true,
            ..desired()
        };
        assert_eq!(renderer(true, true).accepted_record(&removed), ABSENT);
    }

    #[test]
    fn the_record_has_sorted_keys() {
        let record = renderer(false, false).accepted_record(&desired());
        assert!(record.starts_with(
            r#"{"api_url":"http://127.0.0.1:3334/","blossom":{"adapter":"local","enabled":true},"groups":"#
        ));
    }

    prop_compose! {
        fn any_relay()(
            flags: [bool; 11],
            text in "\\PC{0,12}",
            status in prop::sample::select(RelayStatus::ALL),
            domain in prop::option::of("[a-z]{1,8}\\.org"),
        ) -> DesiredRelay {
            let mut relay = DesiredRelay { status, custom_domain_verified: flags[10], ..desired() };
            relay.settings = RelaySettings {
                custom_domain: domain.map(|domain| domain.parse::<CustomDomain>().unwrap()),
                info_name: text.clone(),
                info_description: text,
                policy_public_read: flags[0],
                policy_public_write: flags[1],
                policy_public_join: flags[2],
                policy_strip_signatures: flags[3],
                groups_enabled: flags[4],
                management_enabled: flags[5],
                members_can_invite: flags[6],
                blossom_enabled: flags[7],
                livekit_enabled: flags[8],
                push_enabled: flags[9],
                ..relay.settings
            };
            relay
        }
    }

    prop_compose! {
        fn any_renderer()(s3: bool, livekit: bool) -> Renderer {
            renderer(s3, livekit)
        }
    }

    proptest! {
        #[test]
        fn a_patch_of_any_earlier_configuration_gives_what_a_put_gives(
            earlier in any_relay(), earlier_renderer in any_renderer(), now in any_relay(), renderer in any_renderer(),
        ) {
            let mut file = earlier_renderer.full_body(&earlier, &secret());
            merge(&mut file, &renderer.patch_body(&now));
            prop_assert_eq!(file, renderer.full_body(&now, &secret()));
        }

        #[test]
        fn records_differ_exactly_when_bodies_do(
            one in any_relay(), one_renderer in any_renderer(), other in any_relay(), other_renderer in any_renderer(),
        ) {
            let same_body = one_renderer.patch_body(&one) == other_renderer.patch_body(&other);
            let same_record = one_renderer.accepted_record(&one) == other_renderer.accepted_record(&other);
            prop_assert_eq!(same_body, same_record);
        }
    }
}
