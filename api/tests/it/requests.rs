//! Bodies as they come, and the id that follows a request.

use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use serde_json::json;

use crate::harness::*;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

#[tokio::test]
async fn a_body_that_is_not_json_is_a_400() {
    let api = start().await;
    for body in [&b"{"[..], b"nonsense", b"{'a': 1}", b"\xff\xfe", b"{} {}"] {
        let reply = api.post("/relays").by(&api.owner).bytes(body).send().await;
        assert_eq!(reply.outcome(), (400, "json-invalid"));
    }
}

#[tokio::test]
async fn json_that_is_no_object_is_a_422() {
    let api = start().await;
    for body in ["[]", "1", "null", "\"text\""] {
        for (method, path) in [("POST", "/relays"), ("POST", "/tenants")] {
            let call = api.call(method, path).by(&api.owner).bytes(body);
            assert_eq!(call.send().await.outcome(), (422, "field-type"), "{body}");
        }
    }
}

#[tokio::test]
async fn a_body_is_read_whatever_its_content_type() {
    let api = start().await;
    for (content_type, subdomain) in [
        (None, "none"),
        (Some("text/plain"), "plain"),
        (Some("application/x-www-form-urlencoded"), "form"),
        (Some("application/json; charset=utf-8"), "charset"),
    ] {
        let call = api
            .post("/relays")
            .by(&api.owner)
            .bytes(relay_input(subdomain).to_string());
        let call = match content_type {
            None => call,
            Some(value) => call.header(CONTENT_TYPE, HeaderValue::from_static(value)),
        };
        assert_eq!(call.send().await.status, 201, "{content_type:?}");
    }
}

#[tokio::test]
async fn no_body_is_an_empty_object() {
    let api = start_empty(&[]).await;
    for body in ["", " \r\n"] {
        let call = api.post("/tenants").by(&api.owner).bytes(body);
        assert_eq!(call.send().await.status, 200);
    }
    let reply = api.post("/relays").by(&api.owner).send().await;
    assert_eq!(reply.outcome(), (422, "field-required"));
}

#[tokio::test]
async fn a_body_of_64_kib_is_read_and_one_byte_more_is_a_413() {
    let api = start().await;
    let send = async |length: usize| {
        let mut body = relay_input("large").to_string();
        body.push_str(&" ".repeat(length - body.len()));
        let call = api.post("/relays").by(&api.owner).bytes(body);
        call.send().await
    };

    let too_large = send(64 * 1024 + 1).await;
    let largest = send(64 * 1024).await;

    assert_eq!(too_large.outcome(), (413, "body-too-large"));
    assert_eq!(largest.status, 201);
}

#[tokio::test]
async fn every_answer_has_an_id_and_a_plain_one_is_taken_over() {
    let api = start_empty(&[]).await;
    let id_for = async |given: Option<&'static str>| {
        let call = api.get("/nothing");
        let call = match given {
            None => call,
            Some(id) => call.header(REQUEST_ID, HeaderValue::from_static(id)),
        };
        let reply = call.send().await;
        reply.headers[REQUEST_ID].to_str().unwrap().to_owned()
    };

    assert_eq!(id_for(Some("click-1_a.B")).await, "click-1_a.B");
    assert_ne!(id_for(None).await, id_for(None).await);
    for forged in [
        "",
        "two words",
        "{\"level\":\"error\"}",
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0",
    ] {
        let id = id_for(Some(forged)).await;
        assert_ne!(id, forged);
        assert_eq!(id.len(), 26, "{id}");
    }
}

#[tokio::test]
async fn the_id_of_a_request_travels_with_the_job_it_made() {
    let api = start().await;
    let call = api
        .post("/relays")
        .by(&api.owner)
        .json(&relay_input("traced"))
        .header(REQUEST_ID, HeaderValue::from_static("find-me-again"));

    assert_eq!(call.send().await.status, 201);

    assert!(api.stores("find-me-again"));
}

#[tokio::test]
async fn fields_that_nobody_knows_are_ignored() {
    let api = start().await;
    let mut input = relay_input("whole");
    input["id"] = json!("mine");
    input["generation"] = json!("x");

    let reply = api.post("/relays").by(&api.owner).json(&input).send().await;

    assert_eq!(reply.status, 201);
    assert_ne!(reply.data()["id"], "mine");
}
