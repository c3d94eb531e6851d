//! Calls from web pages on other hosts.

use std::collections::BTreeSet;

use reqwest::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD,
    HeaderMap, HeaderName, HeaderValue, ORIGIN,
};

use crate::harness::*;

const APP: &str = "https://app.example.com";

async fn preflight(api: &Api, origin: &'static str) -> (u16, HeaderMap) {
    let response = api
        .call("OPTIONS", "/relays/x")
        .header(ORIGIN, HeaderValue::from_static(origin))
        .header(
            ACCESS_CONTROL_REQUEST_METHOD,
            HeaderValue::from_static("PUT"),
        )
        .header(
            ACCESS_CONTROL_REQUEST_HEADERS,
            HeaderValue::from_static("authorization,content-type"),
        )
        .send_raw()
        .await;
    (response.status().as_u16(), response.headers().clone())
}

fn words(headers: &HeaderMap, name: &HeaderName) -> BTreeSet<String> {
    let list = headers[name].to_str().unwrap();
    list.split(',')
        .map(|word| word.trim().to_ascii_lowercase())
        .collect()
}

fn set<const N: usize>(words: [&str; N]) -> BTreeSet<String> {
    words.map(str::to_owned).into()
}

#[tokio::test]
async fn a_preflight_is_answered_without_a_signature() {
    let api = start_empty(&[]).await;

    let (status, headers) = preflight(&api, APP).await;

    assert_eq!(status, 200);
    assert_eq!(headers[ACCESS_CONTROL_ALLOW_ORIGIN], APP);
    assert_eq!(
        words(&headers, &ACCESS_CONTROL_ALLOW_METHODS),
        set(["get", "post", "put", "delete"])
    );
    assert_eq!(
        words(&headers, &ACCESS_CONTROL_ALLOW_HEADERS),
        set([
            "authorization",
            "content-type",
            "prefer",
            "idempotency-key",
            "if-match",
            "last-event-id",
        ])
    );
}

#[tokio::test]
async fn another_origin_is_not_let_in() {
    let api = start_empty(&[]).await;

    let (_, headers) = preflight(&api, "https://evil.example.com").await;

    assert_eq!(headers.get(ACCESS_CONTROL_ALLOW_ORIGIN), None);
}

#[tokio::test]
async fn every_origin_is_let_in_where_that_is_configured() {
    let api = start_empty(&[("SERVER_ALLOW_ORIGINS", "*")]).await;

    let (_, headers) = preflight(&api, "https://anything.example.com").await;

    assert_eq!(headers[ACCESS_CONTROL_ALLOW_ORIGIN], "*");
}

#[tokio::test]
async fn pages_may_read_every_answer_and_the_headers_that_matter() {
    let api = start_empty(&[]).await;
    for path in ["/plans", "/identity", "/nothing"] {
        let call = api.get(path);
        let reply = call
            .header(ORIGIN, HeaderValue::from_static(APP))
            .send()
            .await;

        assert_eq!(reply.headers[ACCESS_CONTROL_ALLOW_ORIGIN], APP, "{path}");
        assert_eq!(
            words(&reply.headers, &ACCESS_CONTROL_EXPOSE_HEADERS),
            set(["location", "link", "etag", "retry-after"])
        );
    }
}
