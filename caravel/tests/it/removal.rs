//! A relay that an admin removes ends without a file in zooid, whatever goes wrong on the way, and its name is free then.

use serde_json::{Value, json};
use zooid_sim::{Effect, Fault, Phase, Verb};

use crate::client::Client;
use crate::installation::{Installation, number};
use crate::wait::until;

const TAKEN: &str = "SELECT count(*) FROM relay WHERE removed_at IS NOT NULL AND gone_at IS NULL";

async fn synced(client: &Client, subdomain: &str) -> String {
    let relay = client.create(subdomain).await;
    client.in_step(&relay).await;
    relay
}

fn verbs(installation: &Installation, relay: &str) -> Vec<Verb> {
    let calls = installation.sim.calls(relay);
    calls.iter().map(|call| call.verb).collect()
}

#[tokio::test]
async fn a_removed_relay_has_no_file_and_its_name_goes_to_another_tenant_with_another_schema() {
    let installation = Installation::new().await;
    let (_process, url) = installation.serving().await;
    let client = installation.tenant_at(&url).await;
    let relay = synced(&client, "wanted").await;
    let schema = installation.sim.config(&relay).unwrap().schema;

    let (status, removed) = client.remove(&installation.admin, &relay).await;

    assert_eq!(status, 200, "{removed}");
    assert!(installation.sim.config(&relay).is_none());
    let other = Client::sign_in(&url, nostr::key::Keys::generate()).await;
    let next = synced(&other, "wanted").await;
    assert_ne!(installation.sim.config(&next).unwrap().schema, schema);
    assert_eq!(verbs(&installation, &relay), [Verb::Post, Verb::Delete]);
}

#[tokio::test]
async fn a_removal_that_zooid_cannot_carry_out_is_tried_again() {
    let installation = Installation::new().await;
    let (_process, client) = installation.serve().await;
    let relay = synced(&client, "stubborn").await;
    let broken = Fault::status(500).on_verb(Verb::Delete).for_calls(2);
    installation.sim.inject(broken).unwrap();

    let (status, removed) = client.remove(&installation.admin, &relay).await;

    assert_eq!(status, 200, "{removed}");
    assert!(installation.sim.config(&relay).is_none());
    let deletes = [Verb::Delete; 3];
    assert_eq!(verbs(&installation, &relay)[1..], deletes);
}

#[tokio::test]
async fn a_removal_whose_answer_was_lost_ends_gone_and_frees_the_name_once_settled() {
    let installation = Installation::new()
        .await
        .with("ZOOID_TIMEOUT_MS", "1000")
        .with("SYNC_SETTLE_SECONDS", "3");
    let (_process, client) = installation.serve().await;
    let db = installation.db().await;
    let relay = synced(&client, "lost-answer").await;
    let lost = Fault::new(Effect::Drop {
        phase: Phase::After,
    });
    let lost = lost.on_verb(Verb::Delete).for_calls(1);
    installation.sim.inject(lost).unwrap();

    let (status, removed) = client.remove(&installation.admin, &relay).await;

    assert_eq!(status, 200, "{removed}");
    until("the name to be free", async || {
        number(&db, TAKEN).await == 0
    })
    .await;
    assert!(installation.sim.config(&relay).is_none());
    // The one whose answer was lost, the one that found nothing, and the one that makes sure of it.
    assert_eq!(verbs(&installation, &relay)[1..], [Verb::Delete; 3]);
}

#[tokio::test]
async fn a_create_that_lands_after_the_removal_is_overruled() {
    let installation = Installation::new()
        .await
        .with("ZOOID_TIMEOUT_MS", "1000")
        .with("SYNC_SETTLE_SECONDS", "8");
    let (_process, client) = installation.serve().await;
    let db = installation.db().await;
    let late = Fault::new(Effect::Delay {
        ms: 4_000,
        phase: Phase::Before,
    });
    installation
        .sim
        .inject(late.on_verb(Verb::Post).for_calls(1))
        .unwrap();
    let relay = client.create("revenant").await;
    until("the create to be under way", async || {
        !installation.sim.calls(&relay).is_empty()
    })
    .await;

    let (status, removed) = client.remove(&installation.admin, &relay).await;
    assert_eq!(status, 200, "{removed}");
    assert_eq!(number(&db, TAKEN).await, 1);
    until("the late create", async || {
        installation.sim.config(&relay).is_some()
    })
    .await;
    until("the name to be free", async || {
        number(&db, TAKEN).await == 0
    })
    .await;

    assert!(installation.sim.config(&relay).is_none());
}

#[tokio::test]
async fn an_operator_removes_a_relay_from_the_shell() {
    let installation = Installation::new().await;
    let (_process, client) = installation.serve().await;
    let db = installation.db().await;
    let relay = synced(&client, "doomed").await;

    let refused = installation.refused(&["remove", "doomed"]).await;
    assert_eq!(
        refused,
        "remove would end doomed.relays.example.com for good: repeat the command with --yes\n"
    );
    let told = installation.told(&["remove", "doomed", "--yes"]).await;
    assert_eq!(told, "remove: 1 relay\n");
    until("the file to be gone", async || {
        number(&db, TAKEN).await == 0
    })
    .await;

    assert!(installation.sim.config(&relay).is_none());
    let again = installation.told_json(&["remove", &relay, "--json"]).await;
    assert_eq!(
        (&again["affected"], &again["action_id"]),
        (&json!(0), &Value::Null)
    );
    let explained = installation.told(&["explain", &relay]).await;
    assert!(explained.contains("removed, synced"), "{explained}");
    let audit = installation.told_json(&["audit", "--json"]).await;
    assert_eq!(audit["items"][0]["action"], "remove");
    assert_eq!(audit["items"][0]["actor"], "shell");
}
