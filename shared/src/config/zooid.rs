//! The zooid that serves the relays, and the name it serves them under.

use std::fmt;
use std::time::Duration;

use nostr::key::{Keys, PublicKey};

use super::BaseUrl;
use super::reader::{Read, Reader};
use super::variable::{RELAY_DOMAIN, ZOOID_API_SECRET, ZOOID_API_URL, ZOOID_TIMEOUT_MS};
use crate::crypto::SecretText;
use crate::domain::ZooidDomain;

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
        let api_url = reader.required(&ZOOID_API_URL, |text| {
            BaseUrl::parse(text, &["http", "https"]).filter(|base| base.url().path() == "/")
        });
        let signing_key = reader.required(&ZOOID_API_SECRET, |text| {
            Keys::parse(text).ok().map(SigningKey)
        });
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

/// The key that signs our calls to zooid. Its `Debug` form is the public key.
#[derive(Clone)]
pub struct SigningKey(Keys);

impl SigningKey {
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

/// The longest domain that leaves room for a subdomain of 63 characters and its dot within the 253 of a host name
/// (RFC 1035, section 2.3.4).
const MAX_DOMAIN: usize = 189;

/// The longest label of a host name (RFC 1035, section 2.3.4).
const MAX_LABEL: usize = 63;

/// The name that relays are subdomains of: a host name in lower case, with a port where relays are reached under one,
/// as in `localhost:3334`. zooid compares the whole `Host` header, port included.
pub(super) fn read_relay_domain(reader: &mut Reader<'_>) -> Read<ZooidDomain> {
    reader.required(&RELAY_DOMAIN, |text| {
        let domain = text.to_ascii_lowercase();
        is_host_with_port(&domain).then(|| domain.parse().ok())?
    })
}

fn is_host_with_port(text: &str) -> bool {
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    let is_label = |label: &str| {
        (1..=MAX_LABEL).contains(&label.len())
            && label
                .bytes()
                .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    // A last label of digits only would make it an IP address, which has no subdomains.
    let is_address = host
        .rsplit('.')
        .next()
        .is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
    let is_port = |port: &str| {
        port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|n| n > 0)
    };
    host.len() <= MAX_DOMAIN
        && host.split('.').all(is_label)
        && !is_address
        && port.is_none_or(is_port)
}
