//! What a plan, and the installation, allow a tenant.

use serde_json::{Value, json};

use crate::harness::*;
use crate::zooid::*;

async fn downgrade(api: &Api, relay: &Value, plan: &str) -> Reply {
    let path = format!("/relays/{}", relay["id"].as_str().unwrap());
    let input = json!({"plan_id": plan, "blossom_enabled": 0, "livekit_enabled": 0});
    api.put(path).by(&api.owner).json(&input).send().await
}

#[tokio::test]
async fn a_plan_is_lowered_only_as_far_as_the_members_fit() {
    let world = start_with_zooid(&[]).await;
    let fits = world.accepted("fits", "basic", 10).await;
    let full = world.accepted("full", "basic", 11).await;

    assert_eq!(
        downgrade(&world.api, &fits, "free").await.data()["plan_id"],
        "free"
    );
    let refused = downgrade(&world.api, &full, "free").await;

    assert_eq!(refused.outcome(), (422, "plan-members"));
    let sentence = refused.json["error"].as_str().unwrap();
    assert!(
        sentence.contains("11") && sentence.contains("10"),
        "{sentence}"
    );
}

#[tokio::test]
async fn a_plan_is_not_lowered_while_zooid_does_not_tell_the_members() {
    let world = start_with_zooid(&[]).await;
    let relay = world.accepted("club", "growth", 3).await;
    world.sim.down().await;

    let refused = downgrade(&world.api, &relay, "basic").await;
    assert_eq!(refused.outcome(), (503, "members-unavailable"));
    assert!(refused.headers.contains_key("retry-after"));
    let path = format!("/relays/{}", relay["id"].as_str().unwrap());
    let now = world.api.get(path).by(&world.api.owner).send().await.data();
    assert_eq!(now["plan_id"], "growth");
    assert_eq!(now["generation"], relay["generation"]);
}

#[tokio::test]
async fn a_plan_is_raised_and_other_settings_change_without_asking_zooid() {
    let world = start_with_zooid(&[]).await;
    let relay = world.accepted("club", "basic", 3).await;
    world.sim.down().await;
    let path = format!("/relays/{}", relay["id"].as_str().unwrap());
    for input in [
        json!({"plan_id": "growth"}),
        json!({"plan_id": "growth", "info_name": "Club"}),
    ] {
        let reply = world.api.put(&*path).by(&world.api.owner).json(&input);
        assert_eq!(reply.send().await.status, 200, "{input}");
    }
}

#[tokio::test]
async fn of_many_relays_created_at_once_no_more_than_the_limit_remain() {
    let api = start_with(&[("TENANT_MAX_RELAYS", "2")]).await;

    let calls = (0..8).map(|number| {
        api.post("/relays")
            .by(&api.owner)
            .json(&relay_input(&format!("relay-{number}")))
            .send()
    });
    let replies = futures::future::join_all(calls).await;

    let outcomes: Vec<_> = replies.iter().map(Reply::outcome).collect();
    let created = outcomes.iter().filter(|outcome| outcome.0 == 201).count();
    let refused = outcomes
        .iter()
        .filter(|outcome| **outcome == (422, "relay-limit"))
        .count();
    assert_eq!((created, refused), (2, 6), "{outcomes:?}");
}

#[tokio::test]
async fn an_admin_creates_beyond_the_limit_of_a_tenant() {
    let api = start_with(&[("TENANT_MAX_RELAYS", "1")]).await;
    api.relay("first").await;
    let mut input = relay_input("second");
    input["tenant_pubkey"] = json!(api.owner.public_key().to_hex());

    let reply = api.post("/relays").by(&api.admin).json(&input).send().await;

    assert_eq!(reply.status, 201);
}

#[tokio::test]
async fn a_subdomain_that_many_want_at_once_is_given_to_one() {
    let api = start().await;

    let calls = (0..32).map(|_| {
        api.post("/relays")
            .by(&api.owner)
            .json(&relay_input("wanted"))
            .send()
    });
    let replies = futures::future::join_all(calls).await;

    let outcomes: Vec<_> = replies.iter().map(Reply::outcome).collect();
    let created = outcomes.iter().filter(|outcome| outcome.0 == 201).count();
    let refused = outcomes
        .iter()
        .filter(|outcome| **outcome == (422, "subdomain-exists"))
        .count();
    assert_eq!((created, refused), (1, 31), "{outcomes:?}");
}
