//! NIP-98 as zooid checks it (zooid.md, *NIP-98 as zooid checks it*): every rule, in its order, with its words.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, Method, header};
use nostr::event::{Event, EventId, Kind, Signature, Tags};
use nostr::key::PublicKey;
use nostr::types::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

/// The time source that events are compared with.
pub type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// How far an event's `created_at` may lie from the clock, either way.
const TIME_WINDOW: Duration = Duration::from_mins(1);

/// NIP-98's kind.
const HTTP_AUTH: u16 = 27235;

/// Why a request is refused with 401.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unauthorized {
    #[error("missing authorization header")]
    Missing,
    #[error("invalid authorization header format")]
    Format,
    #[error("invalid base64 encoding: {0}")]
    Base64(#[from] base64::DecodeError),
    #[error("invalid event json: {0}")]
    Json(String),
    #[error("invalid event kind: expected {HTTP_AUTH}, got {0}")]
    Kind(u16),
    #[error("invalid event signature")]
    Signature,
    #[error("event is outside the allowed time window")]
    Time,
    #[error("event missing or invalid u tag")]
    Url,
    #[error("event missing or invalid method tag")]
    Method,
}

/// An event as it comes: zooid's decoder takes absent fields for zero values and judges them later.
#[derive(Default, Deserialize)]
#[serde(default)]
struct RawEvent {
    id: Option<EventId>,
    pubkey: Option<PublicKey>,
    created_at: u64,
    kind: u16,
    tags: Vec<Vec<String>>,
    content: String,
    sig: Option<Signature>,
}

/// Who signed this request, whose `Host` is `host` and whose decoded path is `path`.
pub(crate) fn authenticate(
    headers: &HeaderMap,
    method: &Method,
    host: &str,
    path: &str,
    now: SystemTime,
) -> Result<PublicKey, Unauthorized> {
    let raw = decode(headers)?;
    if raw.kind != HTTP_AUTH {
        return Err(Unauthorized::Kind(raw.kind));
    }
    let pubkey = verify(&raw)?;
    let created_at = UNIX_EPOCH
        .checked_add(Duration::from_secs(raw.created_at))
        .ok_or(Unauthorized::Time)?;
    let distance = match now.duration_since(created_at) {
        Ok(age) => age,
        Err(ahead) => ahead.duration(),
    };
    if distance > TIME_WINDOW {
        return Err(Unauthorized::Time);
    }
    let values = |name: &'static str| {
        raw.tags
            .iter()
            .filter(move |tag| tag.len() >= 2 && tag[0] == name)
            .map(|tag| tag[1].as_str())
    };
    let url = format!("{}://{host}{path}", scheme(headers));
    if !values("u").any(|u| u == url) {
        return Err(Unauthorized::Url);
    }
    if !values("method").any(|m| m.eq_ignore_ascii_case(method.as_str())) {
        return Err(Unauthorized::Method);
    }
    Ok(pubkey)
}

fn decode(headers: &HeaderMap) -> Result<RawEvent, Unauthorized> {
    let value = match headers.get(header::AUTHORIZATION) {
        Some(value) if !value.is_empty() => value.to_str().map_err(|_| Unauthorized::Format)?,
        Some(_) | None => return Err(Unauthorized::Missing),
    };
    let (scheme, token) = value.split_once(' ').ok_or(Unauthorized::Format)?;
    if !scheme.eq_ignore_ascii_case("nostr") {
        return Err(Unauthorized::Format);
    }
    let json = STANDARD.decode(token)?;
    // By way of a map, since serde would also take an array for a struct.
    let map: Map<String, Value> =
        serde_json::from_slice(&json).map_err(|e| Unauthorized::Json(e.to_string()))?;
    RawEvent::deserialize(Value::Object(map)).map_err(|e| Unauthorized::Json(e.to_string()))
}

fn verify(raw: &RawEvent) -> Result<PublicKey, Unauthorized> {
    let (Some(id), Some(pubkey), Some(sig)) = (raw.id, raw.pubkey, raw.sig) else {
        return Err(Unauthorized::Signature);
    };
    let tags = Tags::parse(raw.tags.clone()).map_err(|e| Unauthorized::Json(e.to_string()))?;
    let event = Event::new(
        id,
        pubkey,
        Timestamp::from_secs(raw.created_at),
        Kind::from_u16(raw.kind),
        tags,
        raw.content.as_str(),
        sig,
    );
    event.verify().map_err(|_| Unauthorized::Signature)?;
    Ok(pubkey)
}

/// zooid serves plain HTTP and trusts a proxy's word for TLS.
fn scheme(headers: &HeaderMap) -> &'static str {
    match headers.get("x-forwarded-proto") {
        Some(proto) if proto == "https" => "https",
        Some(_) | None => "http",
    }
}
