//! Removing relays: who may, what is answered when, and what is left.

use http::{HeaderName, HeaderValue};
use serde_json::{Value, json};

use crate::harness::*;
use crate::zooid::*;

fn path(relay: &Value) -> String {
    format!("/relays/{}", relay["id"].as_str().unwrap())
}

async fn remove(api: &Api, relay: &Value) -> Reply {
    let call = api.call("DELETE", path(relay));
    call.signing(&api.admin).send().await
}

#[tokio::test]
async fn a_removal_is_202_until_zooid_has_confirmed_and_200_from_then_on() {
    let api = start().await;
    let relay = api.relay("doomed").await;
    accept(&api, &relay).await;

    let first = remove(&api, &relay).await;
    let again = remove(&api, &relay).await;

    for reply in [&first, &again] {
        assert_eq!(reply.status, 202, "{}", reply.json);
        let location = reply.headers["location"].to_str().unwrap();
        assert!(location.ends_with(&format!("{}/sync", path(&relay))));
        assert_eq!(reply.json["data"]["removed_at"], json!(NOW));
        assert_eq!(reply.json["data"]["generation"], json!(2));
    }
    confirm_removal(&api, &first.data()).await;
    let gone = remove(&api, &relay).await;
    assert_eq!(gone.status, 200);
    assert_eq!(gone.data()["sync_state"], "synced");
    let logged = api.activity_types(relay["id"].as_str().unwrap()).await;
    assert_eq!(
        logged,
        [
            "complete_relay_sync",
            "remove_relay",
            "complete_relay_sync",
            "create_relay"
        ]
    );
}

#[tokio::test]
async fn a_removal_that_waits_is_answered_when_zooid_has_confirmed() {
    let api = start().await;
    let relay = api.relay("doomed").await;
    accept(&api, &relay).await;
    let target = path(&relay);
    let removal = api
        .call("DELETE", &target)
        .header(
            HeaderName::from_static("prefer"),
            HeaderValue::from_static("wait=20"),
        )
        .signing(&api.admin)
        .send();
    let worker = async {
        let removed = loop {
            let now = api.get(&*target).by(&api.admin).send().await.data();
            if !now["removed_at"].is_null() {
                break now;
            }
        };
        confirm_removal(&api, &removed).await;
    };

    let (reply, ()) = tokio::join!(removal, worker);

    assert_eq!(reply.status, 200, "{}", reply.json);
    assert_eq!(reply.headers["preference-applied"], "wait=20");
}

#[tokio::test]
async fn a_removed_relay_is_there_for_admins_alone() {
    let api = start().await;
    let relay = api.relay("doomed").await;
    let kept = api.relay("kept").await;
    remove(&api, &relay).await;
    let of_tenant = format!(
        "/tenants/{}/relays",
        relay["tenant_pubkey"].as_str().unwrap()
    );

    for keys in [&api.owner, &api.other] {
        for suffix in ["", "/sync", "/activity", "/members", "/events"] {
            let path = format!("{}{suffix}", path(&relay));
            let reply = api.get(path).by(keys).send().await;
            assert_eq!(reply.outcome(), (404, "not-found"), "{suffix}");
        }
        let edit = api.put(path(&relay)).by(keys).json(&json!({}));
        assert_eq!(edit.send().await.outcome(), (404, "not-found"));
    }
    for (list, keys) in [
        ("/relays", &api.admin),
        (of_tenant.as_str(), &api.owner),
        (of_tenant.as_str(), &api.admin),
        (&format!("{of_tenant}?removed=1"), &api.owner),
    ] {
        let listed = api.get(list).signing(keys).send().await.data();
        assert_eq!(listed.as_array().unwrap().len(), 1, "{list}");
        assert_eq!(listed[0]["id"], kept["id"]);
    }
    let tombstones = api.get("/relays?removed=1").by(&api.admin).send().await;
    assert_eq!(tombstones.data()[0]["id"], relay["id"]);
    let shown = api.get(path(&relay)).by(&api.admin).send().await.data();
    assert_eq!(shown["removed_at"], json!(NOW));
    let members = format!("{}/members", path(&relay));
    let members = api.get(members).by(&api.admin).send().await.data();
    assert_eq!(members, json!({"members": []}));
}

#[tokio::test]
async fn a_removed_relay_does_not_change_any_more() {
    let api = start().await;
    let relay = api.relay("doomed").await;
    remove(&api, &relay).await;

    for (method, suffix) in [
        ("PUT", ""),
        ("POST", "/deactivate"),
        ("POST", "/reactivate"),
        ("PUT", "/delinquent"),
        ("DELETE", "/delinquent"),
        ("DELETE", "/subscription-item"),
    ] {
        let path = format!("{}{suffix}", path(&relay));
        let reply = api.call(method, &path).signing(&api.admin).send().await;
        assert_eq!(reply.outcome(), (409, "relay-removed"), "{method} {suffix}");
    }
}

#[tokio::test]
async fn the_name_of_a_removed_relay_is_free_for_others_once_zooid_has_confirmed() {
    let api = start().await;
    let relay = api.relay("wanted").await;
    accept(&api, &relay).await;
    let removed = remove(&api, &relay).await.data();
    let take = async || {
        let create = api.post("/relays").by(&api.other);
        create.json(&relay_input("wanted")).send().await
    };

    assert_eq!(take().await.outcome(), (422, "subdomain-exists"));
    confirm_removal(&api, &removed).await;
    let taken = take().await;

    assert_eq!(taken.status, 201, "{}", taken.json);
    assert_ne!(taken.data()["id"], relay["id"]);
}

#[tokio::test]
async fn operators_see_that_a_relay_was_removed_by_whom_and_what_is_sent() {
    let api = start().await;
    let relay = api.relay("doomed").await;
    accept(&api, &relay).await;
    let removed = remove(&api, &relay).await.data();
    let id = relay["id"].as_str().unwrap();
    let report = async || {
        let path = format!("/operator/relays/{id}");
        api.get(path).signing(&api.admin).send().await.data()
    };

    let before = report().await;
    assert_eq!(before["sync"]["removed_at"], json!(NOW));
    assert_eq!(before["next_request"]["verb"], "DELETE");
    assert_eq!(before["next_request"]["body"], Value::Null);
    assert_eq!(before["actions"][0]["action"], "remove");
    assert_eq!(
        before["actions"][0]["actor"],
        json!(api.admin.public_key().to_hex())
    );

    confirm_removal(&api, &removed).await;
    let after = report().await;
    assert_eq!(after["explanation"]["code"], "removed");
    assert_eq!(after["next_request"], Value::Null);
    assert!(
        after["diff"]
            .as_array()
            .unwrap()
            .iter()
            .all(|row| row["changed"] == false)
    );
}
