//! What zooid last accepted beside what it should have, field by field.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::Evidence;
use crate::zooid::{AT_THE_WORKER, Preview};

/// Where zooid was when it accepted: no setting of the relay.
const NO_SETTING: &str = "api_url";

/// One field of a relay's configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct DiffRow {
    /// Its path, joined by dots.
    pub field: String,
    /// What it should be; null for nothing, and for a secret.
    pub desired: Value,
    /// What zooid last accepted; null for nothing, and for a secret.
    pub accepted: Value,
    /// Whether the two differ.
    pub changed: bool,
    /// Whether it is a secret, of which only that is told.
    pub secret: bool,
    /// How it is known that zooid has what it accepted; `None` before it accepted anything.
    pub evidence: Option<Evidence>,
    /// What was shown at the relay's host, where that is the evidence; else null.
    pub observed: Value,
}

/// Every field of either. Of those in `unknown`, or under it, the asking program does not know what is desired.
pub(super) fn diff(
    desired: &Value,
    accepted: Option<&Value>,
    unknown: &[&'static str],
) -> Vec<DiffRow> {
    let is_unknown = |field: &str| {
        unknown.iter().any(|part| {
            field
                .strip_prefix(part)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })
    };
    let (mut before, mut after) = (BTreeMap::new(), BTreeMap::new());
    flatten("", desired, &mut after);
    if let Some(accepted) = accepted {
        flatten("", accepted, &mut before);
    }
    after.retain(|field, _| !is_unknown(field));
    for part in unknown {
        let named: Vec<String> = before
            .keys()
            .filter(|field| is_unknown(field))
            .cloned()
            .collect();
        let is_named = named.iter().any(|field| field.starts_with(part));
        let fields = if is_named {
            named
        } else {
            vec![(*part).to_owned()]
        };
        after.extend(
            fields
                .into_iter()
                .map(|field| (field, Value::from(AT_THE_WORKER))),
        );
    }
    let mut fields: Vec<&String> = before.keys().chain(after.keys()).collect();
    fields.sort_unstable();
    fields.dedup();
    fields
        .into_iter()
        .filter(|field| *field != NO_SETTING)
        .map(|field| {
            let (desired, accepted_value) = (after.get(field), before.get(field));
            let changed = if is_unknown(field) {
                accepted.is_none()
            } else {
                desired != accepted_value
            };
            let secret = Preview::is_secret(field);
            let shown = |value: Option<&Value>| match value {
                Some(value) if !secret => value.clone(),
                Some(_) | None => Value::Null,
            };
            DiffRow {
                field: field.clone(),
                desired: shown(desired),
                accepted: shown(accepted_value),
                changed,
                secret,
                evidence: accepted.map(|_| Evidence::Assumed),
                observed: Value::Null,
            }
        })
        .collect()
}

/// The leaves of `value` by their paths.
fn flatten(path: &str, value: &Value, leaves: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let path = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                flatten(&path, value, leaves);
            }
        }
        Value::Null => {}
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            leaves.insert(path.to_owned(), value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn row(field: &str, desired: Value, accepted: Value, changed: bool) -> DiffRow {
        DiffRow {
            field: field.to_owned(),
            desired,
            accepted,
            changed,
            secret: false,
            evidence: Some(Evidence::Assumed),
            observed: Value::Null,
        }
    }

    /// The same before zooid has accepted anything.
    fn new_row(field: &str, desired: Value) -> DiffRow {
        DiffRow {
            evidence: None,
            ..row(field, desired, Value::Null, true)
        }
    }

    #[test]
    fn every_field_of_either_side_is_compared() {
        let desired =
            json!({"host": "a", "info": {"name": "New"}, "livekit": {"server_url": "wss://x"}});
        let accepted = json!({"host": "a", "info": {"name": "Old"}, "push": {"enabled": true}, "api_url": "http://z"});

        assert_eq!(
            diff(&desired, Some(&accepted), &[]),
            [
                row("host", json!("a"), json!("a"), false),
                row("info.name", json!("New"), json!("Old"), true),
                row("livekit.server_url", json!("wss://x"), Value::Null, true),
                row("push.enabled", Value::Null, json!(true), true),
            ]
        );
    }

    #[test]
    fn of_a_secret_only_the_change_is_told() {
        let of = |hash: &str| json!({"livekit": {"api_secret": hash}});

        for (accepted, changed) in [("one", false), ("other", true)] {
            let [row] = diff(&of("one"), Some(&of(accepted)), &[])
                .try_into()
                .unwrap();
            assert_eq!((row.desired, row.accepted), (Value::Null, Value::Null));
            assert_eq!((row.secret, row.changed), (true, changed));
        }
    }

    #[test]
    fn before_the_first_acceptance_everything_is_new() {
        let rows = diff(&json!({"host": "a"}), None, &[]);

        assert_eq!(rows, [new_row("host", json!("a"))]);
    }

    #[test]
    fn what_only_the_workers_know_is_no_difference() {
        let desired = json!({"blossom": {"adapter": "local", "enabled": true}});
        let accepted =
            json!({"blossom": {"adapter": "s3", "enabled": true, "s3": {"bucket": "b"}}});

        assert_eq!(
            diff(
                &desired,
                Some(&accepted),
                &["blossom.adapter", "blossom.s3"]
            ),
            [
                row("blossom.adapter", json!(AT_THE_WORKER), json!("s3"), false),
                row("blossom.enabled", json!(true), json!(true), false),
                row("blossom.s3.bucket", json!(AT_THE_WORKER), json!("b"), false),
            ]
        );
        let first = diff(&json!({"host": "a"}), None, &["livekit"]);
        assert_eq!(first[1], new_row("livekit", json!(AT_THE_WORKER)));
    }
}
