//! Requests that may be repeated, and writes that must not undo another's.

use std::time::Duration;

use http::header::{ETAG, IF_MATCH};
use http::{HeaderName, HeaderValue};
use nostr::key::Keys;
use serde_json::{Value, json};

use crate::harness::*;
use crate::zooid::*;

const KEY: HeaderName = HeaderName::from_static("idempotency-key");

async fn create(api: &Api, keys: &Keys, key: &str, input: &Value) -> Reply {
    api.post("/relays")
        .by(keys)
        .header(KEY, HeaderValue::from_str(key).unwrap())
        .json(input)
        .send()
        .await
}

#[tokio::test]
async fn a_create_that_is_repeated_with_its_key_makes_one_relay_and_answers_the_same() {
    let api = start().await;
    let input = relay_input("once");

    let calls = (0..8).map(|_| create(&api, &api.owner, "k1", &input));
    let replies = futures::future::join_all(calls).await;

    let first = replies[0].json["data"].clone();
    for reply in replies {
        assert_eq!(reply.status, 201, "{}", reply.json);
        assert_eq!(reply.json["data"], first);
        let location = reply.headers["location"].to_str().unwrap();
        assert!(location.ends_with(first["id"].as_str().unwrap()));
    }
    assert_eq!(
        api.activity_types(first["id"].as_str().unwrap())
            .await
            .len(),
        1
    );
}

#[tokio::test]
async fn a_key_stands_for_one_body_of_one_signer() {
    let api = start().await;
    assert_eq!(
        create(&api, &api.owner, "k1", &relay_input("one"))
            .await
            .status,
        201
    );

    let other_body = create(&api, &api.owner, "k1", &relay_input("two")).await;
    let other_signer = create(&api, &api.other, "k1", &relay_input("two")).await;

    assert_eq!(other_body.outcome(), (422, "idempotency-key-reused"));
    assert_eq!(other_signer.status, 201);
}

#[tokio::test]
async fn a_refused_create_does_not_use_its_key_up() {
    let api = start().await;
    let taken = api.relay("taken").await;
    let input = relay_input("taken");
    assert_eq!(create(&api, &api.other, "k1", &input).await.status, 422);

    let path = format!("/relays/{}", taken["id"].as_str().unwrap());
    let rename = api
        .put(path)
        .by(&api.owner)
        .json(&json!({"subdomain": "moved"}));
    assert_eq!(rename.send().await.status, 200);

    assert_eq!(create(&api, &api.other, "k1", &input).await.status, 201);
}

#[tokio::test]
async fn a_key_is_free_again_after_a_day() {
    let api = start().await;
    assert_eq!(
        create(&api, &api.owner, "k1", &relay_input("one"))
            .await
            .status,
        201
    );

    api.clock.advance(Duration::from_hours(24));
    let next = create(&api, &api.owner, "k1", &relay_input("two")).await;

    assert_eq!(next.data()["subdomain"], "two");
    let kept: i64 = sqlx::query_scalar("SELECT count(*) FROM idempotency_key")
        .fetch_one(api.db.readers())
        .await
        .unwrap();
    assert_eq!(kept, 1);
}

#[tokio::test]
async fn a_key_that_is_none_is_refused() {
    let api = start().await;
    for key in ["", "two words", &"k".repeat(256)] {
        let reply = create(&api, &api.owner, key, &relay_input("one")).await;
        assert_eq!(reply.outcome(), (422, "idempotency-key-invalid"), "{key}");
    }
}

#[tokio::test]
async fn of_two_writes_that_are_meant_for_one_version_the_second_is_refused() {
    let api = start().await;
    let relay = api.relay("shared").await;
    let path = format!("/relays/{}", relay["id"].as_str().unwrap());
    let read = api.get(&*path).by(&api.owner).send().await;
    let tag = read.headers[ETAG].clone();
    let write = |name: &str| {
        api.put(&*path)
            .by(&api.owner)
            .header(IF_MATCH, tag.clone())
            .json(&json!({ "info_name": name }))
            .send()
    };

    let first = write("first").await;
    let second = write("second").await;

    assert_eq!(first.status, 200);
    assert_ne!(first.headers[ETAG], tag);
    assert_eq!(second.outcome(), (412, "precondition-failed"));
    let now = api.get(&*path).by(&api.owner).send().await;
    assert_eq!(now.headers[ETAG], first.headers[ETAG]);
    assert_eq!(now.data()["info_name"], "first");
}

#[tokio::test]
async fn a_step_of_a_sync_is_another_representation_and_in_nobodys_way() {
    let api = start().await;
    let relay = api.relay("steps").await;
    let path = format!("/relays/{}", relay["id"].as_str().unwrap());
    let read = async || api.get(&*path).by(&api.owner).send().await.headers[ETAG].clone();
    let before = read().await;
    accept(&api, &relay).await;

    assert_ne!(read().await, before);
    let write = |name: &str| {
        api.put(&*path)
            .by(&api.owner)
            .header(IF_MATCH, before.clone())
            .json(&json!({ "info_name": name }))
            .send()
    };

    assert_eq!(write("first").await.status, 200);
    assert_eq!(
        write("second").await.outcome(),
        (412, "precondition-failed")
    );
}

#[tokio::test]
async fn if_match_holds_for_turning_off_and_on_too() {
    let api = start().await;
    let relay = api.relay("switch").await;
    let id = relay["id"].as_str().unwrap();
    for (tag, verb, expected) in [
        ("\"stale\"", "deactivate", (412, "precondition-failed")),
        ("W/\"weak\"", "reactivate", (412, "precondition-failed")),
        ("stale", "deactivate", (422, "if-match-invalid")),
        ("*", "deactivate", (200, "ok")),
    ] {
        let reply = api
            .post(format!("/relays/{id}/{verb}"))
            .by(&api.owner)
            .header(IF_MATCH, HeaderValue::from_static(tag))
            .send()
            .await;
        assert_eq!(reply.outcome(), expected, "{tag} {verb}");
    }
}
