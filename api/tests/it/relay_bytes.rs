//! Arbitrary bytes as the body of a relay: never a fault of ours, always an answer in the envelope that the description
//! knows, and nothing written when it is a refusal. The harness holds each answer against both.

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use tokio::runtime::Runtime;

use crate::harness::*;

/// A server for all cases of one property, with one relay.
fn served() -> (Runtime, Api, String) {
    let runtime = Runtime::new().unwrap();
    let (api, id) = runtime.block_on(async {
        let api = start().await;
        let relay = api.relay("whole").await;
        let id = relay["id"].as_str().unwrap().to_owned();
        (api, id)
    });
    (runtime, api, id)
}

/// Sends `body` to create a relay, and to change the one there is.
fn hold(runtime: &Runtime, api: &Api, id: &str, body: &[u8]) -> Result<(), TestCaseError> {
    runtime.block_on(async {
        let mut look = api.db.readers().acquire().await.unwrap();
        for (method, path) in [
            ("POST", "/relays".to_owned()),
            ("PUT", format!("/relays/{id}")),
        ] {
            let before = commits(&mut look).await;
            let call = api.call(method, path.clone()).by(&api.owner).bytes(body);
            let reply = call.send().await;
            let is_written = commits(&mut look).await != before;

            match reply.status {
                200 | 201 => {}
                400 | 413 | 422 => prop_assert!(!is_written, "{method} {}", reply.json),
                _ => prop_assert!(false, "{method} {} {}", reply.status, reply.json),
            }
        }
        Ok(())
    })
}

/// A value that any commit of another connection changes (<https://sqlite.org/pragma.html#pragma_data_version>).
async fn commits(look: &mut sqlx::SqliteConnection) -> i64 {
    sqlx::query_scalar("PRAGMA data_version")
        .fetch_one(look)
        .await
        .unwrap()
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-2_i64..3).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,80}".prop_map(Value::from),
        "[a-z0-9.-]{0,70}".prop_map(Value::from),
        Just(Value::from("x".repeat(5000))),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map("[a-z_]{0,12}", inner, 0..4)
                .prop_map(|fields| fields.into_iter().collect::<Map<_, _>>().into()),
        ]
    })
}

/// A whole relay, as a client that changes it may send it back.
fn whole() -> Value {
    json!({
        "subdomain": "whole", "zooid_domain": RELAY_DOMAIN, "plan_id": "basic", "custom_domain": "",
        "tenant_pubkey": null, "info_name": "Whole", "info_icon": "https://example.com/icon.png", "info_description": "",
        "policy_public_read": 0, "policy_public_write": 0, "policy_public_join": 0, "policy_strip_signatures": 0,
        "groups_enabled": 1, "management_enabled": 1, "members_can_invite": 1,
        "blossom_enabled": 1, "livekit_enabled": true, "push_enabled": false,
    })
}

#[test]
fn arbitrary_bytes_are_refused_and_write_nothing() {
    let (runtime, api, id) = served();
    let bodies = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..400),
        ".{0,200}".prop_map(String::into_bytes),
        json_value().prop_map(|value| value.to_string().into_bytes()),
    ];

    proptest!(ProptestConfig::with_cases(200), |(body in bodies)| {
        hold(&runtime, &api, &id, &body)?;
    });
}

#[test]
fn a_valid_body_with_any_byte_changed_writes_what_it_says_or_nothing() {
    let (runtime, api, id) = served();
    let body = whole().to_string().into_bytes();

    proptest!(ProptestConfig::with_cases(200), |(at in 0..body.len(), byte: u8, cut in prop::option::of(0..body.len()))| {
        let mut body = body.clone();
        body[at] = byte;
        body.truncate(cut.unwrap_or(body.len()));
        hold(&runtime, &api, &id, &body)?;
    });
}

#[test]
fn a_valid_body_with_any_field_replaced_writes_what_it_says_or_nothing() {
    let (runtime, api, id) = served();
    let names: Vec<String> = whole().as_object().unwrap().keys().cloned().collect();

    proptest!(ProptestConfig::with_cases(300), |(name in prop::sample::select(names), value in json_value())| {
        let mut body = whole();
        body[name] = value;
        hold(&runtime, &api, &id, body.to_string().as_bytes())?;
    });
}
