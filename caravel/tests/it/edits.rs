//! Many edits of one relay.

use futures::future::join_all;
use serde_json::{Value, json};
use zooid_sim::{Effect, Fault, Phase, Verb};

use crate::installation::Installation;
use crate::wait::until;

/// What edits change, each to another value than a new relay has, and where zooid keeps it.
const CHANGES: [(&str, Change, &str); 10] = [
    ("info_name", Change::Text("Renamed"), "/info/name"),
    (
        "info_icon",
        Change::Text("https://example.com/i.png"),
        "/info/icon",
    ),
    (
        "info_description",
        Change::Text("Described"),
        "/info/description",
    ),
    ("policy_public_read", Change::Flag(1), "/policy/public_read"),
    (
        "policy_public_write",
        Change::Flag(1),
        "/policy/public_write",
    ),
    ("policy_public_join", Change::Flag(1), "/policy/public_join"),
    (
        "policy_strip_signatures",
        Change::Flag(1),
        "/policy/strip_signatures",
    ),
    ("groups_enabled", Change::Flag(0), "/groups/enabled"),
    ("management_enabled", Change::Flag(0), "/management/enabled"),
    ("push_enabled", Change::Flag(0), "/push/enabled"),
];

#[derive(Clone, Copy)]
enum Change {
    Text(&'static str),
    Flag(u8),
}

impl Change {
    fn asked(self) -> Value {
        match self {
            Self::Text(text) => json!(text),
            Self::Flag(flag) => json!(flag),
        }
    }

    fn sent(self) -> Value {
        match self {
            Self::Text(text) => json!(text),
            Self::Flag(flag) => json!(flag == 1),
        }
    }
}

#[tokio::test]
async fn fifty_edits_at_once_are_all_kept_and_take_three_calls_at_most() {
    let installation = Installation::new().await;
    let sim = &installation.sim;
    let (_process, client) = installation.serve().await;
    let relay = client.create("busy").await;
    client.in_step(&relay).await;
    sim.forget_calls();
    sim.inject(Fault::new(Effect::Delay {
        ms: 500,
        phase: Phase::Before,
    }))
    .unwrap();

    join_all(
        CHANGES
            .iter()
            .cycle()
            .take(50)
            .map(|(field, change, _)| client.edit(&relay, json!({ *field: change.asked() }))),
    )
    .await;

    let now = client.in_step(&relay).await;
    let calls = sim.calls(&relay);
    let last: Value = serde_json::from_str(&calls.last().unwrap().body).unwrap();
    for (field, change, pointer) in CHANGES {
        assert_eq!(now[field], change.asked(), "{field}");
        assert_eq!(last.pointer(pointer), Some(&change.sent()), "{field}");
    }
    assert!(calls.len() <= 3, "{calls:?}");
    assert_eq!(sim.max_overlap(), 1);
}

#[tokio::test]
async fn an_edit_during_the_first_sync_is_sent_after_it_and_creates_nothing_twice() {
    let installation = Installation::new().await;
    let sim = &installation.sim;
    let (_process, client) = installation.serve().await;
    let hang = Effect::Hang {
        cap_ms: 60_000,
        phase: Phase::Before,
    };
    sim.inject(Fault::new(hang).on_verb(Verb::Post)).unwrap();

    let relay = client.create("early").await;
    until("the first call", async || sim.calls(&relay).len() == 1).await;
    client
        .edit(&relay, json!({ "info_name": "Edited early" }))
        .await;
    sim.clear_faults();

    let now = client.in_step(&relay).await;
    let verbs: Vec<Verb> = sim.calls(&relay).iter().map(|call| call.verb).collect();
    assert_eq!(verbs, [Verb::Post, Verb::Patch]);
    assert_eq!(sim.config(&relay).unwrap().info.name, "Edited early");
    assert_eq!(now["synced_generation"], 2);
}
