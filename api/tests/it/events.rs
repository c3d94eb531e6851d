//! The stream of what changes.

use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::BoxStream;
use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use serde_json::{Value, json};

use crate::harness::*;

/// Longest wait for an event. Generous: the machine may be busy with other tests.
const SOON: Duration = Duration::from_mins(1);

/// A stream, read event by event.
struct Events {
    bytes: BoxStream<'static, reqwest::Result<Vec<u8>>>,
    text: String,
}

#[derive(Debug)]
struct Event {
    name: String,
    id: i64,
    data: Value,
}

impl Events {
    async fn open(api: &Api, last_event_id: Option<&str>) -> Self {
        let mut call = api.get("/events").signing(&api.reader);
        if let Some(id) = last_event_id {
            let name = HeaderName::from_static("last-event-id");
            call = call.header(name, HeaderValue::from_str(id).unwrap());
        }
        let response = call.send_raw().await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()[CONTENT_TYPE], "text/event-stream");
        let bytes = response
            .bytes_stream()
            .map(|chunk| chunk.map(|chunk| chunk.to_vec()))
            .boxed();
        Self {
            bytes,
            text: String::new(),
        }
    }

    /// The next event; `None` at the end.
    async fn next(&mut self) -> Option<Event> {
        let reading = async {
            loop {
                if let Some(end) = self.text.find("\n\n") {
                    let event = parse(&self.text[..end]);
                    self.text.drain(..end + 2);
                    if event.is_some() {
                        return event;
                    }
                    continue;
                }
                let chunk = self.bytes.next().await?.ok()?;
                self.text.push_str(std::str::from_utf8(&chunk).unwrap());
            }
        };
        tokio::time::timeout(SOON, reading).await.unwrap()
    }

    /// Waits for an event of this name that passes.
    async fn find(&mut self, name: &str, passes: impl Fn(&Value) -> bool) -> Event {
        loop {
            let event = self.next().await.unwrap();
            if event.name == name && passes(&event.data) {
                return event;
            }
        }
    }
}

/// An event; `None` for a comment.
fn parse(block: &str) -> Option<Event> {
    let field = |name: &str| {
        block
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    };
    Some(Event {
        name: field("event")?.to_owned(),
        id: field("id").unwrap().parse().unwrap(),
        data: serde_json::from_str(field("data").unwrap()).unwrap(),
    })
}

#[tokio::test]
async fn a_stream_says_hello_and_then_what_happens() {
    let api = start().await;
    let mut events = Events::open(&api, None).await;
    let hello = events.next().await.unwrap();

    let relay = api.relay("news").await;

    assert_eq!(hello.name, "hello");
    assert_eq!(hello.data, json!({ "seq": hello.id }));
    let activity = events.next().await.unwrap();
    assert_eq!(activity.name, "activity");
    assert_eq!(activity.id, hello.id + 1);
    assert_eq!(activity.data["seq"], json!(activity.id));
    assert_eq!(activity.data["relay_id"], relay["id"]);
    assert_eq!(activity.data["activity_type"], "create_relay");
    let changed = events.find("changed", |data| data["counts"] == true).await;
    assert_eq!(changed.id, activity.id);
    assert_eq!(changed.data["all"], false);
}

#[tokio::test]
async fn what_an_operator_does_is_worth_reading_again() {
    let api = start().await;
    let relay = api.relay("paused").await;
    let mut events = Events::open(&api, None).await;
    events.next().await.unwrap();

    for path in [
        format!("/operator/relays/{}/pause", relay["id"].as_str().unwrap()),
        format!("/operator/targets/{RELAY_DOMAIN}/pause"),
    ] {
        api.post(path).signing(&api.admin).send().await.data();
    }

    let mut relays = false;
    let mut targets = false;
    while !(relays && targets) {
        let changed = events.find("changed", |_| true).await.data;
        relays |= changed["relays"] == json!([relay["id"]]);
        targets |= changed["targets"] == json!([RELAY_DOMAIN]);
    }
}

#[tokio::test]
async fn a_follower_who_comes_back_gets_what_happened_meanwhile() {
    let api = start().await;
    let seen = Events::open(&api, None).await.next().await.unwrap().id;
    let missed = [api.relay("one").await, api.relay("two").await];

    let mut events = Events::open(&api, Some(&seen.to_string())).await;

    let hello = events.next().await.unwrap();
    assert_eq!((hello.name.as_str(), hello.id), ("hello", seen));
    assert_eq!(hello.data, json!({ "seq": seen + 2 }));
    for (relay, id) in missed.iter().zip(seen + 1..) {
        let activity = events.next().await.unwrap();
        assert_eq!((activity.name.as_str(), activity.id), ("activity", id));
        assert_eq!(activity.data["relay_id"], relay["id"]);
    }
    let changed = events.next().await.unwrap();
    assert_eq!(changed.data["all"], true);
}

#[tokio::test]
async fn a_flood_is_told_as_a_whole() {
    let api = start_with(&[("TENANT_MAX_RELAYS", "0")]).await;
    let seen = Events::open(&api, None).await.next().await.unwrap().id;
    for number in 0..201 {
        api.relay(&format!("r{number}")).await;
    }

    let mut events = Events::open(&api, Some(&seen.to_string())).await;

    assert_eq!(events.next().await.unwrap().name, "hello");
    let changed = events.next().await.unwrap();
    assert_eq!(
        (changed.name.as_str(), &changed.data["all"]),
        ("changed", &json!(true))
    );
}

#[tokio::test]
async fn a_stream_lasts_an_hour() {
    let api = start().await;
    let mut events = Events::open(&api, None).await;
    assert_eq!(events.next().await.unwrap().name, "hello");

    api.clock.advance(Duration::from_hours(1));

    assert!(events.next().await.is_none());
}

#[tokio::test]
async fn streams_are_bounded_and_end_with_the_server() {
    let api = start().await;
    let mut streams = Vec::new();
    for _ in 0..128 {
        streams.push(Events::open(&api, None).await);
    }
    let reply = api.get("/events").signing(&api.reader).send().await;
    assert_eq!(reply.outcome(), (503, "streams-full"));
    assert!(reply.headers.contains_key("retry-after"));

    streams.pop();
    // Its place is free once the server has noticed.
    let freed = async {
        while api
            .get("/events")
            .signing(&api.reader)
            .send_raw()
            .await
            .status()
            != 200
        {}
    };
    tokio::time::timeout(SOON, freed).await.unwrap();
    let mut last = streams.pop().unwrap();
    assert_eq!(last.next().await.unwrap().name, "hello");

    api.stop.cancel();
    assert!(last.next().await.is_none());
}
