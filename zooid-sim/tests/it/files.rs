//! The folder is all the state there is: what survives, what is torn, and what brings zooid down.

use serde_json::json;
use tempfile::TempDir;
use zooid_sim::{SimConfig, StartError, ZooidSim};

use crate::harness::*;

#[tokio::test]
async fn a_restart_on_the_same_folder_and_port_finds_everything() {
    let harness = start().await;
    harness.create("a").await;
    let port = harness.sim.addr().port();
    let Harness { sim, dir, .. } = harness;
    sim.shutdown().await;

    let sim = ZooidSim::start(SimConfig {
        port,
        ..config_for(&dir)
    })
    .await
    .unwrap();
    let harness = Harness {
        sim,
        dir,
        client: client(),
    };

    assert_eq!(harness.nip11("a.example.com").await.status, 200);
    let again = harness.call("POST", "/relay/b", &relay("a")).await;
    assert_eq!(again.error().1, "schema \"a\" is already in use");
}

#[tokio::test]
async fn a_file_edited_by_hand_is_what_a_patch_builds_on() {
    let harness = start().await;
    harness.create("a").await;
    let text = std::fs::read_to_string(harness.file("a")).unwrap();
    std::fs::write(
        harness.file("a"),
        text.replace("description = \"\"", "description = \"by hand\""),
    )
    .unwrap();

    let reply = harness
        .call("PATCH", "/relay/a", &json!({"push": {"enabled": true}}))
        .await;

    assert_eq!(reply.status, 200, "{}", reply.body);
    let stored = harness.sim.config("a").unwrap();
    assert_eq!(stored.info.description, "by hand");
    assert!(stored.push.enabled);
}

#[tokio::test]
async fn an_empty_file_is_refused_by_post_and_patch_and_repaired_by_put() {
    let harness = start().await;
    harness.create("a").await;
    harness.sim.break_file("a", 0).unwrap();

    assert_eq!(harness.nip11("a.example.com").await.status, 404);
    let post = harness.call("POST", "/relay/a", &relay("a")).await;
    assert_eq!(post.error().1, "relay with this id already exists");
    let patch = harness
        .call("PATCH", "/relay/a", &json!({"host": "a.example.com"}))
        .await;
    assert_eq!(patch.error(), (400, "schema is required".to_owned()));
    let put = harness.call("PUT", "/relay/a", &relay("a")).await;
    assert_eq!(put.status, 200, "{}", put.body);
    assert_eq!(harness.nip11("a.example.com").await.status, 200);
}

#[tokio::test]
async fn a_torn_file_is_unreadable_to_a_patch_before_its_body_is_judged() {
    let harness = start().await;
    harness.create("a").await;
    harness.sim.break_file("a", 12).unwrap();

    let (status, text) = harness
        .raw_call("PATCH", "/relay/a", "not json")
        .await
        .error();

    assert_eq!(status, 500);
    assert!(
        text.starts_with("failed to read existing config: "),
        "{text}"
    );
    assert_eq!(
        harness.call("PUT", "/relay/a", &relay("a")).await.status,
        200
    );
}

#[tokio::test]
async fn an_unreadable_file_holds_no_names() {
    let harness = start().await;
    harness.create("a").await;
    harness.sim.break_file("a", 12).unwrap();

    assert_eq!(
        harness.call("POST", "/relay/b", &relay("a")).await.status,
        201
    );
}

#[tokio::test]
async fn a_lost_file_is_404_until_it_is_posted_again() {
    let harness = start().await;
    harness.create("a").await;
    harness.sim.remove_file("a").unwrap();

    assert_eq!(
        harness.call("PATCH", "/relay/a", &json!({})).await.status,
        404
    );
    assert_eq!(harness.nip11("a.example.com").await.status, 404);
    assert_eq!(
        harness.call("POST", "/relay/a", &relay("a")).await.status,
        201
    );
}

#[tokio::test]
async fn a_malformed_key_in_a_role_that_manages_brings_everything_down() {
    let harness = start().await;
    harness.create("a").await;
    let mut deadly = relay("b");
    deadly["roles"] = json!({"admin": {"pubkeys": ["no-hex"], "can_manage": true}});

    let post = harness
        .signed_request("POST", "/relay/b")
        .body(deadly.to_string());
    assert!(post.send().await.is_err());

    let any = harness.request("GET", "/").send().await;
    assert!(any.unwrap_err().is_connect());
    assert!(matches!(harness.sim.up().await, Err(StartError::Load(_))));
    std::fs::remove_file(harness.file("b")).unwrap();
    harness.sim.up().await.unwrap();
    assert_eq!(harness.nip11("a.example.com").await.status, 200);
}

#[tokio::test]
async fn the_keys_of_the_member_role_and_of_inactive_relays_harm_nobody() {
    let harness = start().await;
    let mut body = relay("a");
    body["roles"] = json!({"member": {"pubkeys": ["no-hex"], "can_manage": true}});
    assert_eq!(harness.call("POST", "/relay/a", &body).await.status, 201);
    let mut body = relay("b");
    body["roles"] = json!({"admin": {"pubkeys": ["no-hex"], "can_manage": true}});
    body["inactive"] = json!(true);

    assert_eq!(harness.call("POST", "/relay/b", &body).await.status, 201);
}

#[tokio::test]
async fn files_that_zooid_dies_of_keep_it_from_starting() {
    for (schema, pubkey) in [("not-sql", PUBKEY), ("a", "")] {
        let dir = TempDir::new().unwrap();
        let file = format!(
            "host = \"h\"\nschema = \"{schema}\"\nsecret = \"{SECRET}\"\n[info]\npubkey = \"{pubkey}\"\n"
        );
        std::fs::write(dir.path().join("a.toml"), file).unwrap();

        assert!(ZooidSim::start(config_for(&dir)).await.is_err(), "{schema}");
    }
}

#[tokio::test]
async fn files_that_zooid_cannot_load_are_passed_over() {
    let dir = TempDir::new().unwrap();
    for (name, file) in [
        ("empty.toml", ""),
        ("torn.toml", "host = \"h"),
        ("no-secret.toml", "host = \"h\"\nschema = \"s\""),
        ("notes.txt", "host = \"h\""),
    ] {
        std::fs::write(dir.path().join(name), file).unwrap();
    }

    let harness = Harness {
        sim: start_on(&dir).await,
        dir,
        client: client(),
    };

    assert_eq!(harness.nip11("h").await.status, 404);
}
