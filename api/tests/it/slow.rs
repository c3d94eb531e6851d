//! Clients that are slow, or say too much: what is theirs is bounded, and others do not notice.

use std::time::Duration;

use http::{HeaderName, HeaderValue};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::harness::*;

/// Longest wait for anything. Generous: the machine may be busy with other tests.
const SOON: Duration = Duration::from_mins(1);

/// A client that speaks HTTP by hand.
struct Raw(TcpStream);

impl Raw {
    async fn sends(api: &Api, text: &str) -> Self {
        let mut socket = TcpStream::connect(&api.address).await.unwrap();
        socket.write_all(text.as_bytes()).await.unwrap();
        Self(socket)
    }

    /// All that is answered until the server closes the connection.
    async fn hears(mut self) -> String {
        let mut heard = Vec::new();
        let hearing = self.0.read_to_end(&mut heard);
        tokio::time::timeout(SOON, hearing).await.unwrap().unwrap();
        String::from_utf8(heard).unwrap()
    }
}

/// The head of a create whose body is still to come.
fn head_of_a_create(api: &Api, length: usize) -> String {
    let authorization = api.session(&api.owner);
    format!(
        "POST /relays HTTP/1.1\r\nHost: api\r\nAuthorization: {authorization}\r\nContent-Length: {length}\r\n\r\n"
    )
}

#[tokio::test]
async fn half_a_header_is_cut_off() {
    let api = start_empty(&[]).await;

    let silent = Raw::sends(&api, "").await;
    let half = Raw::sends(&api, "GET /plans HTTP/1.1\r\nHost: api\r\nX-Slow: ").await;

    assert_eq!(half.hears().await, "");
    assert_eq!(silent.hears().await, "");
}

#[tokio::test]
async fn a_connection_on_which_no_further_request_comes_is_closed() {
    let api = start_empty(&[]).await;

    let idle = Raw::sends(&api, "GET /healthz HTTP/1.1\r\nHost: api\r\n\r\n").await;

    let heard = idle.hears().await;
    assert!(heard.starts_with("HTTP/1.1 200"), "{heard}");
}

#[tokio::test]
async fn a_header_without_end_or_of_many_fields_is_431() {
    let api = start_empty(&[]).await;

    let long = format!("GET /plans HTTP/1.1\r\nX-Long: {}", "x".repeat(66 * 1024));
    let many = format!("GET /plans HTTP/1.1\r\n{}\r\n", "X-Many: x\r\n".repeat(101));

    for header in [long, many] {
        let heard = Raw::sends(&api, &header).await.hears().await;
        assert!(heard.starts_with("HTTP/1.1 431"), "{heard}");
    }
}

#[tokio::test]
async fn a_body_that_does_not_come_is_408() {
    let api = start().await;

    let slow = Raw::sends(&api, &format!("{}{{", head_of_a_create(&api, 100))).await;

    let heard = slow.hears().await;
    assert!(heard.starts_with("HTTP/1.1 408"), "{heard}");
    let (_, body) = heard.split_once("\r\n\r\n").unwrap();
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["code"], "request-timeout");
}

#[tokio::test]
async fn a_body_that_is_still_coming_keeps_nobody_else_out() {
    let api = start_with(&[("SERVER_MAX_REQUESTS", "1")]).await;
    let input = relay_input("slow").to_string();
    let head = head_of_a_create(&api, input.len());
    let mut slow = Raw::sends(&api, &head).await;

    for _ in 0..20 {
        assert_eq!(api.get("/plans").send().await.status, 200);
        assert_eq!(api.get("/relays").by(&api.admin).send().await.status, 200);
    }

    slow.0.write_all(input.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    slow.0.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 201");
}

#[tokio::test]
async fn bodies_that_are_still_coming_are_bounded() {
    let api = start_with(&[("SERVER_MAX_REQUESTS", "1")]).await;
    let slow = Raw::sends(&api, &head_of_a_create(&api, 100)).await;

    let refused = async {
        loop {
            let reply = api.post("/tenants").by(&api.owner).json(&json!({})).send();
            let reply = reply.await;
            if reply.status != 200 {
                return reply;
            }
        }
    };
    let refused = tokio::time::timeout(SOON, refused).await.unwrap();

    assert_eq!(refused.outcome(), (503, "busy"));
    drop(slow);
}

#[tokio::test]
async fn who_waits_for_zooid_keeps_nobody_else_out_and_one_too_many_does_not_wait() {
    let api = start_with(&[("SERVER_MAX_REQUESTS", "1")]).await;
    let relay = api.relay("waits").await;
    let path = format!("/relays/{}", relay["id"].as_str().unwrap());
    let waiting = |seconds| {
        let prefer = HeaderName::from_static("prefer");
        let update = api
            .put(&*path)
            .by(&api.owner)
            .json(&json!({"push_enabled": 0}));
        update
            .header(prefer, HeaderValue::from_static(seconds))
            .send()
    };
    let others = async {
        // The first to wait has the only place to wait in.
        let one_too_many = loop {
            let reply = waiting("wait=1").await;
            if reply.status == 202 && reply.headers["preference-applied"] == "wait=0" {
                break reply;
            }
        };
        for _ in 0..20 {
            assert_eq!(api.get("/plans").send().await.status, 200);
        }
        api.stop.cancel();
        one_too_many
    };

    let both = async { tokio::join!(waiting("wait=30"), others) };
    let (waited, one_too_many) = tokio::time::timeout(SOON, both).await.unwrap();

    assert_eq!(waited.status, 202);
    assert_eq!(waited.headers["preference-applied"], "wait=30");
    assert_eq!(one_too_many.data()["id"], relay["id"]);
}
