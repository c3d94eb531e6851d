//! A relay's NIP-11 document, the only read-back zooid gives besides members (zooid.md, *What a 200 does not mean*).

use nostr::key::Keys;
use serde::Serialize;

use crate::config::Config;
use crate::validate::secret_key;

/// What `GET /` with `Accept: application/nostr+json` shows. Empty texts are left out, as in zooid.
#[derive(Serialize)]
pub(crate) struct Document {
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    description: String,
    pubkey: String,
    #[serde(rename = "self")]
    self_: String,
    supported_nips: Vec<u16>,
    software: &'static str,
    version: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    icon: String,
    /// Which relay this is, for faults aimed at it.
    #[serde(skip)]
    pub(crate) id: String,
}

impl Document {
    /// The document of a relay, or none if its secret is no key: zooid does not load such a file.
    pub(crate) fn of(id: &str, config: &Config) -> Option<Self> {
        let secret = secret_key(&config.secret).ok()?;
        let mut supported_nips = vec![1, 11, 42, 70, 86];
        if config.groups.enabled {
            supported_nips.push(29);
        }
        supported_nips.extend([9, 77]);
        Some(Self {
            name: config.info.name.clone(),
            description: config.info.description.clone(),
            pubkey: config.info.pubkey.to_ascii_lowercase(),
            self_: Keys::new(secret).public_key().to_hex(),
            supported_nips,
            software: "zooid-sim",
            version: env!("CARGO_PKG_VERSION"),
            icon: config.info.icon.clone(),
            id: id.to_owned(),
        })
    }
}
