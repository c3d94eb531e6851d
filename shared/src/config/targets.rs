//! The zooids, and the domain whose relays each of them serves: one by three variables, several by `ZOOID_TARGETS`.
//!
//! Invariants: there is at least one, no two serve the same domain, and no error repeats any part of an entry.

use std::borrow::Cow;

use super::list::comma_list;
use super::reader::{Read, Reader};
use super::variable::{
    RELAY_DOMAIN, ZOOID_API_SECRET, ZOOID_API_URL, ZOOID_TARGETS, ZOOID_TIMEOUT_MS,
};
use super::zooid::{SigningKey, api_url};
use super::{BaseUrl, ConfigError, ZooidConfig};
use crate::domain::ZooidDomain;

/// A zooid and the domain whose relays it serves. The API serves domains without calling their zooid too.
#[derive(Debug, Clone)]
pub struct TargetConfig<Z = ZooidConfig> {
    /// The host name that its relays are subdomains of: lower case, with a port where one is needed.
    pub domain: ZooidDomain,
    /// How it is called.
    pub zooid: Z,
}

impl TargetConfig {
    /// All of them, each with what it takes to call it.
    pub(super) fn read_all(reader: &mut Reader<'_>) -> Read<Vec<Self>> {
        let Some(entries) = read_entries(reader)? else {
            let domain = reader.required(&RELAY_DOMAIN, relay_domain);
            let zooid = ZooidConfig::read(reader);
            return Ok(vec![Self {
                domain: domain?,
                zooid: zooid?,
            }]);
        };
        // Each is looked at before the first is refused, so that one error hides no other.
        let targets: Vec<_> = entries
            .into_iter()
            .map(|Entry { position, target }| {
                let zooid = target.zooid.ok_or_else(|| {
                    let expected = "a secret key before the @, or one for all in ZOOID_API_SECRET";
                    reader.refuse(malformed(position, expected))
                });
                Ok(Self {
                    domain: target.domain,
                    zooid: zooid?,
                })
            })
            .collect();
        targets.into_iter().collect()
    }
}

impl TargetConfig<Option<ZooidConfig>> {
    /// All of them; those without a key are not called.
    pub(super) fn read_optional(reader: &mut Reader<'_>) -> Read<Vec<Self>> {
        if let Some(entries) = read_entries(reader)? {
            return Ok(entries.into_iter().map(|entry| entry.target).collect());
        }
        let domain = reader.required(&RELAY_DOMAIN, relay_domain);
        let zooid = ZooidConfig::read_optional(reader);
        Ok(vec![Self {
            domain: domain?,
            zooid: zooid?,
        }])
    }
}

/// An entry of `ZOOID_TARGETS`, and which one it is, counted from 1.
struct Entry {
    position: usize,
    target: TargetConfig<Option<ZooidConfig>>,
}

/// What an entry says: `DOMAIN=URL`, where the URL may have a secret key as its user.
struct Parsed {
    domain: ZooidDomain,
    api_url: BaseUrl,
    signing_key: Option<SigningKey>,
}

/// The entries of `ZOOID_TARGETS`; nothing when it is not set, and the variables of the short form hold.
fn read_entries(reader: &mut Reader<'_>) -> Read<Option<Vec<Entry>>> {
    let texts = reader.optional(&ZOOID_TARGETS, |text| {
        comma_list(text, |entry| Some(entry.to_owned())).filter(|entries| !entries.is_empty())
    })?;
    let Some(texts) = texts else {
        return Ok(None);
    };
    let key_of_all = reader.optional(&ZOOID_API_SECRET, SigningKey::parse);
    let timeout = reader.millis(&ZOOID_TIMEOUT_MS);
    let short_form = refuse_short_form(reader);
    let parsed = parse_entries(reader, &texts);
    let (key_of_all, timeout) = (key_of_all?, timeout?);
    short_form?;
    let entries = (1..).zip(parsed?).map(|(position, parsed)| {
        let signing_key = parsed.signing_key.or_else(|| key_of_all.clone());
        let zooid = signing_key.map(|signing_key| ZooidConfig {
            api_url: parsed.api_url,
            signing_key,
            timeout,
        });
        let domain = parsed.domain;
        Entry {
            position,
            target: TargetConfig { domain, zooid },
        }
    });
    Ok(Some(entries.collect()))
}

/// Of two forms that say different things, neither is right.
fn refuse_short_form(reader: &mut Reader<'_>) -> Read<()> {
    let mut refused = Ok(());
    for other in [&RELAY_DOMAIN, &ZOOID_API_URL] {
        if reader.is_set(other) {
            refused = Err(reader.refuse(ConfigError::Disagree {
                name: ZOOID_TARGETS.name,
                other: other.name,
                rule: "the one is for several zooids, the other for a single one",
            }));
        }
    }
    refused
}

fn parse_entries(reader: &mut Reader<'_>, texts: &[String]) -> Read<Vec<Parsed>> {
    let mut entries: Vec<Parsed> = Vec::new();
    let mut refused = Ok(());
    for (position, text) in (1..).zip(texts) {
        let parsed = Parsed::new(text).and_then(|parsed| {
            let is_new = entries.iter().all(|entry| entry.domain != parsed.domain);
            is_new
                .then_some(parsed)
                .ok_or("a domain that no earlier entry has")
        });
        match parsed {
            Ok(parsed) => entries.push(parsed),
            Err(expected) => refused = Err(reader.refuse(malformed(position, expected))),
        }
    }
    refused.map(|()| entries)
}

impl Parsed {
    /// The parts of an entry, or what is expected in the place of the first that is none.
    fn new(text: &str) -> Result<Self, &'static str> {
        let (domain, url) = text.split_once('=').ok_or("DOMAIN=URL")?;
        let (url, key) = without_user(url.trim());
        Ok(Self {
            domain: relay_domain(domain.trim())
                .ok_or("the host name that relays are subdomains of, before the =")?,
            signing_key: key
                .map(|key| SigningKey::parse(key).ok_or("a secret key as hex or nsec before the @"))
                .transpose()?,
            api_url: api_url(&url).ok_or("an http or https URL without path, query or fragment")?,
        })
    }
}

fn malformed(position: usize, expected: &'static str) -> ConfigError {
    ConfigError::Entry {
        name: ZOOID_TARGETS.name,
        position,
        expected,
    }
}

/// The URL without its user, and the user where it has one.
fn without_user(url: &str) -> (Cow<'_, str>, Option<&str>) {
    let parts = url.split_once("://").and_then(|(scheme, rest)| {
        let (user, host) = rest.split_once('@')?;
        Some((format!("{scheme}://{host}").into(), Some(user)))
    });
    parts.unwrap_or((url.into(), None))
}

/// The longest domain that leaves room for a subdomain of 63 characters and its dot within the 253 of a host name
/// (RFC 1035, section 2.3.4).
const MAX_DOMAIN: usize = 189;

/// The longest label of a host name (RFC 1035, section 2.3.4).
const MAX_LABEL: usize = 63;

/// The name that relays are subdomains of: a host name in lower case, with a port where relays are reached under one,
/// as in `localhost:3334`. zooid compares the whole `Host` header, port included.
fn relay_domain(text: &str) -> Option<ZooidDomain> {
    let domain = text.to_ascii_lowercase();
    is_host_with_port(&domain).then(|| domain.parse().ok())?
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
