//! What the next sync of a relay would tell zooid, for operators to read.
//!
//! Invariant: no secret is in it: secrets are compared as keyed hashes and shown as a placeholder.

use serde_json::{Map, Value};

use super::Renderer;
use super::renderer::SECRET_POINTERS;
use crate::config::{BlossomStorage, LiveKitConfig};
use crate::crypto::Sealer;
use crate::domain::{DesiredRelay, Verb};

/// What stands for a secret.
const SECRET: &str = "<secret>";

/// What stands for a section that only the workers' configuration has.
pub const AT_THE_WORKER: &str = "configured at the worker";

/// Renders what a program knows of the configurations. A program that is not a worker may have been started without the
/// installation's S3 and `LiveKit`; it says so instead of guessing.
#[derive(Debug, Clone)]
pub struct Preview {
    renderer: Renderer,
    knows_storage: bool,
    knows_livekit: bool,
}

impl Preview {
    /// For a program that was configured with this storage and these calls.
    #[must_use]
    pub fn new(storage: BlossomStorage, livekit: Option<LiveKitConfig>, sealer: Sealer) -> Self {
        Self {
            knows_storage: match storage {
                BlossomStorage::S3(_) => true,
                BlossomStorage::Local => false,
            },
            knows_livekit: livekit.is_some(),
            // It stands in no body, and in no field that is compared.
            renderer: Renderer {
                api_url: String::new(),
                storage,
                livekit,
                sealer,
            },
        }
    }

    /// What would be remembered of the configuration, were it accepted: without the relay's own secret, with the
    /// installation's as keyed hashes.
    #[must_use]
    pub fn record(&self, relay: &DesiredRelay) -> Value {
        serde_json::from_str(&self.renderer.accepted_record(relay)).unwrap_or_default()
    }

    /// The body of the next request, with a placeholder for each secret; null where it has none.
    #[must_use]
    pub fn body(&self, verb: Verb, relay: &DesiredRelay, accepted: Option<&Value>) -> Value {
        let mut body = self.renderer.patch_body(relay);
        match verb {
            Verb::Patch => {}
            Verb::Post | Verb::Put => {
                body = without_nulls(body);
                body["secret"] = Value::from(SECRET);
            }
            Verb::Delete => return Value::Null,
        }
        for pointer in SECRET_POINTERS {
            if let Some(secret) = body.pointer_mut(pointer) {
                *secret = Value::from(SECRET);
            }
        }
        for field in self.unknown(relay, accepted) {
            let (section, rest) = field.split_once('.').unwrap_or((field, ""));
            if rest.is_empty() {
                body[section] = Value::from(AT_THE_WORKER);
            } else {
                body[section][rest] = Value::from(AT_THE_WORKER);
            }
        }
        body
    }

    /// The fields of a relay's configuration, or beginnings of theirs, that this program cannot know. What zooid
    /// `accepted` may show that there is nothing to know.
    #[must_use]
    pub fn unknown(&self, relay: &DesiredRelay, accepted: Option<&Value>) -> Vec<&'static str> {
        let mut unknown = Vec::new();
        if relay.is_removed {
            return unknown;
        }
        let is_local = accepted
            .and_then(|accepted| accepted.pointer("/blossom/adapter"))
            .is_some_and(|adapter| adapter == "local");
        if relay.settings.blossom_enabled && !self.knows_storage && !is_local {
            unknown.extend(["blossom.adapter", "blossom.s3"]);
        }
        let is_without_calls = accepted.is_some_and(|accepted| accepted.get("livekit").is_none());
        if relay.settings.livekit_enabled && !self.knows_livekit && !is_without_calls {
            unknown.push("livekit");
        }
        unknown
    }

    /// Whether a field, its path joined by dots, holds a secret.
    #[must_use]
    pub fn is_secret(field: &str) -> bool {
        SECRET_POINTERS
            .iter()
            .any(|pointer| pointer[1..].replace('/', ".") == field)
    }
}

/// Objects without their nulls: what the first configuration of a relay does not mention, it does not have.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(
            map.into_iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(key, value)| (key, without_nulls(value)))
                .collect::<Map<_, _>>(),
        ),
        other @ (Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)) => other,
    }
}
