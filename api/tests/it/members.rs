//! The members of a relay, as zooid knows them.

use serde_json::json;
use zooid_sim::{Effect, Fault};

use crate::harness::*;
use crate::zooid::*;

fn path(relay: &serde_json::Value) -> String {
    format!("/relays/{}/members", relay["id"].as_str().unwrap())
}

#[tokio::test]
async fn the_members_of_a_relay_are_those_that_zooid_has() {
    let world = start_with_zooid(&[]).await;
    let relay = world.accepted("club", "basic", 3).await;

    let data = world
        .api
        .get(path(&relay))
        .by(&world.api.owner)
        .send()
        .await
        .data();

    assert_eq!(data["members"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn a_relay_that_zooid_never_accepted_has_no_members_whatever_zooid_does() {
    let world = start_with_zooid(&[]).await;
    world.sim.down().await;
    let relay = world.api.relay("young").await;

    let reply = world
        .api
        .get(path(&relay))
        .by(&world.api.owner)
        .send()
        .await;

    assert_eq!(reply.data(), json!({"members": []}));
}

#[tokio::test]
async fn members_that_zooid_does_not_tell_are_503_with_a_time_to_come_back() {
    let world = start_with_zooid(&[]).await;
    let relay = world.accepted("club", "basic", 3).await;
    let headers = [("Retry-After".to_owned(), "17".to_owned())].into();
    for (effect, seconds) in [
        (
            Effect::Answer {
                status: 503,
                headers,
                body: String::new(),
                phase: zooid_sim::Phase::Before,
            },
            "17",
        ),
        (
            Effect::Drop {
                phase: zooid_sim::Phase::Before,
            },
            "5",
        ),
    ] {
        world.sim.clear_faults();
        world
            .sim
            .inject(Fault {
                relay: None,
                verb: None,
                span: zooid_sim::Span::UntilCleared,
                effect,
            })
            .unwrap();

        let reply = world
            .api
            .get(path(&relay))
            .by(&world.api.owner)
            .send()
            .await;

        assert_eq!(reply.outcome(), (503, "members-unavailable"));
        assert_eq!(reply.headers["retry-after"], seconds);
    }
}

#[tokio::test]
async fn an_api_that_cannot_call_zooid_says_so() {
    let api = start().await;
    let relay = api.relay("club").await;
    mark_synced(&api, relay["id"].as_str().unwrap()).await;

    let reply = api.get(path(&relay)).by(&api.owner).send().await;

    assert_eq!(reply.outcome(), (503, "members-unavailable"));
}
