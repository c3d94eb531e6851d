//! What every answer has in common. The harness checks the envelope itself on each call of each test.

use reqwest::header::{ALLOW, RETRY_AFTER};
use serde_json::json;

use crate::harness::*;

#[tokio::test]
async fn the_process_says_that_it_lives() {
    let api = start_empty(&[]).await;

    let reply = api.get("/healthz").send().await;

    assert_eq!(reply.json, json!({"data": {"status": "ok"}, "code": "ok"}));
}

#[tokio::test]
async fn plans_are_public_and_read_as_the_contract_says() {
    let api = start_empty(&[]).await;
    let free = json!({
        "id": "free", "name": "Free", "amount": 0, "hidden": false,
        "members": 10, "blossom": false, "livekit": false,
    });

    let plans = api.get("/plans").send().await.data();
    let plan = api.get("/plans/free").send().await.data();

    assert_eq!(plan, free);
    assert_eq!(plans[0], free);
    assert_eq!(
        (&plans[1]["id"], &plans[1]["amount"]),
        (&json!("basic"), &json!(500))
    );
    assert_eq!(plans[1]["members"], json!(100));
    assert_eq!(
        (&plans[2]["id"], &plans[2]["members"]),
        (&json!("growth"), &json!(null))
    );
    assert_eq!(plans.as_array().unwrap().len(), 3);
    let unknown = api.get("/plans/gold").send().await;
    assert_eq!(unknown.outcome(), (404, "not-found"));
}

#[tokio::test]
async fn an_unknown_route_is_a_json_404() {
    let api = start_empty(&[]).await;
    for path in [
        "/",
        "/nothing",
        "/plans/",
        "/plans/free/x",
        "/relays/a/b/c",
        "/%ff",
    ] {
        let reply = api.get(path).send().await;
        assert_eq!(reply.outcome(), (404, "not-found"), "{path}");
    }
    let reply = api.post("/nothing").send().await;
    assert_eq!(reply.outcome(), (404, "not-found"));
}

#[tokio::test]
async fn a_wrong_verb_is_a_json_405_that_lists_the_right_ones() {
    let api = start_empty(&[]).await;
    for (method, path, allowed) in [
        ("POST", "/plans", "GET,HEAD"),
        ("DELETE", "/tenants", "GET,HEAD,POST"),
        ("PATCH", "/relays/x", "GET,HEAD,PUT,DELETE"),
        ("GET", "/relays/x/deactivate", "POST"),
        ("BREW", "/identity", "GET,HEAD"),
    ] {
        let reply = api.call(method, path).send().await;
        assert_eq!(
            reply.outcome(),
            (405, "method-not-allowed"),
            "{method} {path}"
        );
        assert_eq!(reply.headers[ALLOW], allowed, "{method} {path}");
    }
}

#[tokio::test]
async fn a_head_request_is_a_get_without_its_body() {
    let api = start_empty(&[]).await;

    let response = api.call("HEAD", "/plans").send_raw().await;

    assert_eq!(response.status(), 200);
    assert_eq!(response.text().await.unwrap(), "");
}

#[tokio::test]
async fn a_write_that_is_lost_is_a_503_that_says_when_to_come_back() {
    let api = start().await;
    api.db.close().await;

    let call = api.post("/relays").by(&api.owner);
    let reply = call.json(&relay_input("lost")).send().await;

    assert_eq!(reply.outcome(), (503, "unavailable"));
    assert_eq!(reply.headers[RETRY_AFTER], "1");
}

#[tokio::test]
async fn a_database_that_does_not_answer_is_a_500_without_detail() {
    let api = start().await;
    api.db.close().await;

    let reply = api.get("/tenants").by(&api.admin).send().await;

    assert_eq!(reply.outcome(), (500, "internal"));
    let sentence = reply.json["error"].as_str().unwrap();
    for detail in ["pool", "database", "SQL"] {
        assert!(!sentence.contains(detail), "{sentence}");
    }
}
