//! Tenants: signing in, reading, and the wallet that is never read back.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::*;

fn path(keys: &nostr::key::Keys) -> String {
    format!("/tenants/{}", keys.public_key().to_hex())
}

fn tenant(keys: &nostr::key::Keys) -> Value {
    json!({
        "pubkey": keys.public_key().to_hex(),
        "return_url": null,
        "nwc_is_set": false,
        "created_at": NOW,
        "billing_anchor": null,
        "stripe_customer_id": null,
        "stripe_payment_method_id": null,
        "stripe_subscription_id": null,
        "nwc_error": null,
        "stripe_error": null,
        "past_due_at": null,
        "churned_at": null,
    })
}

#[tokio::test]
async fn signing_in_twice_answers_the_same_tenant_with_200() {
    let api = start_empty(&[]).await;
    let sign_in = async || {
        let reply = api
            .post("/tenants")
            .by(&api.owner)
            .json(&json!({}))
            .send()
            .await;
        (reply.status, reply.data())
    };

    let first = sign_in().await;
    api.clock.advance(Duration::from_mins(1));
    let second = sign_in().await;

    assert_eq!(first, (200, tenant(&api.owner)));
    assert_eq!(second, first);
}

#[tokio::test]
async fn many_sign_ins_at_once_make_one_tenant() {
    let api = start_empty(&[]).await;
    let sign_in = || api.post("/tenants").signing(&api.owner).send();

    let replies = tokio::join!(sign_in(), sign_in(), sign_in(), sign_in());

    for reply in [replies.0, replies.1, replies.2, replies.3] {
        assert_eq!((reply.status, reply.data()), (200, tenant(&api.owner)));
    }
    let all = api.get("/tenants").by(&api.admin).send().await.data();
    assert_eq!(all, json!([tenant(&api.owner)]));
}

#[tokio::test]
async fn a_tenant_is_found_by_hex_and_by_npub() {
    let api = start().await;
    let npub = pubkey(&api.owner).to_npub();

    for path in [path(&api.owner), format!("/tenants/{npub}")] {
        let reply = api.get(&path).by(&api.owner).send().await;
        assert_eq!(reply.data(), tenant(&api.owner), "{path}");
    }
}

#[tokio::test]
async fn a_tenant_who_never_signed_in_is_404_and_has_no_relays() {
    let api = start_empty(&[]).await;
    let path = path(&api.stranger);

    for keys in [&api.stranger, &api.admin] {
        let shown = api.get(&path).by(keys).send().await;
        let changed = api
            .put(&path)
            .by(keys)
            .json(&json!({"nwc_url": ""}))
            .send()
            .await;
        let relays = api.get(format!("{path}/relays")).by(keys).send().await;

        assert_eq!(shown.outcome(), (404, "not-found"));
        assert_eq!(changed.outcome(), (404, "not-found"));
        assert_eq!(relays.data(), json!([]));
    }
    let nonsense = api.get("/tenants/nonsense").by(&api.admin).send().await;
    assert_eq!(nonsense.outcome(), (404, "not-found"));
}

#[tokio::test]
async fn a_wallet_is_connected_and_disconnected_and_its_url_never_shown() {
    let api = start().await;
    let secret = "5ec2e7".repeat(10) + "0123";
    let wallet = api.other.public_key().to_hex();
    let url = format!(
        "nostr+walletconnect://{wallet}?relay=wss%3A%2F%2Frelay.example.org&secret={secret}"
    );
    let put = async |body: Value| {
        let call = api.put(path(&api.owner)).by(&api.owner).json(&body);
        call.send().await
    };

    let connected = put(json!({"nwc_url": url})).await;
    let kept = put(json!({})).await;
    let refused = put(json!({"nwc_url": format!("nostr+walletconnect://{secret}")})).await;
    let read = api.get(path(&api.owner)).by(&api.owner).send().await;
    let disconnected = put(json!({"nwc_url": ""})).await;

    assert_eq!(refused.outcome(), (422, "nwc-url-invalid"));
    assert_eq!(refused.json["field"], "nwc_url");
    for reply in [&connected, &kept, &refused, &read] {
        assert!(!reply.json.to_string().contains(&secret));
    }
    for reply in [connected, kept, read] {
        assert_eq!(reply.data()["nwc_is_set"], json!(true));
    }
    assert_eq!(disconnected.data(), tenant(&api.owner));
    assert!(!api.stores(&secret));
}

#[tokio::test]
async fn a_return_url_is_kept_if_it_is_one() {
    let api = start_empty(&[]).await;
    let sign_in = async |return_url: Value| {
        let call = api.post("/tenants").by(&api.owner);
        call.json(&json!({"return_url": return_url})).send().await
    };

    for nonsense in ["javascript:alert(1)", "not a url", "/billing"] {
        let reply = sign_in(json!(nonsense)).await;
        assert_eq!(reply.outcome(), (422, "return-url-invalid"));
    }
    assert_eq!(sign_in(json!(1)).await.outcome(), (422, "field-type"));
    let kept = sign_in(json!("https://app.example.com/billing")).await;
    assert_eq!(
        kept.data()["return_url"],
        json!("https://app.example.com/billing")
    );
}

#[tokio::test]
async fn a_tenants_relays_are_a_bare_array_of_their_own() {
    let api = start().await;
    let relay = api.relay("mine").await;
    let relays = format!("{}/relays", path(&api.owner));
    let others = format!("{}/relays", path(&api.other));

    assert_eq!(
        api.get(relays).by(&api.owner).send().await.data(),
        json!([relay])
    );
    assert_eq!(
        api.get(others).by(&api.other).send().await.data(),
        json!([])
    );
}
