//! Waiting for zooid, and watching it follow.

use std::time::Duration;

use http::{HeaderName, HeaderValue};
use serde_json::{Value, json};

use crate::harness::*;
use crate::zooid::*;

/// Far longer than any of this takes, and than no test should.
const DEADLINE: Duration = Duration::from_secs(20);

fn prefer<'a>(call: Call<'a>, preference: &'static str) -> Call<'a> {
    let name = HeaderName::from_static("prefer");
    call.header(name, HeaderValue::from_static(preference))
}

/// The relay called `subdomain`, once it is there.
async fn appeared(api: &Api, subdomain: &str) -> Value {
    let look = async {
        loop {
            let relays = api.get("/relays").by(&api.admin).send().await.data();
            let found = relays.as_array().unwrap().iter();
            if let Some(relay) = found.clone().find(|relay| relay["subdomain"] == subdomain) {
                return relay.clone();
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, look).await.unwrap()
}

#[tokio::test]
async fn a_create_that_waits_is_answered_when_zooid_has_accepted_it() {
    let api = start().await;
    let create = prefer(api.post("/relays"), "wait=20")
        .by(&api.owner)
        .json(&relay_input("awaited"))
        .send();
    let worker = async { accept(&api, &appeared(&api, "awaited").await).await };

    let (reply, ()) = tokio::join!(create, worker);

    assert_eq!(reply.status, 201);
    assert_eq!(reply.headers["preference-applied"], "wait=20");
    let relay = reply.data();
    assert_eq!(
        (&relay["synced"], &relay["synced_generation"]),
        (&json!(1), &json!(1))
    );
}

#[tokio::test]
async fn a_change_that_waits_is_answered_when_zooid_has_refused_it_for_good() {
    let api = start().await;
    let relay = api.relay("refused").await;
    let path = format!("/relays/{}", relay["id"].as_str().unwrap());
    let update = prefer(api.put(path), "wait=20")
        .by(&api.owner)
        .json(&json!({}))
        .send();

    let (reply, ()) = tokio::join!(update, refuse(&api, &relay));

    assert_eq!(reply.status, 200);
    let relay = reply.data();
    assert_eq!(
        (&relay["sync_state"], &relay["synced"]),
        (&json!("failed"), &json!(0))
    );
    assert!(relay["sync_error"].as_str().unwrap().ends_with('.'));
}

#[tokio::test]
async fn a_wait_that_is_too_short_is_202_with_a_place_to_look() {
    let api = start().await;

    let reply = prefer(api.post("/relays"), "wait=0")
        .by(&api.owner)
        .json(&relay_input("slow"))
        .send()
        .await;

    assert_eq!(reply.status, 202);
    let location = reply.headers["location"].to_str().unwrap().to_owned();
    let relay = reply.data();
    assert_eq!(relay["sync_state"], "pending");
    let path = format!("/relays/{}/sync", relay["id"].as_str().unwrap());
    assert_eq!(location, format!("{SERVER_URL}{path}"));
    let sync = api.get(path).by(&api.owner).send().await.data();
    assert_eq!(
        sync,
        json!({
            "generation": 1,
            "synced_generation": 0,
            "state": "pending",
            "attempts": 0,
            "max_attempts": 25,
            "next_attempt_at": NOW,
            "live_at": null,
            "failure": null,
        })
    );
}

#[tokio::test]
async fn what_zooid_has_already_is_not_waited_for() {
    let api = start().await;
    let relay = api.relay("quick").await;
    accept(&api, &relay).await;
    let path = format!("/relays/{}/reactivate", relay["id"].as_str().unwrap());

    let wait = prefer(api.post(path), "wait=30").by(&api.owner).send();
    let reply = tokio::time::timeout(DEADLINE, wait).await.unwrap();

    assert_eq!(reply.status, 200);
}

#[tokio::test]
async fn the_end_of_the_program_ends_a_wait() {
    let api = start().await;
    let create = prefer(api.post("/relays"), "wait=30")
        .by(&api.owner)
        .json(&relay_input("waiting"))
        .send();
    let end = async {
        appeared(&api, "waiting").await;
        api.stop.cancel();
    };

    let both = async { tokio::join!(create, end) };
    let (reply, ()) = tokio::time::timeout(DEADLINE, both).await.unwrap();

    assert_eq!(reply.status, 202);
}

/// The events of a stream as they come.
struct Events {
    response: reqwest::Response,
    text: String,
}

impl Events {
    async fn of(api: &Api, relay: &Value, last_seen: Option<&str>) -> Self {
        let path = format!("/relays/{}/events", relay["id"].as_str().unwrap());
        let mut call = api.get(path).by(&api.owner);
        if let Some(id) = last_seen {
            let name = HeaderName::from_static("last-event-id");
            call = call.header(name, HeaderValue::from_str(id).unwrap());
        }
        let response = call.send_raw().await;
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self {
            response,
            text: String::new(),
        }
    }

    /// The id and the data of the next event; `None` when the stream has ended.
    async fn next(&mut self) -> Option<(String, Value)> {
        let read = async {
            loop {
                if let Some((event, rest)) = self.text.split_once("\n\n") {
                    let (event, rest) = (event.to_owned(), rest.to_owned());
                    self.text = rest;
                    return Some(event);
                }
                let chunk = self.response.chunk().await.unwrap()?;
                self.text.push_str(std::str::from_utf8(&chunk).unwrap());
            }
        };
        let event = tokio::time::timeout(DEADLINE, read).await.unwrap()?;
        let field = |name: &str| {
            let mut lines = event.lines();
            lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
        };
        assert_eq!(field("event"), Some("sync"));
        let data = serde_json::from_str(field("data").unwrap()).unwrap();
        Some((field("id").unwrap().to_owned(), data))
    }
}

#[tokio::test]
async fn a_stream_tells_where_the_relay_stands_and_each_change() {
    let api = start().await;
    let relay = api.relay("watched").await;
    let mut events = Events::of(&api, &relay, None).await;

    let (first_id, first) = events.next().await.unwrap();
    assert_eq!(
        (&first["state"], &first["synced_generation"]),
        (&json!("pending"), &json!(0))
    );
    accept(&api, &relay).await;
    let mut last = events.next().await.unwrap();
    while last.1["state"] != "synced" {
        last = events.next().await.unwrap();
    }

    assert_ne!(last.0, first_id);
    assert_eq!(last.1["synced_generation"], 1);
}

#[tokio::test]
async fn a_client_that_comes_back_is_spared_what_it_has_seen() {
    let api = start().await;
    let relay = api.relay("watched").await;
    let (seen, _) = Events::of(&api, &relay, None).await.next().await.unwrap();

    let mut again = Events::of(&api, &relay, Some(&seen)).await;
    accept(&api, &relay).await;

    assert_ne!(again.next().await.unwrap().1["state"], "pending");
}

#[tokio::test]
async fn a_change_made_by_another_process_reaches_the_stream() {
    let api = start().await;
    let relay = api.relay("watched").await;
    let mut events = Events::of(&api, &relay, None).await;
    events.next().await.unwrap();

    let other = api.another_process().await;
    let id = relay["id"].as_str().unwrap().parse().unwrap();
    other
        .deactivate_relay(shared::command::Trace::none(), id)
        .await
        .unwrap();

    assert_eq!(events.next().await.unwrap().1["generation"], 2);
}

#[tokio::test]
async fn the_end_of_the_program_ends_a_stream() {
    let api = start().await;
    let relay = api.relay("watched").await;
    let mut events = Events::of(&api, &relay, None).await;
    events.next().await.unwrap();

    api.stop.cancel();

    assert_eq!(events.next().await, None);
}

#[tokio::test]
async fn a_stream_of_a_relay_lasts_an_hour() {
    let api = start().await;
    let relay = api.relay("watched").await;
    let mut events = Events::of(&api, &relay, None).await;
    events.next().await.unwrap();

    api.clock.advance(Duration::from_hours(1));

    assert_eq!(events.next().await, None);
}

#[tokio::test]
async fn streams_of_one_key_are_bounded_and_others_are_let_in() {
    let api = start().await;
    let relay = api.relay("watched").await;
    let path = format!("/relays/{}/events", relay["id"].as_str().unwrap());
    let mut streams = Vec::new();
    for _ in 0..32 {
        streams.push(Events::of(&api, &relay, None).await);
    }

    let refused = api.get(&*path).by(&api.owner).send().await;
    let admins = api.get(&*path).by(&api.admin).send_raw().await;

    assert_eq!(refused.outcome(), (503, "streams-full"));
    assert!(refused.headers.contains_key("retry-after"));
    assert_eq!(admins.status(), 200);
    drop(streams);
    // Their places are free once the server has noticed.
    let freed = async {
        let open = || api.get(&*path).by(&api.owner).send_raw();
        while open().await.status() != 200 {}
    };
    tokio::time::timeout(DEADLINE, freed).await.unwrap();
}

#[tokio::test]
async fn streams_from_one_address_are_bounded_however_many_keys_it_has() {
    let api = start_with(&[("SERVER_TRUSTED_PROXIES", "127.0.0.1")]).await;
    let forwarded = HeaderName::from_static("x-forwarded-for");
    let address = HeaderValue::from_static("203.0.113.1");
    let mut streams = Vec::new();
    let open = async |keys: &nostr::key::Keys, subdomain: &str| {
        let input = relay_input(subdomain);
        let create = api.post("/relays").by(keys).json(&input).send();
        let relay = create.await.data();
        let path = format!("/relays/{}/events", relay["id"].as_str().unwrap());
        let mut responses = Vec::new();
        for _ in 0..32 {
            let call = api.get(&*path).by(keys);
            let call = call.header(forwarded.clone(), address.clone());
            responses.push(call.send_raw().await);
        }
        responses
    };
    for number in 0..5 {
        let keys = nostr::key::Keys::generate();
        let signed_in = api.post("/tenants").by(&keys).send().await;
        assert_eq!(signed_in.status, 200);
        streams.push(open(&keys, &format!("watched-{number}")).await);
    }

    let last = streams.pop().unwrap();

    let opened = |response: &reqwest::Response| response.status() == 200;
    assert!(streams.iter().flatten().all(opened));
    assert!(last.iter().all(|response| response.status() == 503));
}
