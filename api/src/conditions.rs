//! What a client demands of a write beside what it writes: that it is not done twice, and that nobody was faster.

use std::convert::Infallible;

use axum::extract::{FromRequest, FromRequestParts, Request};
use http::header::{IF_MATCH, IF_NONE_MATCH};
use http::request::Parts;
use http::{HeaderMap, HeaderName, StatusCode};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use shared::command::Version;
use shared::domain::{JsonInput, Pubkey, ValidationError};
use shared::repositories::request::RequestKey;

use crate::body;
use crate::description::{Input, Operation};
use crate::error::{
    ApiError, IDEMPOTENCY_KEY_INVALID, IDEMPOTENCY_KEY_REUSED, IF_MATCH_INVALID,
    PRECONDITION_FAILED,
};

/// The header that makes a repetition of a request known.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Longest idempotency key, in bytes.
const KEY_MAX_BYTES: usize = 255;

/// An input read from a JSON body, with what makes a repetition of the request known.
#[derive(Debug)]
pub struct Keyed<T> {
    /// The input.
    pub input: T,
    key: Option<String>,
    body_hash: String,
}

impl<T> Keyed<T> {
    /// The input, and the request as it is remembered when it has a key.
    pub fn into_parts(self, signer: &Pubkey, route: &'static str) -> (T, Option<RequestKey>) {
        let request = self.key.map(|key| RequestKey {
            signer: signer.clone(),
            route,
            key,
            body_hash: self.body_hash,
        });
        (self.input, request)
    }
}

impl<S: Sync, T: JsonInput> FromRequest<S> for Keyed<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let key = idempotency_key(request.headers())?;
        let bytes = body::read(request.into_body()).await?;
        Ok(Self {
            key,
            body_hash: hex::encode(Sha256::digest(&bytes)),
            input: body::parse(&bytes)?,
        })
    }
}

impl<T: JsonInput> Input for Keyed<T> {
    fn describe(operation: &mut Operation<'_>) {
        let comment = "Makes a repetition known for 24 hours: the same key and body are answered with what was answered first.";
        let schema = json!({"type": "string", "pattern": "^[!-~]{1,255}$"});
        operation.takes_header(&IDEMPOTENCY_KEY, comment, &schema);
        operation.takes_body::<T>();
        operation.may_refuse(&[IDEMPOTENCY_KEY_INVALID, IDEMPOTENCY_KEY_REUSED]);
    }
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, ValidationError> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    value
        .to_str()
        .ok()
        .filter(|key| {
            (1..=KEY_MAX_BYTES).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic())
        })
        .filter(|_| values.next().is_none())
        .map(|key| Some(key.to_owned()))
        .ok_or_else(|| {
            ValidationError::new(
                "idempotency-key-invalid",
                "Idempotency-Key",
                "must be 1 to 255 visible characters",
            )
        })
}

/// The versions of a resource that a write is meant for, from `If-Match` (RFC 9110, section 13.1.1); `None` without it.
#[derive(Debug)]
pub struct IfMatch(pub Option<Version>);

impl<S: Sync> FromRequestParts<S> for IfMatch {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let mut tags = Vec::new();
        let mut values = parts.headers.get_all(IF_MATCH).iter().peekable();
        if values.peek().is_none() {
            return Ok(Self(None));
        }
        for value in values {
            let text = value.to_str().unwrap_or_default().trim();
            if text == "*" {
                return Ok(Self(Some(Version::Any)));
            }
            for tag in text.split(',').map(str::trim) {
                tags.push(entity_tag(tag).ok_or_else(|| {
                    ValidationError::new(
                        "if-match-invalid",
                        "If-Match",
                        "must be * or a list of entity tags in quotes",
                    )
                })?);
            }
        }
        Ok(Self(Some(Version::OneOf(tags))))
    }
}

impl Input for IfMatch {
    fn describe(operation: &mut Operation<'_>) {
        let comment =
            "Entity tags: nothing is written when the resource has none of them any more.";
        operation.takes_header(&IF_MATCH, comment, &json!({"type": "string"}));
        operation.may_refuse(&[IF_MATCH_INVALID, PRECONDITION_FAILED]);
    }
}

/// The versions that a client has, from `If-None-Match` (RFC 9110, section 13.1.2).
#[derive(Debug)]
pub struct IfNoneMatch(Vec<String>);

impl IfNoneMatch {
    /// Whether the client has the version with this tag.
    pub fn has(&self, tag: &str) -> bool {
        self.0.iter().any(|known| known == tag)
    }
}

impl<S: Sync> FromRequestParts<S> for IfNoneMatch {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let known = parts.headers.get_all(IF_NONE_MATCH).iter();
        let tags = known
            .filter_map(|list| list.to_str().ok())
            .flat_map(|list| list.split(','))
            .map(|tag| tag.trim().to_owned());
        Ok(Self(tags.collect()))
    }
}

impl Input for IfNoneMatch {
    fn describe(operation: &mut Operation<'_>) {
        let comment = "Entity tags: 304 without a body when the client has the present one.";
        operation.takes_header(&IF_NONE_MATCH, comment, &json!({"type": "string"}));
        operation.succeeds(StatusCode::NOT_MODIFIED, json!({}));
    }
}

/// A tag as it stands. A weak one stays weak, and so matches none of ours: that is the strong comparison.
fn entity_tag(text: &str) -> Option<String> {
    let opaque = text.strip_prefix("W/").unwrap_or(text);
    let inner = opaque.strip_prefix('"')?.strip_suffix('"')?;
    (!inner.contains('"')).then(|| text.to_owned())
}
