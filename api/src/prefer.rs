//! `Prefer: wait=N` (RFC 7240): how long a client would rather wait for zooid than look again.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::FromRequestParts;
use http::HeaderName;
use http::request::Parts;
use serde_json::json;

use crate::description::{Input, Operation};

/// The request's header.
const PREFER: HeaderName = HeaderName::from_static("prefer");

/// The answer's header.
pub const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// The longest wait, in seconds: proxies give up on requests after a minute.
const WAIT_MAX_SECONDS: u64 = 30;

/// How long the client prefers to wait, if it says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait(pub Option<Duration>);

impl<S: Sync> FromRequestParts<S> for Wait {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let values = parts.headers.get_all(PREFER).iter();
        let wait = values
            .filter_map(|value| value.to_str().ok())
            .find_map(wait_in);
        Ok(Self(wait))
    }
}

impl Input for Wait {
    fn describe(operation: &mut Operation<'_>) {
        let comment = "`wait=N` (RFC 7240): to be answered when zooid has accepted what is written, or it was given up, but after N seconds (30 at most) in any case.";
        operation.takes_header(
            &PREFER,
            comment,
            &json!({"type": "string", "example": "wait=10"}),
        );
        operation.may_be_pending();
    }
}

/// The first `wait` in a header. What is not understood is ignored, as the RFC asks.
fn wait_in(header: &str) -> Option<Duration> {
    let seconds: u64 = header
        .split(',')
        .filter_map(|preference| preference.split(';').next()?.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("wait"))
        .and_then(|(_, value)| value.trim().trim_matches('"').parse().ok())?;
    Some(Duration::from_secs(seconds.min(WAIT_MAX_SECONDS)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_found_among_other_preferences_and_never_exceeds_half_a_minute() {
        for (header, seconds) in [
            ("wait=10", Some(10)),
            ("respond-async, wait=5", Some(5)),
            ("Wait = \"7\"; strict", Some(7)),
            ("wait=3, wait=9", Some(3)),
            ("wait=0", Some(0)),
            ("wait=3600", Some(30)),
            ("wait", None),
            ("wait=soon", None),
            ("wait=-1", None),
            ("handling=lenient", None),
            ("", None),
        ] {
            assert_eq!(
                wait_in(header),
                seconds.map(Duration::from_secs),
                "{header}"
            );
        }
    }
}
