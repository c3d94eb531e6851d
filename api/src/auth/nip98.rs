//! Who signed a request: NIP-98 in the two forms that clients send.
//!
//! Invariant: nothing but a complete proof yields a [`Signer`]. Whatever is wrong, the client hears the same; the reason is for the log.

use std::time::Duration;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use chrono::{DateTime, Utc};
use http::header::AUTHORIZATION;
use http::{HeaderMap, Method};
use nostr::event::{Event, Kind};
use sha2::{Digest as _, Sha256};
use shared::config::{AuthConfig, AuthMode, BaseUrl};
use shared::domain::Pubkey;
use url::Url;

use super::VerifiedTokens;

/// Longest `Authorization` header that is looked at, in bytes. A signed event takes about 700.
const HEADER_MAX_BYTES: usize = 4096;

/// How far `created_at` may lie from our clock: NIP-98 suggests a minute.
const WINDOW: Duration = Duration::from_mins(1);

/// The alphabet of NIP-98; some encoders leave the padding out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The part of a request that an event can be about.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// The verb.
    pub method: &'a Method,
    /// Path and query as received.
    pub path_and_query: &'a str,
}

/// What an event stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A session: `u` is the base URL. The same header opens every route of a tenant until it is too old.
    Session,
    /// One request: `u` and `method` are its own.
    Request,
}

/// A proof of who sent a request, complete but for its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    /// The key that signed.
    pub pubkey: Pubkey,
    /// What it signed for.
    pub form: Form,
    /// The id of the event, as hex.
    pub event: String,
    /// Until when it is accepted, in Unix seconds.
    pub expires_at: i64,
    /// The SHA-256 that the body must have, as hex; any body will do when `None`.
    pub payload: Option<String>,
}

/// Why a request counts as unsigned. Never part of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// There is no header, or more than one.
    #[error("there is not exactly one authorization header")]
    Header,
    /// The header is too long.
    #[error("the authorization header is longer than {HEADER_MAX_BYTES} bytes")]
    Oversized,
    /// The header is for something else than NIP-98.
    #[error("the authorization scheme is not Nostr")]
    Scheme,
    /// What follows the scheme is not base64.
    #[error("the token is not base64")]
    Base64,
    /// The token is not an event.
    #[error("the token is not the JSON of an event")]
    Json,
    /// The event is of another kind.
    #[error("the event is not of kind 27235")]
    Kind,
    /// The event is too old, or from the future.
    #[error("created_at is outside the accepted window")]
    Time,
    /// The event is for something else.
    #[error("the u tag names neither the base URL nor the URL of the request")]
    Url,
    /// The event stands for a session where that is not accepted.
    #[error("an event for a session is not accepted here")]
    Session,
    /// There is neither an event nor a session.
    #[error("there is neither a signature nor a cookie of a session that is still on")]
    NobodySignedIn,
    /// The event is for another verb.
    #[error("the method tag is not the verb of the request")]
    Method,
    /// The id or the signature is wrong.
    #[error("the id or the signature of the event is wrong")]
    Signature,
    /// The event was used before, where each may be used once.
    #[error("the event was used before")]
    Used,
    /// The event is for another body.
    #[error("the payload tag is not the hash of the body")]
    Payload,
}

/// Checks the `Authorization` header of a request, against the time `now`.
///
/// # Errors
/// The first thing that is wrong with it; what is cheap to check comes before the signature.
pub fn verify(
    headers: &HeaderMap,
    target: Target<'_>,
    base: &BaseUrl,
    auth: AuthConfig,
    now: DateTime<Utc>,
    verified: &VerifiedTokens,
) -> Result<Signer, Rejection> {
    let json = decode(headers)?;
    let event: Event = serde_json::from_slice(&json).map_err(|_| Rejection::Json)?;
    if event.kind != Kind::HttpAuth {
        return Err(Rejection::Kind);
    }
    let u = tag(&event, "u").ok_or(Rejection::Url)?;
    let (form, max_age) = if is_base(u, base.as_str()) {
        (Form::Session, auth.session)
    } else if is_request(u, base.as_str(), target.path_and_query) {
        (Form::Request, WINDOW)
    } else {
        return Err(Rejection::Url);
    };
    match (form, auth.mode) {
        (Form::Session, AuthMode::Strict) => return Err(Rejection::Session),
        (Form::Session, AuthMode::Compatible) => {}
        (Form::Request, AuthMode::Compatible | AuthMode::Strict) => {
            let is_verb = |method: &str| method.eq_ignore_ascii_case(target.method.as_str());
            if !tag(&event, "method").is_some_and(is_verb) {
                return Err(Rejection::Method);
            }
        }
    }
    if !is_recent(event.created_at.as_secs(), max_age, now) {
        return Err(Rejection::Time);
    }
    let lifetime = i64::try_from(max_age.as_secs()).unwrap_or(i64::MAX);
    let created_at = i64::try_from(event.created_at.as_secs()).unwrap_or(i64::MAX);
    let expires_at = created_at.saturating_add(lifetime);
    if !verified.contains(&json) {
        // Tens of microseconds: not worth another thread.
        event.verify().map_err(|_| Rejection::Signature)?;
        match form {
            Form::Session => verified.remember(&json, expires_at, now.timestamp()),
            Form::Request => {}
        }
    }
    let pubkey = Pubkey::try_from(event.pubkey).map_err(|_| Rejection::Signature)?;
    Ok(Signer {
        pubkey,
        form,
        event: event.id.to_hex(),
        expires_at,
        payload: tag(&event, "payload").map(str::to_owned),
    })
}

/// Whether `body` is the one that was signed for.
#[must_use]
pub fn is_payload(payload: &str, body: &[u8]) -> bool {
    hex::encode(Sha256::digest(body)).eq_ignore_ascii_case(payload)
}

fn decode(headers: &HeaderMap) -> Result<Vec<u8>, Rejection> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(Rejection::Header);
    };
    if value.len() > HEADER_MAX_BYTES {
        return Err(Rejection::Oversized);
    }
    let text = value.to_str().map_err(|_| Rejection::Scheme)?;
    let (scheme, token) = text.split_once(' ').ok_or(Rejection::Scheme)?;
    if !scheme.eq_ignore_ascii_case("nostr") {
        return Err(Rejection::Scheme);
    }
    BASE64.decode(token.trim()).map_err(|_| Rejection::Base64)
}

/// The value of the first tag of this name.
fn tag<'a>(event: &'a Event, name: &str) -> Option<&'a str> {
    let tag = event.tags.iter().find(|tag| tag.kind() == name)?;
    tag.content()
}

/// Clients sign the base URL as it was configured at their end, with or without a slash.
fn is_base(u: &str, base: &str) -> bool {
    without_slash(u) == without_slash(base)
}

/// Scheme, host and port are compared as URLs are (their case and default ports mean nothing), path and query as received.
fn is_request(u: &str, base: &str, path_and_query: &str) -> bool {
    let expected = format!("{}{path_and_query}", without_slash(base));
    let (Ok(u), Ok(expected)) = (Url::parse(u), Url::parse(&expected)) else {
        return false;
    };
    // Parsing resolves `..`, routing does not: what was signed must be what is routed.
    let path = path_and_query.split('?').next().unwrap_or_default();
    u == expected && expected.path().ends_with(path)
}

fn without_slash(url: &str) -> &str {
    url.strip_suffix('/').unwrap_or(url)
}

fn is_recent(created_at: u64, max_age: Duration, now: DateTime<Utc>) -> bool {
    let Ok(now) = u64::try_from(now.timestamp()) else {
        return false;
    };
    let (age, ahead) = (
        now.saturating_sub(created_at),
        created_at.saturating_sub(now),
    );
    age <= max_age.as_secs() && ahead <= WINDOW.as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = "https://api.example.com";

    #[test]
    fn a_path_that_a_url_parser_would_rewrite_is_never_the_signed_one() {
        for path in [
            "/tenants/../relays",
            "/./relays",
            "/tenants/%2e%2e/relays",
            "/relays/..",
        ] {
            for u in [
                format!("{BASE}{path}"),
                format!("{BASE}/relays"),
                format!("{BASE}/"),
            ] {
                assert!(!is_request(&u, BASE, path), "{u} {path}");
            }
        }
        assert!(is_request(&format!("{BASE}/relays"), BASE, "/relays"));
    }

    #[test]
    fn time_is_compared_without_overflow() {
        let now = DateTime::from_timestamp(1_000, 0).unwrap_or_default();
        for (created_at, expected) in [
            (0, false),
            (939, false),
            (940, true),
            (1_060, true),
            (1_061, false),
            (u64::MAX, false),
        ] {
            assert_eq!(is_recent(created_at, WINDOW, now), expected, "{created_at}");
        }
        assert!(!is_recent(0, WINDOW, DateTime::<Utc>::MIN_UTC));
    }
}
