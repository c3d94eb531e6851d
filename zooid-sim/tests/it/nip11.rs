//! The relays' own hosts.

use reqwest::header::HOST;
use serde_json::{Value, json};

use crate::harness::*;

#[tokio::test]
async fn a_live_relay_shows_its_document() {
    let harness = start().await;
    let mut body = relay("a");
    body["info"] =
        json!({"name": "A & B", "icon": "https://i", "pubkey": PUBKEY, "description": "d"});
    body["groups"] = json!({"enabled": true});
    harness.call("POST", "/relay/a", &body).await;

    let reply = harness.nip11("a.example.com").await;

    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("content-type"), "application/nostr+json");
    let document: Value = serde_json::from_str(&reply.body).unwrap();
    assert_eq!(document["name"], "A & B");
    assert_eq!(document["icon"], "https://i");
    assert_eq!(document["description"], "d");
    assert_eq!(document["pubkey"], PUBKEY);
    assert_eq!(
        document["self"],
        nostr::key::Keys::parse(SECRET)
            .unwrap()
            .public_key()
            .to_hex()
    );
    assert!(
        document["supported_nips"]
            .as_array()
            .unwrap()
            .contains(&json!(29))
    );
}

#[tokio::test]
async fn groups_and_empty_texts_are_left_out() {
    let harness = start().await;
    harness.create("a").await;

    let document: Value = serde_json::from_str(&harness.nip11("a.example.com").await.body).unwrap();

    assert!(
        !document["supported_nips"]
            .as_array()
            .unwrap()
            .contains(&json!(29))
    );
    assert_eq!(document.get("icon"), None);
    assert_eq!(document.get("description"), None);
}

#[tokio::test]
async fn an_inactive_deleted_or_renamed_relay_is_not_found_at_its_host() {
    let harness = start().await;
    harness.create("a").await;
    harness
        .call("PATCH", "/relay/a", &json!({"inactive": true}))
        .await;
    let inactive = harness.nip11("a.example.com").await;
    assert_eq!(
        (inactive.status, inactive.body.as_str()),
        (404, "Not Found\n")
    );

    let patch = json!({"inactive": false, "host": "b.example.com"});
    harness.call("PATCH", "/relay/a", &patch).await;
    assert_eq!(harness.nip11("a.example.com").await.status, 404);
    assert_eq!(harness.nip11("b.example.com").await.status, 200);

    harness.raw_call("DELETE", "/relay/a", "").await;
    assert_eq!(harness.nip11("b.example.com").await.status, 404);
}

#[tokio::test]
async fn the_host_is_compared_with_case_and_port() {
    let harness = start().await;
    harness.create("a").await;

    assert_eq!(harness.nip11("A.example.com").await.status, 404);
    assert_eq!(harness.nip11("a.example.com:80").await.status, 404);
}

#[tokio::test]
async fn only_the_exact_accept_header_gets_the_document() {
    let harness = start().await;
    harness.create("a").await;

    for accept in ["*/*", "application/json", "application/nostr+json, */*"] {
        let request = harness
            .request("GET", "/")
            .header(HOST, "a.example.com")
            .header("accept", accept);
        assert_eq!(send(request).await.status, 404, "{accept}");
    }
}
