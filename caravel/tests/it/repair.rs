//! What zooid loses or half writes is made good, and the relay stays who it is.

use serde_json::{Value, json};
use zooid_sim::{Effect, Fault, Phase, Verb, ZooidSim};

use crate::client::Client;
use crate::installation::Installation;

#[tokio::test]
async fn a_relay_whose_first_answer_was_lost_ends_in_step() {
    let installation = Installation::new().await;
    let sim = &installation.sim;
    let (_process, client) = installation.serve().await;
    let lost = Effect::Drop {
        phase: Phase::After,
    };
    sim.inject(Fault::new(lost).on_verb(Verb::Post).for_calls(1))
        .unwrap();

    let relay = client.create("lost-answer").await;
    let now = client.in_step(&relay).await;

    let verbs: Vec<Verb> = sim.calls(&relay).iter().map(|call| call.verb).collect();
    assert_eq!(verbs, [Verb::Post, Verb::Post, Verb::Patch]);
    assert_eq!(now["sync_error"], "");
    assert_eq!(secret_in_zooid(sim, &relay), first_secret(sim, &relay));
}

#[tokio::test]
async fn a_relay_whose_file_was_lost_gets_it_back() {
    let installation = Installation::new().await;
    let sim = &installation.sim;
    let (_process, client) = installation.serve().await;
    let relay = synced(&client, "lost-file").await;

    sim.remove_file(&relay).unwrap();
    client.edit(&relay, json!({ "info_name": "Found" })).await;
    client.in_step(&relay).await;

    assert_eq!(sim.config(&relay).unwrap().info.name, "Found");
    assert_eq!(secret_in_zooid(sim, &relay), first_secret(sim, &relay));
}

#[tokio::test]
async fn a_relay_whose_file_was_half_written_gets_a_whole_one() {
    let installation = Installation::new().await;
    let sim = &installation.sim;
    let (_process, client) = installation.serve().await;
    let relay = synced(&client, "broken-file").await;

    sim.break_file(&relay, 40).unwrap();
    client.edit(&relay, json!({ "info_name": "Mended" })).await;
    client.in_step(&relay).await;

    assert_eq!(sim.config(&relay).unwrap().info.name, "Mended");
    assert_eq!(secret_in_zooid(sim, &relay), first_secret(sim, &relay));
}

async fn synced(client: &Client, subdomain: &str) -> String {
    let relay = client.create(subdomain).await;
    client.in_step(&relay).await;
    relay
}

/// What the first POST said.
fn first_secret(sim: &ZooidSim, relay: &str) -> String {
    let body: Value = serde_json::from_str(&sim.calls(relay)[0].body).unwrap();
    body["secret"].as_str().unwrap().to_owned()
}

fn secret_in_zooid(sim: &ZooidSim, relay: &str) -> String {
    sim.config(relay).unwrap().secret
}
