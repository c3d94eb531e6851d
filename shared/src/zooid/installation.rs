//! Noticing that the installation's own part of the configurations has changed: where zooid is, where blobs go, who
//! carries calls.
//!
//! Two texts remember that part. A fingerprint for each target tells what changed since a worker last started. The
//! record of what zooid accepted tells which relays were told something else, whoever told them. Invariant: neither
//! shows a secret, and a rotation of the sealing key changes nothing as long as the former key is configured.

use std::fmt;

use serde_json::Value;

use super::Renderer;
use super::renderer::{SECRET_POINTERS, bucket_section, canonical, livekit_section};
use crate::config::BlossomStorage;

/// The form of a fingerprint: `v1.<URL>.<storage>.<LiveKit>`, each part a keyed hash.
const VERSION: &str = "v1";

/// What the parts of a fingerprint are hashed under, in their order.
const LABELS: [&str; 3] = ["target/url", "target/storage", "target/livekit"];

/// Which settings differ.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SettingsChange {
    /// The URL of zooid: all of its relays have to be sent there.
    pub url: bool,
    /// S3: it concerns the relays that store blobs.
    pub storage: bool,
    /// `LiveKit`: it concerns the relays that offer calls.
    pub livekit: bool,
}

impl SettingsChange {
    /// Whether nothing differs.
    #[must_use]
    pub fn is_none(self) -> bool {
        self == Self::default()
    }
}

/// What differs, for a log: `URL, S3`.
impl fmt::Display for SettingsChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let differing = [
            (self.url, "URL"),
            (self.storage, "S3"),
            (self.livekit, "LiveKit"),
        ];
        let names: Vec<_> = differing
            .iter()
            .filter_map(|(differs, name)| differs.then_some(*name))
            .collect();
        f.write_str(&names.join(", "))
    }
}

/// What zooid was last told about a relay, and what the relay uses now.
#[derive(Debug, Clone, Copy)]
pub struct Told<'a> {
    /// The [`Renderer::accepted_record`] of the time.
    pub record: &'a str,
    /// Whether the relay stores blobs.
    pub blossom_enabled: bool,
    /// Whether the relay offers calls.
    pub livekit_enabled: bool,
}

impl Renderer {
    /// Keyed hashes of all that this installation contributes to the configurations of this target.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let hashes = LABELS
            .iter()
            .zip(self.contribution())
            .map(|(label, part)| self.sealer.keyed_hash(label, part.as_bytes()));
        let parts: Vec<_> = [VERSION.to_owned()].into_iter().chain(hashes).collect();
        parts.join(".")
    }

    /// What differs from the settings that `fingerprint` was taken of. Everything does if it was taken under a sealing
    /// key that is no longer configured: then nobody can tell.
    #[must_use]
    pub fn change_since(&self, fingerprint: &str) -> SettingsChange {
        let mut parts = fingerprint.split('.');
        let known = parts.next() == Some(VERSION);
        let contribution = self.contribution();
        let [url, storage, livekit] = [0, 1, 2].map(|at: usize| {
            let hash = parts.next().unwrap_or_default();
            let part = contribution[at].as_bytes();
            !known || !self.sealer.is_keyed_hash(hash, LABELS[at], part)
        });
        SettingsChange {
            url,
            storage,
            livekit,
        }
    }

    /// Whether zooid was told other settings of this installation than it would be told now. `change` is what is known
    /// to have changed, for a record that does not say at which URL it was accepted.
    #[must_use]
    pub fn has_changed_since(&self, told: Told<'_>, change: SettingsChange) -> bool {
        let record: Value = serde_json::from_str(told.record).unwrap_or_default();
        let at_another_url = record
            .get("api_url")
            .map_or(change.url, |url| *url != self.api_url);
        let bucket = told.blossom_enabled.then(|| self.bucket()).flatten();
        let livekit = told.livekit_enabled.then(|| self.livekit()).flatten();
        at_another_url
            || !self.says(&record, "/blossom/s3", bucket.as_ref())
            || !self.says(&record, "/livekit", livekit.as_ref())
    }

    /// URL, storage and `LiveKit` as texts that are the same exactly when the settings are.
    fn contribution(&self) -> [String; 3] {
        let text = |section| canonical(Value::from(section)).to_string();
        [
            self.api_url.clone(),
            text(self.bucket()),
            text(self.livekit()),
        ]
    }

    fn bucket(&self) -> Option<Value> {
        match &self.storage {
            BlossomStorage::S3(s3) => Some(bucket_section(s3)),
            BlossomStorage::Local => None,
        }
    }

    fn livekit(&self) -> Option<Value> {
        self.livekit.as_ref().map(livekit_section)
    }

    /// Whether `record` has `section` at `pointer`, its secrets as keyed hashes. What belongs to the relay, its place
    /// in the bucket, is not compared.
    fn says(&self, record: &Value, pointer: &str, section: Option<&Value>) -> bool {
        let (told, section) = match (record.pointer(pointer), section) {
            (Some(Value::Object(told)), Some(Value::Object(section))) => (told, section),
            (told, section) => return told.is_none() && section.is_none(),
        };
        section.iter().all(|(name, value)| {
            let pointer = format!("{pointer}/{name}");
            match (told.get(name), value) {
                (Some(Value::String(hash)), Value::String(secret))
                    if SECRET_POINTERS.contains(&pointer.as_str()) =>
                {
                    self.sealer.is_keyed_hash(hash, &pointer, secret.as_bytes())
                }
                (told, value) => told == Some(value),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zooid::renderer::tests::{LIVEKIT, S3, desired, renderer_with};

    const NONE: SettingsChange = SettingsChange {
        url: false,
        storage: false,
        livekit: false,
    };
    const STORAGE: SettingsChange = SettingsChange {
        storage: true,
        ..NONE
    };
    const CALLS: SettingsChange = SettingsChange {
        livekit: true,
        ..NONE
    };
    const URL: SettingsChange = SettingsChange { url: true, ..NONE };

    /// A renderer with S3 and `LiveKit`, but for these variables.
    fn with(changes: &[(&str, &str)]) -> Renderer {
        renderer_with(&[&S3[..], &LIVEKIT, changes].concat())
    }

    const ANOTHER_KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    const ROTATED: [(&str, &str); 2] = [
        ("CARAVEL_SECRETS_KEY", ANOTHER_KEY),
        (
            "CARAVEL_SECRETS_KEY_PREVIOUS",
            "1111111111111111111111111111111111111111111111111111111111111111",
        ),
    ];

    #[test]
    fn a_fingerprint_tells_which_settings_changed() {
        let before = with(&[]).fingerprint();

        for (changes, expected) in [
            (&[][..], NONE),
            (&[("BLOSSOM_S3_SECRET_KEY", "another")], STORAGE),
            (&[("BLOSSOM_S3_BUCKET", "")], STORAGE),
            (&[("LIVEKIT_API_SECRET", "another")], CALLS),
            (&[("ZOOID_API_URL", "http://127.0.0.1:3335")], URL),
            (&[("ZOOID_API_URL", "http://127.0.0.1:3334/")], NONE),
        ] {
            assert_eq!(with(changes).change_since(&before), expected, "{changes:?}");
        }
        assert!(!before.contains("lk-secret"));
    }

    #[test]
    fn a_rotation_of_the_sealing_key_is_no_change_while_the_former_key_is_known() {
        let before = with(&[]);
        let relay = desired();
        let record = before.accepted_record(&relay);

        let rotated = with(&ROTATED);
        assert_ne!(rotated.fingerprint(), before.fingerprint());
        assert_eq!(rotated.change_since(&before.fingerprint()), NONE);
        assert!(!rotated.has_changed_since(told(&record), NONE));

        let forgotten = with(&ROTATED[..1]);
        let change = forgotten.change_since(&before.fingerprint());
        assert_eq!(change.to_string(), "URL, S3, LiveKit");
        assert!(forgotten.has_changed_since(told(&record), NONE));
    }

    fn told(record: &str) -> Told<'_> {
        Told {
            record,
            blossom_enabled: true,
            livekit_enabled: true,
        }
    }

    #[test]
    fn a_record_is_of_other_settings_exactly_where_the_relay_uses_them() {
        for (blossom, livekit) in [(true, true), (true, false), (false, true), (false, false)] {
            let mut relay = desired();
            relay.settings.blossom_enabled = blossom;
            relay.settings.livekit_enabled = livekit;
            let record = with(&[]).accepted_record(&relay);
            let told = Told {
                record: &record,
                blossom_enabled: blossom,
                livekit_enabled: livekit,
            };
            for (changes, concerned) in [
                (&[][..], false),
                (&[("BLOSSOM_S3_ACCESS_KEY", "another")], blossom),
                (&[("BLOSSOM_S3_REGION", "us")], blossom),
                (&[("BLOSSOM_S3_REGION", "")], blossom),
                (&[("LIVEKIT_API_KEY", "another")], livekit),
                (&[("LIVEKIT_URL", "wss://else.example.com")], livekit),
                (&[("ZOOID_API_URL", "http://127.0.0.1:3335")], true),
            ] {
                assert_eq!(
                    with(changes).has_changed_since(told, NONE),
                    concerned,
                    "{changes:?} with blobs {blossom}, calls {livekit}"
                );
            }
        }
    }

    #[test]
    fn a_service_that_came_or_went_is_a_change() {
        let (none, all) = (renderer_with(&[]), with(&[]));
        let relay = desired();

        assert!(all.has_changed_since(told(&none.accepted_record(&relay)), NONE));
        assert!(none.has_changed_since(told(&all.accepted_record(&relay)), NONE));
        assert!(!none.has_changed_since(told(&none.accepted_record(&relay)), NONE));
    }

    #[test]
    fn a_record_without_a_url_is_of_another_only_when_the_url_changed() {
        let here = renderer_with(&[]);

        assert!(!here.has_changed_since(told("{}"), NONE));
        assert!(here.has_changed_since(told("{}"), URL));
    }
}
