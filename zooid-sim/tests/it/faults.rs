//! Each fault, seen from the client and from the file.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use zooid_sim::{Effect, Fault, Phase, Verb};

use crate::harness::*;

async fn broken(harness: &Harness, method: &str, path: &str, body: &Value) -> reqwest::Error {
    let request = harness.signed_request(method, path).body(body.to_string());
    request.send().await.unwrap_err()
}

#[tokio::test]
async fn a_connection_is_dropped_before_or_after_applying() {
    let harness = start().await;
    for (phase, applied) in [(Phase::Before, false), (Phase::After, true)] {
        let fault = Fault::new(Effect::Drop { phase }).for_calls(1);
        harness.sim.inject(fault).unwrap();

        let error = broken(&harness, "POST", "/relay/a", &relay("a")).await;

        assert!(error.is_request() && !error.is_connect(), "{error:?}");
        assert_eq!(harness.sim.config("a").is_some(), applied, "{phase:?}");
    }
    assert!(
        harness
            .sim
            .calls("a")
            .iter()
            .all(|call| call.status.is_none())
    );
}

#[tokio::test]
async fn a_dropped_connection_carries_not_one_byte() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let harness = start().await;
    let fault = Fault::new(Effect::Drop {
        phase: Phase::Before,
    });
    harness.sim.inject(fault).unwrap();
    let mut stream = tokio::net::TcpStream::connect(harness.sim.addr())
        .await
        .unwrap();
    let host = harness.sim.addr();
    let request = format!("DELETE /relay/a HTTP/1.1\r\nHost: {host}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();

    let mut received = Vec::new();
    // The end may come as a reset.
    let _ = stream.read_to_end(&mut received).await;

    assert!(received.is_empty());
}

#[tokio::test]
async fn an_answer_of_another_status_comes_with_its_headers_and_body() {
    let harness = start().await;
    harness
        .sim
        .inject(Fault::retry_after(429, 30).for_calls(1))
        .unwrap();
    let gateway = Fault::new(Effect::Answer {
        status: 502,
        headers: BTreeMap::from([("content-type".to_owned(), "text/html".to_owned())]),
        body: "<h1>Bad Gateway</h1>".to_owned(),
        phase: Phase::After,
    });
    harness.sim.inject(gateway.for_calls(1)).unwrap();

    let first = harness.call("POST", "/relay/a", &relay("a")).await;
    assert_eq!((first.status, first.header("retry-after")), (429, "30"));
    assert_eq!(harness.sim.config("a"), None);
    let second = harness.call("POST", "/relay/a", &relay("a")).await;
    assert_eq!(second.status, 502);
    assert_eq!(second.header("content-type"), "text/html");
    assert_eq!(second.body, "<h1>Bad Gateway</h1>");
    assert!(harness.sim.config("a").is_some());
    let third = harness.call("PUT", "/relay/a", &relay("a")).await;
    assert_eq!(third.status, 200);
}

#[tokio::test]
async fn a_fault_strikes_before_authentication() {
    let harness = start().await;
    harness.sim.inject(Fault::status(503)).unwrap();

    assert_eq!(send(harness.request("PUT", "/relay/a")).await.status, 503);
    // The router comes first.
    assert_eq!(send(harness.request("GET", "/relay/a")).await.status, 405);
}

#[tokio::test]
async fn a_malformed_and_a_huge_body_follow_an_applied_call() {
    let harness = start().await;
    harness
        .sim
        .inject(Fault::new(Effect::MalformedBody).for_calls(1))
        .unwrap();
    let bytes = 3 * 1024 * 1024;
    harness
        .sim
        .inject(Fault::new(Effect::HugeBody { bytes }).for_calls(1))
        .unwrap();

    let malformed = harness.call("POST", "/relay/a", &relay("a")).await;
    assert_eq!(malformed.status, 201);
    assert!(serde_json::from_str::<Value>(&malformed.body).is_err());
    let huge = harness.call("PUT", "/relay/a", &relay("a")).await;
    assert_eq!(huge.status, 200);
    assert!(huge.body.len() > bytes);
    assert!(harness.sim.config("a").is_some());
}

#[tokio::test]
async fn a_crash_in_the_write_tears_the_file_and_answers_nothing() {
    let harness = start().await;
    harness.create("a").await;
    for kept_bytes in [0, 12] {
        harness
            .sim
            .inject(Fault::new(Effect::Crash { kept_bytes }).for_calls(1))
            .unwrap();

        broken(
            &harness,
            "PATCH",
            "/relay/a",
            &json!({"push": {"enabled": true}}),
        )
        .await;

        let left = std::fs::read(harness.file("a")).unwrap();
        assert_eq!(left.len(), kept_bytes);
        assert_eq!(harness.nip11("a.example.com").await.status, 404);
        assert_eq!(
            harness.call("PUT", "/relay/a", &relay("a")).await.status,
            200
        );
    }
}

#[tokio::test]
async fn a_crash_does_not_reach_a_call_that_is_refused() {
    let harness = start().await;
    harness.create("a").await;
    harness
        .sim
        .inject(Fault::new(Effect::Crash { kept_bytes: 0 }))
        .unwrap();

    let reply = harness.raw_call("PATCH", "/relay/a", "not json").await;

    assert_eq!(reply.status, 400);
    assert!(harness.sim.config("a").is_some());
}

#[tokio::test]
async fn a_delay_is_sat_out() {
    let harness = start().await;
    let delay = Effect::Delay {
        ms: 50,
        phase: Phase::After,
    };
    harness
        .sim
        .inject(Fault::new(delay).on_verb(Verb::Post))
        .unwrap();
    let started = Instant::now();

    harness.create("a").await;

    assert!(started.elapsed() >= Duration::from_millis(50));
}

#[tokio::test]
async fn a_call_hangs_until_released_and_a_later_one_hangs_anew() {
    let harness = start().await;
    let hang = Effect::Hang {
        cap_ms: 60_000,
        phase: Phase::Before,
    };
    harness.sim.inject(Fault::new(hang)).unwrap();
    let spawned = |id: &'static str| {
        let request = harness.signed_request("POST", &format!("/relay/{id}"));
        tokio::spawn(send(request.body(relay(id).to_string())))
    };
    let first = spawned("a");
    harness.until_in_flight(1).await;
    assert_eq!(harness.sim.config("a"), None);

    harness.sim.release();
    assert_eq!(first.await.unwrap().status, 201);
    let second = spawned("b");
    harness.until_in_flight(1).await;
    harness.sim.clear_faults();

    assert_eq!(second.await.unwrap().status, 201);
    harness.create("c").await;
}

#[tokio::test]
async fn a_call_that_hangs_is_applied_although_its_client_has_left() {
    let harness = start().await;
    let hang = Effect::Hang {
        cap_ms: 60_000,
        phase: Phase::Before,
    };
    harness.sim.inject(Fault::new(hang)).unwrap();
    let request = harness.signed_request("POST", "/relay/a");
    let request = request.timeout(Duration::from_millis(300));

    let left = request.body(relay("a").to_string()).send().await;
    assert!(left.unwrap_err().is_timeout());
    assert_eq!(harness.sim.config("a"), None);
    harness.sim.release();

    harness.until_in_flight(0).await;
    assert!(harness.sim.config("a").is_some());
}

#[tokio::test]
async fn a_hang_ends_at_its_cap() {
    let harness = start().await;
    let hang = Effect::Hang {
        cap_ms: 20,
        phase: Phase::After,
    };
    harness.sim.inject(Fault::new(hang)).unwrap();

    harness.create("a").await;
}

#[tokio::test]
async fn faults_can_be_aimed_at_the_documents_of_relays() {
    let harness = start().await;
    harness.create("a").await;
    harness.create("b").await;
    let fault = Fault::status(404)
        .on_verb(Verb::Nip11)
        .on_relay("a")
        .for_calls(1);
    harness.sim.inject(fault).unwrap();

    assert_eq!(harness.nip11("b.example.com").await.status, 200);
    assert_eq!(harness.nip11("a.example.com").await.status, 404);
    assert_eq!(harness.nip11("a.example.com").await.status, 200);
}

#[tokio::test]
async fn down_refuses_connections_and_up_comes_back_on_the_same_port() {
    let harness = start().await;
    harness.create("a").await;
    let addr = harness.sim.addr();
    let hang = Effect::Hang {
        cap_ms: 60_000,
        phase: Phase::Before,
    };
    harness.sim.inject(Fault::new(hang).for_calls(1)).unwrap();
    let lost = tokio::spawn(harness.signed_request("PUT", "/relay/a").send());
    harness.until_in_flight(1).await;

    harness.sim.down().await;

    assert!(lost.await.unwrap().is_err());
    let refused = harness.request("GET", "/").send().await.unwrap_err();
    assert!(refused.is_connect());
    harness.sim.up().await.unwrap();
    harness.sim.up().await.unwrap();
    assert_eq!(harness.sim.addr(), addr);
    assert_eq!(harness.nip11("a.example.com").await.status, 200);
}

#[tokio::test]
async fn shutdown_waits_for_answers_under_way() {
    let harness = start().await;
    let delay = Effect::Delay {
        ms: 100,
        phase: Phase::Before,
    };
    harness.sim.inject(Fault::new(delay)).unwrap();
    let request = harness
        .signed_request("POST", "/relay/a")
        .body(relay("a").to_string());
    let under_way = tokio::spawn(send(request));
    harness.until_in_flight(1).await;

    harness.sim.shutdown().await;

    assert_eq!(under_way.await.unwrap().status, 201);
}
