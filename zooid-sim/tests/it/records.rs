//! What the handle tells of the calls that came.

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use zooid_sim::{Effect, Fault, Phase, Verb};

use crate::harness::*;

fn hang() -> Fault {
    Fault::new(Effect::Hang {
        cap_ms: 60_000,
        phase: Phase::Before,
    })
}

#[tokio::test]
async fn a_call_is_recorded_with_its_body_as_received() {
    let harness = start().await;
    harness.create("a").await;
    harness.raw_call("POST", "/relay/a", "never read").await;

    let calls = harness.sim.calls("a");

    assert_eq!(calls.len(), 2);
    assert_eq!((calls[0].verb, calls[0].status), (Verb::Post, Some(201)));
    assert_eq!(calls[0].body, relay("a").to_string());
    assert!(calls[0].ended.unwrap() >= calls[0].started);
    assert_eq!(
        (calls[1].status, calls[1].body.as_str()),
        (Some(409), "never read")
    );
    assert!(calls[1].started >= calls[0].ended.unwrap());
}

#[tokio::test]
async fn overlapping_calls_of_one_relay_are_told_from_those_of_two() {
    let harness = start().await;
    harness.sim.inject(hang()).unwrap();
    let spawned = |path: &str| tokio::spawn(send(harness.signed_request("PATCH", path)));
    let two = [spawned("/relay/a"), spawned("/relay/b")];
    harness.until_in_flight(2).await;
    assert_eq!(
        (harness.sim.max_overlap(), harness.sim.max_in_flight()),
        (1, 2)
    );

    let third = spawned("/relay/a");
    harness.until_in_flight(3).await;
    harness.sim.clear_faults();
    for call in two.into_iter().chain([third]) {
        call.await.unwrap();
    }

    assert_eq!(
        (harness.sim.max_overlap(), harness.sim.max_in_flight()),
        (2, 3)
    );
    assert_eq!(harness.sim.record("a").max_overlap, 2);
    assert_eq!(harness.sim.record("b").max_overlap, 1);
    assert_eq!(harness.sim.totals().calls[&Verb::Patch], 3);
}

#[tokio::test]
async fn a_call_runs_on_when_its_client_has_left() {
    let harness = start().await;
    harness.sim.inject(hang()).unwrap();
    let request = harness
        .signed_request("POST", "/relay/a")
        .body(relay("a").to_string());
    let impatient = tokio::spawn(request.send());
    harness.until_in_flight(1).await;

    impatient.abort();
    assert!(impatient.await.unwrap_err().is_cancelled());
    harness.sim.clear_faults();
    harness.until_in_flight(0).await;

    assert_eq!(harness.sim.calls("a")[0].status, Some(201));
    assert!(harness.sim.config("a").is_some());
}

#[tokio::test]
async fn two_writers_who_read_the_same_file_lose_one_update() {
    let harness = start().await;
    harness.create("a").await;
    let slow = json!({"groups": {"enabled": true}}).to_string();
    let quick = json!({"push": {"enabled": true}});

    // The first has read the file when its body is yet to come.
    let mut stream = TcpStream::connect(harness.sim.addr()).await.unwrap();
    let head = format!(
        "PATCH /relay/a HTTP/1.1\r\nHost: {}\r\nAuthorization: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        harness.sim.addr(),
        signed("PATCH", &harness.url("/relay/a")),
        slow.len(),
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    harness.until_in_flight(1).await;
    assert_eq!(harness.call("PATCH", "/relay/a", &quick).await.status, 200);
    stream.write_all(slow.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();

    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    let stored = harness.sim.config("a").unwrap();
    assert!(stored.groups.enabled && !stored.push.enabled);
    assert_eq!(harness.sim.max_overlap(), 2);
}

#[tokio::test]
async fn records_can_start_anew() {
    let harness = start().await;
    harness.create("a").await;

    harness.sim.forget_calls();

    assert!(harness.sim.calls("a").is_empty());
    assert!(harness.sim.records().is_empty());
    assert_eq!(harness.sim.max_overlap(), 0);
    assert!(harness.sim.totals().calls.is_empty());
}
