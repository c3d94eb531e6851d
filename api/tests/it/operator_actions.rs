//! What operators do over HTTP: who may, what is answered, and what is on record.

use std::time::Duration;

use nostr::key::Keys;
use serde_json::{Value, json};

use crate::harness::*;

async fn act(api: &Api, path: &str, body: Value) -> Reply {
    let call = api.post(format!("/operator/{path}"));
    call.signing(&api.admin).json(&body).send().await
}

async fn act_on(api: &Api, relay: &Value, action: &str, body: Value) -> Reply {
    let id = relay["id"].as_str().unwrap();
    act(api, &format!("relays/{id}/{action}"), body).await
}

/// Changes what no route would, to arrange a situation.
async fn arrange(api: &Api, statements: &[&'static str]) {
    for statement in statements {
        let statement = *statement;
        let arranged: Result<_, shared::command::CommandError> = api
            .db
            .write(async move |tx: &mut shared::db::WriteTx| {
                Ok(sqlx::query(statement).execute(&mut *tx).await?)
            })
            .await;
        arranged.unwrap();
    }
}

/// Actor, action and resource of every line of the record.
async fn record(api: &Api) -> Vec<(String, String, String)> {
    sqlx::query_as("SELECT actor, action, resource_type FROM operator_action ORDER BY seq")
        .fetch_all(api.db.readers())
        .await
        .unwrap()
}

const GIVEN_UP: [&str; 2] = [
    "UPDATE Jobs SET status = 'Killed', idempotency_key = NULL",
    "UPDATE relay_sync SET failed_generation = 1, failure_kind = 'invalid', sync_error = 'Refused.'",
];

#[tokio::test]
async fn two_clicks_on_retry_make_one_run_and_both_show_where_the_relay_stands() {
    let api = start().await;
    let relay = api.relay("mine").await;
    arrange(&api, &GIVEN_UP).await;
    let body = json!({"seen_attempt": 0});

    let first = act_on(&api, &relay, "retry", body.clone()).await.data();
    let second = act_on(&api, &relay, "retry", body).await.data();

    assert_eq!(first["affected"], 1);
    assert!(first["action_id"].is_string());
    assert_eq!(first["not_before"], Value::Null);
    assert_eq!(second["affected"], 0);
    assert_eq!(second["action_id"], Value::Null);
    for answer in [first, second] {
        assert_eq!(answer["sync"]["relay_id"], relay["id"]);
        assert_eq!(answer["sync"]["next_attempt_at"], NOW);
        assert_eq!(answer["sync"]["sync_error"], "Refused.");
    }
    let admin = pubkey(&api.admin).to_string();
    assert_eq!(
        record(&api).await,
        [(admin, "retry".to_owned(), "relay".to_owned())]
    );
}

#[tokio::test]
async fn every_action_on_a_relay_is_one_of_the_routes() {
    let api = start().await;
    let relay = api.relay("mine").await;
    for (action, body, affected) in [
        ("pause", json!({}), 1),
        ("pause", json!({}), 0),
        ("resume", json!({}), 1),
        ("cancel", json!({}), 1),
        ("cancel", json!({}), 0),
        ("sync", json!({"seen_attempt": 0}), 1),
        ("release", json!({}), 0),
    ] {
        let answer = act_on(&api, &relay, action, body).await.data();

        assert_eq!(answer["affected"], affected, "{action}");
        assert_eq!(answer["sync"]["relay_id"], relay["id"], "{action}");
    }
    assert_eq!(record(&api).await.len(), 4);
}

#[tokio::test]
async fn what_cannot_be_retried_is_refused_by_name() {
    let api = start().await;
    let relay = api.relay("mine").await;
    let body = json!({"seen_attempt": 0});

    let blind = act_on(&api, &relay, "retry", json!({})).await;
    assert_eq!(blind.outcome(), (422, "field-required"));
    assert_eq!(blind.json["field"], "seen_attempt");
    let odd = act_on(&api, &relay, "sync", json!({"seen_attempt": "all"})).await;
    assert_eq!(odd.outcome(), (422, "field-type"));

    arrange(&api, &["UPDATE relay_sync SET quarantined_at = 1"]).await;
    let quarantined = act_on(&api, &relay, "retry", body.clone()).await;
    assert_eq!(quarantined.outcome(), (409, "relay-quarantined"));
    let in_step = "UPDATE relay_sync SET quarantined_at = NULL, synced_generation = 1, synced_at = 1, accepted = '{}'";
    arrange(&api, &[in_step]).await;
    let in_step = act_on(&api, &relay, "retry", body.clone()).await;
    assert_eq!(in_step.outcome(), (409, "relay-in-step"));

    let unknown = json!({"id": "01j00000000000000000000000"});
    let unknown = act_on(&api, &unknown, "retry", body).await;
    assert_eq!(unknown.outcome(), (404, "not-found"));
    assert!(record(&api).await.is_empty());
}

#[tokio::test]
async fn targets_and_the_queue_are_held_and_let_go() {
    let api = start().await;
    api.relay("mine").await;
    for (path, affected) in [
        ("pause", 1),
        ("pause", 0),
        ("resume", 1),
        ("probe", 1),
        ("probe", 0),
    ] {
        let path = format!("targets/{RELAY_DOMAIN}/{path}");
        let answer = act(&api, &path, json!({})).await.data();
        assert_eq!(answer["affected"], affected, "{path}");
    }
    for (path, affected) in [("queue/pause", 1), ("queue/pause", 0), ("queue/resume", 1)] {
        let answer = act(&api, path, json!({})).await.data();
        assert_eq!(answer["affected"], affected, "{path}");
    }
    for name in ["rooms.example.com", "no%20name"] {
        let unknown = act(&api, &format!("targets/{name}/pause"), json!({})).await;
        assert_eq!(unknown.status, 404, "{name}");
    }
    assert_eq!(record(&api).await.len(), 5);
}

#[tokio::test]
async fn all_that_match_are_previewed_and_then_acted_upon_once() {
    let api = start().await;
    for subdomain in ["one", "two", "three"] {
        api.relay(subdomain).await;
        // Ids ascend from one millisecond to the next.
        api.clock.advance(Duration::from_millis(1));
    }
    arrange(&api, &GIVEN_UP).await;
    let request = json!({"action": "retry", "filter": {"state": "failed", "q": "t"}});

    let preview = act(&api, "bulk/preview", request.clone()).await.data();
    assert_eq!(preview["affected"], 2);
    assert_eq!(preview["sample"][0]["subdomain"], "two");
    let mut bulk = request;
    bulk["token"] = preview["token"].clone();
    bulk["expected"] = preview["affected"].clone();
    let first = act(&api, "bulk", bulk.clone()).await.data();
    let second = act(&api, "bulk", bulk.clone()).await.data();

    assert_eq!(first["affected"], 2);
    assert_eq!(first, second);
    assert_eq!(record(&api).await.len(), 1);

    bulk["filter"] = json!({"state": "failed"});
    let other = act(&api, "bulk", bulk).await;
    assert_eq!(other.outcome(), (422, "bulk-token-invalid"));
}

#[tokio::test]
async fn a_bulk_of_another_size_than_expected_says_how_many_there_are() {
    let api = start().await;
    api.relay("mine").await;
    let request = json!({"action": "pause", "filter": {}});
    let preview = act(&api, "bulk/preview", request.clone()).await.data();
    let mut bulk = request;
    bulk["token"] = preview["token"].clone();
    bulk["expected"] = json!(100);

    let changed = act(&api, "bulk", bulk).await;

    assert_eq!(changed.outcome(), (409, "bulk-changed"));
    assert_eq!(changed.json["affected"], 1);
}

#[tokio::test]
async fn a_filter_that_is_misspelt_is_refused() {
    let api = start().await;
    for (request, code, field) in [
        (
            json!({"action": "retry", "filter": {"states": "failed"}}),
            "filter-invalid",
            "filter",
        ),
        (
            json!({"action": "retry", "filter": {"state": "lost"}}),
            "filter-invalid",
            "state",
        ),
        (
            json!({"action": "restart", "filter": {}}),
            "action-invalid",
            "action",
        ),
        (json!({"action": "retry"}), "field-required", "filter"),
    ] {
        let refused = act(&api, "bulk/preview", request).await;

        assert_eq!(refused.outcome(), (422, code));
        assert_eq!(refused.json["field"], field);
    }
}

#[tokio::test]
async fn reconcile_enqueues_what_no_job_covers_and_with_all_everything() {
    let api = start().await;
    api.relay("mine").await;
    arrange(&api, &["DELETE FROM Jobs"]).await;

    for (body, affected) in [
        (json!({"target": "rooms.example.com"}), 0),
        (json!({}), 1),
        (json!({"all": false}), 0),
        (json!({"all": true, "target": RELAY_DOMAIN}), 1),
    ] {
        let answer = act(&api, "reconcile", body.clone()).await.data();
        assert_eq!(answer["affected"], affected, "{body}");
    }
}

#[tokio::test]
async fn nobody_but_an_admin_who_signs_the_request_can_act() {
    let api = start().await;
    let relay = api.relay("mine").await;
    let path = format!("/operator/relays/{}/pause", relay["id"].as_str().unwrap());
    let by = |keys: &Keys| api.post(&path).signing(keys);

    for keys in [&api.owner, &api.other, &api.stranger] {
        let reply = by(keys).send().await;
        assert_eq!(reply.outcome(), (403, "forbidden"));
    }
    let session = api.post(&path).by(&api.admin).send().await;
    assert_eq!(session.outcome(), (401, "unauthorized"));
    let nobody = api.post(&path).send().await;
    assert_eq!(nobody.outcome(), (401, "unauthorized"));
    assert!(record(&api).await.is_empty());

    assert_eq!(by(&api.admin).send().await.status, 200);
    assert_eq!(record(&api).await.len(), 1);
}
