//! `Prefer: wait=N` (RFC 7240): how long a client would rather wait for zooid than look again.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::FromRequestParts;
use http::HeaderName;
use http::request::Parts;
use serde_json::json;
use shared::domain::Pubkey;

use crate::description::{Input, Operation};
use crate::limits::{Limits, Slot};
use crate::places::Place;

/// The request's header.
const PREFER: HeaderName = HeaderName::from_static("prefer");

/// The answer's header.
pub const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// The longest wait, in seconds: proxies give up on requests after a minute.
const WAIT_MAX_SECONDS: u64 = 30;

/// What the client prefers, before there is anything to wait for.
#[derive(Debug, Clone)]
pub struct Wait {
    /// How long it would wait, if it says so.
    wanted: Option<Duration>,
    slot: Option<Slot>,
}

/// A wait that has begun.
#[derive(Debug)]
pub struct Waiting {
    /// How long it may last: not at all when too many wait already.
    pub patience: Duration,
    _place: Option<Place<Pubkey>>,
}

impl Wait {
    /// Begins to wait for zooid to follow a write on a relay of `tenant`, in a place of its own instead of one among the
    /// requests that are handled; `None` when the client would rather be answered at once.
    pub fn begin(self, limits: &Limits, tenant: &Pubkey) -> Option<Waiting> {
        let wanted = self.wanted?;
        let place = limits.place_to_wait(tenant);
        let patience = match &place {
            Some(_) => wanted,
            None => Duration::ZERO,
        };
        if let (Some(slot), Some(_)) = (&self.slot, &place) {
            slot.leave();
        }
        Some(Waiting {
            patience,
            _place: place,
        })
    }
}

impl<S: Sync> FromRequestParts<S> for Wait {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let values = parts.headers.get_all(PREFER).iter();
        let wanted = values
            .filter_map(|value| value.to_str().ok())
            .find_map(wait_in);
        Ok(Self {
            wanted,
            slot: parts.extensions.get().cloned(),
        })
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
