//! How one zooid is called.

use std::fmt;
use std::time::Duration;

use nostr::key::{Keys, PublicKey};

use super::BaseUrl;
use super::reader::{Read, Reader};
use super::variable::{ZOOID_API_SECRET, ZOOID_API_URL, ZOOID_TIMEOUT_MS, ZOOID_VERIFY};
use crate::crypto::SecretText;

/// How zooid's management API is called.
#[derive(Debug, Clone)]
pub struct ZooidConfig {
    /// Scheme, host and port: zooid serves its API at the root.
    pub api_url: BaseUrl,
    /// Signs the calls (NIP-98). zooid must have its public key in `API_WHITELIST`.
    pub signing_key: SigningKey,
    /// The deadline of one call, from connecting to the last byte of the answer.
    pub timeout: Duration,
}

impl ZooidConfig {
    pub(super) fn read(reader: &mut Reader<'_>) -> Read<Self> {
        let api_url = reader.required(&ZOOID_API_URL, api_url);
        let signing_key = reader.required(&ZOOID_API_SECRET, SigningKey::parse);
        let timeout = reader.millis(&ZOOID_TIMEOUT_MS);
        Ok(Self {
            api_url: api_url?,
            signing_key: signing_key?,
            timeout: timeout?,
        })
    }

    /// The same where zooid is optional: nothing when neither its URL nor the key is set.
    pub(super) fn read_optional(reader: &mut Reader<'_>) -> Read<Option<Self>> {
        if reader.is_set(&ZOOID_API_URL) || reader.is_set(&ZOOID_API_SECRET) {
            Self::read(reader).map(Some)
        } else {
            Ok(None)
        }
    }
}

/// Whether relays are looked at after zooid has accepted them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verify {
    /// zooid is taken at its word.
    Off,
    /// What relays show at their own hosts is compared with what zooid accepted (NIP-11).
    Nip11,
}

impl Verify {
    pub(super) fn read(reader: &mut Reader<'_>) -> Read<Self> {
        reader.required(&ZOOID_VERIFY, |text| match text {
            "off" => Some(Self::Off),
            "nip11" => Some(Self::Nip11),
            _ => None,
        })
    }
}

/// The key that signs our calls to zooid. Its `Debug` form is the public key.
#[derive(Clone)]
pub struct SigningKey(Keys);

/// zooid serves its API at the root of its host.
pub(super) fn api_url(text: &str) -> Option<BaseUrl> {
    BaseUrl::parse(text, &["http", "https"]).filter(|base| base.url().path() == "/")
}

impl SigningKey {
    /// A secret key as hex or nsec.
    pub(super) fn parse(text: &str) -> Option<Self> {
        Keys::parse(text).ok().map(Self)
    }

    /// The pair, for signing.
    #[must_use]
    pub fn keys(&self) -> &Keys {
        &self.0
    }

    /// The secret half, for a redactor to know.
    pub(super) fn secret(&self) -> SecretText {
        SecretText::new(self.0.secret_key().to_secret_hex())
    }

    /// The key that zooid must let in.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        self.0.public_key()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.public_key().to_hex())
    }
}
