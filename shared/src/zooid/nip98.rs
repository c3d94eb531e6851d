//! Signing HTTP requests with a Nostr key (NIP-98), in the strict form that zooid checks.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use nostr::event::{EventBuilder, FinalizeEvent as _, Kind, Tag};
use nostr::key::Keys;
use nostr::types::Timestamp;
use sha2::{Digest as _, Sha256};

use crate::clock::Clock;

/// A request could not be signed.
#[derive(Debug, thiserror::Error)]
#[error("sign an http request with the configured nostr key")]
pub struct SignError(#[from] nostr::error::Error);

/// The value of an `Authorization` header which proves that the holder of `keys` asked for `url`, now.
///
/// `url` is the absolute URL as the server sees it. `method` names the verb; without it the event is good for every
/// verb where a server accepts that, as our own API does in its session form. `body` is bound by its SHA-256. Servers
/// accept `created_at` for a minute only, so every attempt is signed anew.
///
/// # Errors
/// When the key cannot sign, which a key that was parsed always can.
pub fn authorization(
    clock: &dyn Clock,
    keys: &Keys,
    url: &str,
    method: Option<&str>,
    body: Option<&[u8]>,
) -> Result<String, SignError> {
    let payload = body.map(|body| hex::encode(Sha256::digest(body)));
    let created_at = u64::try_from(clock.now().timestamp()).unwrap_or(0);
    let event = EventBuilder::new(Kind::HttpAuth, "")
        .tag(Tag::custom("u", [url]))
        .tag_maybe(method.map(|method| Tag::custom("method", [method])))
        .tag_maybe(payload.map(|payload| Tag::custom("payload", [payload])))
        .custom_created_at(Timestamp::from_secs(created_at))
        .finalize(keys)?;
    Ok(format!("Nostr {}", STANDARD.encode(event.try_as_json()?)))
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use nostr::event::Event;

    use super::*;
    use crate::clock::ManualClock;

    const URL: &str = "http://zooid.example.com:3334/relay/abc";

    fn signed(method: Option<&str>, body: Option<&[u8]>) -> Event {
        let clock = ManualClock::new(DateTime::from_timestamp(1_700_000_000, 0).unwrap());
        let header = authorization(&clock, &Keys::generate(), URL, method, body).unwrap();
        let json = STANDARD
            .decode(header.strip_prefix("Nostr ").unwrap())
            .unwrap();
        Event::from_json(String::from_utf8(json).unwrap()).unwrap()
    }

    fn tags(event: &Event) -> Vec<Vec<String>> {
        event
            .tags
            .iter()
            .map(|tag| tag.as_slice().to_vec())
            .collect()
    }

    #[test]
    fn the_event_names_url_and_verb_at_the_clocks_time() {
        let event = signed(Some("PATCH"), None);
        assert!(event.verify().is_ok());
        assert_eq!(event.kind.as_u16(), 27235);
        assert_eq!(event.created_at.as_secs(), 1_700_000_000);
        assert_eq!(tags(&event), [["u", URL], ["method", "PATCH"]]);
    }

    #[test]
    fn a_body_is_bound_by_its_hash() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(
            tags(&signed(Some("POST"), Some(b"")))[2],
            ["payload", empty]
        );
    }

    #[test]
    fn the_session_form_names_no_verb() {
        assert_eq!(tags(&signed(None, None)), [["u", URL]]);
    }
}
