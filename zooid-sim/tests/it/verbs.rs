//! What the five calls do when they succeed, and with ids nobody knows.

use serde_json::json;
use zooid_sim::{Config, Role};

use crate::harness::*;

#[tokio::test]
async fn each_call_says_its_own_words() {
    let harness = start().await;
    let replies = [
        (
            harness.call("POST", "/relay/a", &relay("a")).await,
            201,
            "{\"message\":\"relay created successfully\"}\n",
        ),
        (
            harness.call("PUT", "/relay/a", &relay("a")).await,
            200,
            "{\"message\":\"relay updated successfully\"}\n",
        ),
        (
            harness.call("PATCH", "/relay/a", &json!({})).await,
            200,
            "{\"message\":\"relay patched successfully\"}\n",
        ),
        (
            harness.get("/relay/a/members").await,
            200,
            "{\"members\":[]}\n",
        ),
        (
            harness.raw_call("DELETE", "/relay/a", "").await,
            200,
            "{\"message\":\"relay deleted successfully\"}\n",
        ),
    ];

    for (reply, status, body) in replies {
        assert_eq!((reply.status, reply.body.as_str()), (status, body));
        assert_eq!(reply.header("content-type"), "application/json");
    }
}

#[tokio::test]
async fn an_unknown_id_is_404_for_all_but_post_whatever_the_body() {
    let harness = start().await;
    for (method, path) in [
        ("PUT", "/relay/a"),
        ("PATCH", "/relay/a"),
        ("DELETE", "/relay/a"),
        ("GET", "/relay/a/members"),
    ] {
        let reply = harness.raw_call(method, path, "not json").await;

        assert_eq!(
            reply.error(),
            (404, "relay not found".to_owned()),
            "{method}"
        );
    }
    assert!(harness.sim.config("a").is_none());
}

#[tokio::test]
async fn post_stores_every_field_and_settles_the_adapter() {
    let harness = start().await;
    let mut body = json!({
        "host": "a.example.com", "schema": "a", "secret": SECRET, "inactive": true,
        "info": {"name": "n", "icon": "i", "pubkey": PUBKEY, "description": "d"},
        "policy": {"public_read": true, "public_write": true, "public_join": true, "strip_signatures": true},
        "groups": {"enabled": true}, "push": {"enabled": true}, "management": {"enabled": true},
        "blossom": {"enabled": true, "authenticated_read": true, "adapter": "", "s3": {
            "endpoint": "e", "region": "r", "bucket": "b", "access_key": "ak", "secret_key": "sk", "key_prefix": "kp"}},
        "livekit": {"server_url": "u", "api_key": "k", "api_secret": "s"},
        "roles": {"admin": {"pubkeys": [PUBKEY], "can_invite": true, "can_manage": true}, "member": {}},
    });
    let reply = harness.call("POST", "/relay/a", &body).await;
    assert_eq!(reply.status, 201, "{}", reply.body);

    let stored = serde_json::to_value(harness.sim.config("a").unwrap()).unwrap();

    body["blossom"]["adapter"] = json!("local");
    body["roles"]["member"] = json!({"pubkeys": [], "can_invite": false, "can_manage": false});
    assert_eq!(stored, body);
}

#[tokio::test]
async fn put_replaces_everything_and_absent_fields_become_zero() {
    let harness = start().await;
    let mut full = relay("a");
    full["inactive"] = json!(true);
    full["groups"] = json!({"enabled": true});
    full["roles"] = json!({"admin": {"can_manage": true}});
    harness.call("POST", "/relay/a", &full).await;

    harness.call("PUT", "/relay/a", &relay("a")).await;

    let stored = harness.sim.config("a").unwrap();
    assert!(!stored.inactive && !stored.groups.enabled && stored.roles.is_empty());
    let mut no_secret = relay("a");
    no_secret.as_object_mut().unwrap().remove("secret");
    let (status, text) = harness.call("PUT", "/relay/a", &no_secret).await.error();
    assert_eq!(status, 400);
    assert!(text.starts_with("invalid secret key: "), "{text}");
}

#[tokio::test]
async fn patch_merges_objects_deletes_by_null_and_replaces_arrays() {
    let harness = start().await;
    let mut body = relay("a");
    body["info"]["description"] = json!("old");
    body["groups"] = json!({"enabled": true});
    body["roles"] = json!({
        "admin": {"pubkeys": [PUBKEY, SECRET], "can_invite": true},
        "gone": {"can_invite": true},
    });
    harness.call("POST", "/relay/a", &body).await;

    let patch = json!({
        "info": {"name": "new", "description": null},
        "groups": null,
        "roles": {"admin": {"pubkeys": [PUBKEY]}, "gone": null},
        "colour": "dropped",
    });
    let reply = harness.call("PATCH", "/relay/a", &patch).await;

    assert_eq!(reply.status, 200, "{}", reply.body);
    let stored = harness.sim.config("a").unwrap();
    assert_eq!(stored.secret, SECRET);
    assert_eq!(stored.info.name, "new");
    assert_eq!(stored.info.description, "");
    assert_eq!(stored.info.pubkey, PUBKEY);
    assert!(!stored.groups.enabled);
    assert_eq!(stored.roles.len(), 1);
    assert_eq!(
        stored.roles["admin"],
        Role {
            pubkeys: vec![PUBKEY.to_owned()],
            can_invite: true,
            can_manage: false
        }
    );
    assert!(
        !std::fs::read_to_string(harness.file("a"))
            .unwrap()
            .contains("colour")
    );
}

#[tokio::test]
async fn a_patch_is_judged_by_what_it_leads_to() {
    let harness = start().await;
    harness.create("a").await;
    let before = harness.sim.config("a");

    for (patch, text) in [
        (json!({"host": null}), "host is required"),
        (json!({"schema": ""}), "schema is required"),
        (
            json!({"blossom": {"adapter": "ftp"}}),
            "invalid blossom adapter",
        ),
        (
            json!({"blossom": {"adapter": "s3"}}),
            "blossom.s3.bucket is required when blossom.adapter is s3",
        ),
    ] {
        let reply = harness.call("PATCH", "/relay/a", &patch).await;

        assert_eq!(reply.error(), (400, text.to_owned()), "{patch}");
    }
    for patch in [
        "[]",
        "\"x\"",
        "{",
        "",
        "{\"info\":{\"name\":5}}",
        "{\"policy\":[true]}",
    ] {
        let (status, text) = harness.raw_call("PATCH", "/relay/a", patch).await.error();

        assert_eq!(status, 400, "{patch}");
        assert!(text.starts_with("invalid json config: "), "{text}");
    }
    assert_eq!(harness.sim.config("a"), before);
}

#[tokio::test]
async fn delete_removes_the_file_and_nothing_else() {
    let harness = start().await;
    harness.create("a").await;
    harness.sim.set_members("a", [PUBKEY]);

    harness.raw_call("DELETE", "/relay/a", "").await;
    assert!(!harness.file("a").exists());
    harness.create("a").await;

    let members = harness.get("/relay/a/members").await;
    assert_eq!(members.body, format!("{{\"members\":[\"{PUBKEY}\"]}}\n"));
}

#[tokio::test]
async fn members_are_sorted_and_there_for_inactive_relays_too() {
    let harness = start().await;
    let mut inactive = relay("a");
    inactive["inactive"] = json!(true);
    harness.call("POST", "/relay/a", &inactive).await;
    harness.sim.set_members("a", ["bb", "aa", "bb"]);

    let reply = harness.get("/relay/a/members").await;

    assert_eq!(reply.body, "{\"members\":[\"aa\",\"bb\"]}\n");
}

#[tokio::test]
async fn the_handle_reads_the_file_as_it_stands() {
    let harness = start().await;
    assert_eq!(harness.sim.config("a"), None);
    harness.create("a").await;

    std::fs::write(harness.file("a"), "host = \"by.hand\"").unwrap();

    assert_eq!(
        harness.sim.config("a"),
        Some(Config {
            host: "by.hand".to_owned(),
            ..Config::default()
        })
    );
}
