//! Relays: creating, reading, and changing them while others change them too.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::future::join_all;
use serde_json::{Value, json};

use crate::harness::*;

fn path(relay: &Value) -> String {
    format!("/relays/{}", relay["id"].as_str().unwrap())
}

/// A relay as it is read right after its creation, `stored` being what no test can foretell.
fn fresh(api: &Api, subdomain: &str, stored: &Value) -> Value {
    json!({
        "id": stored["id"],
        "tenant_pubkey": api.owner.public_key().to_hex(),
        "subdomain": subdomain,
        "zooid_domain": RELAY_DOMAIN,
        "plan_id": "free",
        "status": "active",
        "sync_error": "",
        "synced": 0,
        "custom_domain": "",
        "custom_domain_verified": 0,
        "custom_domain_verified_at": null,
        "custom_domain_error": "",
        "info_name": "",
        "info_icon": "",
        "info_description": "",
        "policy_public_read": 0,
        "policy_public_write": 0,
        "policy_public_join": 0,
        "policy_strip_signatures": 0,
        "groups_enabled": 1,
        "management_enabled": 1,
        "members_can_invite": 1,
        "blossom_enabled": 0,
        "livekit_enabled": 0,
        "push_enabled": 1,
        "generation": 1,
        "synced_generation": 0,
        "sync_state": "pending",
        "next_attempt_at": stored["next_attempt_at"],
        "live_at": null,
        "stripe_subscription_item_id": null,
        "created_at": NOW,
        "updated_at": NOW,
    })
}

#[tokio::test]
async fn a_relay_is_created_with_the_defaults_of_its_plan() {
    let api = start().await;

    let reply = api
        .post("/relays")
        .by(&api.owner)
        .json(&relay_input("fresh"))
        .send()
        .await;

    assert_eq!(reply.status, 201);
    let location = reply.headers["location"].to_str().unwrap().to_owned();
    let created = reply.data();
    assert_eq!(created, fresh(&api, "fresh", &created));
    assert_eq!(location, format!("{SERVER_URL}{}", path(&created)));
    let read = api.get(path(&created)).by(&api.owner).send().await.data();
    assert_eq!(read, fresh(&api, "fresh", &read));
    for plan in ["basic", "growth"] {
        let mut input = relay_input(plan);
        input["plan_id"] = json!(plan);
        let reply = api.post("/relays").by(&api.owner).json(&input).send().await;
        let relay = reply.data();
        let features = (&relay["blossom_enabled"], &relay["livekit_enabled"]);
        assert_eq!(features, (&json!(1), &json!(1)), "{plan}");
    }
}

#[tokio::test]
async fn a_relay_is_created_with_all_that_its_tenant_names() {
    let api = start().await;
    let input = json!({
        "subdomain": "named",
        "zooid_domain": RELAY_DOMAIN,
        "plan_id": "basic",
        "custom_domain": "Chat.Example.com",
        "info_name": "Club",
        "info_icon": "https://example.com/icon.png",
        "info_description": "A club.\nFor members.",
        "policy_public_read": 1,
        "policy_public_write": true,
        "policy_public_join": 1,
        "policy_strip_signatures": 1,
        "groups_enabled": 0,
        "management_enabled": false,
        "members_can_invite": 0,
        "blossom_enabled": 0,
        "livekit_enabled": 0,
        "push_enabled": 0,
    });

    let reply = api.post("/relays").by(&api.owner).json(&input).send().await;

    let created = reply.data();
    let mut expected = fresh(&api, "named", &created);
    for (field, value) in input.as_object().unwrap() {
        expected[field] = match value {
            Value::Bool(flag) => json!(u8::from(*flag)),
            value => value.clone(),
        };
    }
    expected["custom_domain"] = json!("chat.example.com");
    assert_eq!(created, expected);
    let read = api.get(path(&created)).by(&api.owner).send().await.data();
    for field in input.as_object().unwrap().keys() {
        assert_eq!(read[field], expected[field], "{field}");
    }
}

#[tokio::test]
async fn a_relay_for_a_tenant_who_never_signed_in_is_refused_clearly() {
    let api = start().await;
    let stranger = api.stranger.public_key().to_hex();
    let mut granted = relay_input("granted");
    granted["tenant_pubkey"] = json!(stranger);

    for (keys, input) in [(&api.stranger, relay_input("own")), (&api.admin, granted)] {
        let reply = api.post("/relays").by(keys).json(&input).send().await;
        assert_eq!(reply.outcome(), (422, "tenant-unknown"));
        assert_eq!(reply.json["field"], "tenant_pubkey");
    }
    let all = api.get("/relays").by(&api.admin).send().await.data();
    assert_eq!(all, json!([]));
}

#[tokio::test]
async fn an_update_changes_the_fields_it_names_and_answers_the_whole_relay() {
    let api = start().await;
    let relay = api.relay("partial").await;
    let update = json!({"info_name": "Club", "policy_public_read": 1, "push_enabled": null});

    let updated = api
        .put(path(&relay))
        .by(&api.owner)
        .json(&update)
        .send()
        .await
        .data();

    let mut expected = fresh(&api, "partial", &updated);
    expected["info_name"] = json!("Club");
    expected["policy_public_read"] = json!(1);
    expected["generation"] = json!(2);
    assert_eq!(updated, expected);
    let read = api.get(path(&relay)).by(&api.owner).send().await.data();
    assert_eq!(read, expected);
}

#[tokio::test]
async fn toggles_in_flight_at_once_are_all_kept() {
    let api = start().await;
    let relay = api.relay("toggles").await;
    let toggles = [
        ("policy_public_read", 1),
        ("policy_public_write", 1),
        ("policy_public_join", 1),
        ("policy_strip_signatures", 1),
        ("groups_enabled", 0),
        ("management_enabled", 0),
        ("members_can_invite", 0),
        ("push_enabled", 0),
    ];

    let replies = join_all(toggles.map(|(field, value)| {
        api.put(path(&relay))
            .signing(&api.owner)
            .json(&json!({field: value}))
            .send()
    }))
    .await;

    let generations: BTreeSet<_> = replies
        .into_iter()
        .map(|reply| reply.data()["generation"].as_i64().unwrap())
        .collect();
    assert_eq!(generations, (2..10).collect());
    let read = api.get(path(&relay)).by(&api.owner).send().await.data();
    for (field, value) in toggles {
        assert_eq!(read[field], json!(value), "{field}");
    }
}

#[tokio::test]
async fn many_creates_at_once_with_one_subdomain_have_one_winner() {
    let api = start().await;

    let replies = join_all([0; 6].map(|_| {
        api.post("/relays")
            .signing(&api.owner)
            .json(&relay_input("wanted"))
            .send()
    }))
    .await;

    let created = replies.iter().filter(|reply| reply.status == 201).count();
    assert_eq!(created, 1);
    for reply in replies.iter().filter(|reply| reply.status != 201) {
        assert_eq!(reply.outcome(), (422, "subdomain-exists"));
        assert_eq!(reply.json["field"], "subdomain");
    }
}

#[tokio::test]
async fn going_to_free_is_sent_together_with_what_free_does_not_include() {
    let api = start().await;
    let mut input = relay_input("downgrade");
    input["plan_id"] = json!("basic");
    let reply = api.post("/relays").by(&api.owner).json(&input).send().await;
    let relay = reply.data();
    let put = async |body: Value| {
        let call = api.put(path(&relay)).by(&api.owner).json(&body);
        call.send().await
    };

    let alone = put(json!({"plan_id": "free"})).await;
    let together =
        put(json!({"plan_id": "free", "blossom_enabled": 0, "livekit_enabled": 0})).await;

    assert_eq!(alone.outcome(), (422, "plan-feature"));
    assert_eq!(alone.json["field"], "blossom_enabled");
    assert_eq!(together.data()["plan_id"], "free");
}

#[tokio::test]
async fn relays_are_listed_and_filtered_for_admins() {
    let api = start().await;
    api.relay("first").await;
    // Ids sort by time, down to the millisecond.
    api.clock.advance(Duration::from_millis(1));
    let second = api.relay("second").await;
    let off = api.post(format!("{}/deactivate", path(&second)));
    assert_eq!(off.by(&api.owner).send().await.status, 200);
    let owner = api.owner.public_key().to_hex();
    let npub = pubkey(&api.other).to_npub();
    let names = async |query: &str| {
        let path = format!("/relays{query}");
        let relays = api.get(path).signing(&api.admin).send().await.data();
        let relays = relays.as_array().unwrap().iter();
        relays
            .map(|relay| relay["subdomain"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };

    assert_eq!(names("").await, ["first", "second"]);
    assert_eq!(names("?status=active").await, ["first"]);
    assert_eq!(names("?status=inactive").await, ["second"]);
    assert_eq!(names(&format!("?tenant={owner}&status=")).await.len(), 2);
    assert_eq!(names(&format!("?tenant={npub}")).await.len(), 0);
    assert_eq!(names("?sync_state=pending&unknown=x").await.len(), 2);
    assert_eq!(names("?sync_state=failed").await.len(), 0);
    assert_eq!(names("?zooid_domain=elsewhere.example").await.len(), 0);
    for query in ["status=on", "sync_state=x", "tenant=x", "zooid_domain=:"] {
        let path = format!("/relays?{query}");
        let reply = api.get(path).by(&api.admin).send().await;
        assert_eq!(reply.outcome(), (422, "filter-invalid"), "{query}");
        let field = query.split('=').next().unwrap();
        assert_eq!(reply.json["field"], field);
    }
}
