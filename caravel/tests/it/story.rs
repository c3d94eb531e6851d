//! One relay from its creation on.

use reqwest::Method;
use serde_json::{Value, json};

use crate::client::nip11;
use crate::installation::Installation;
use crate::wait::until;

#[tokio::test]
async fn a_relay_is_created_edited_turned_off_and_on_again_and_zooid_follows() {
    let installation = Installation::new().await;
    let sim = &installation.sim;
    let (_api, client) = installation.api().await;
    let _worker = installation.worker().await;

    let relay = client.create("bakery").await;
    until("the relay to be live", async || {
        nip11(sim, "bakery").await.is_ok()
    })
    .await;
    let document = nip11(sim, "bakery").await.unwrap();
    assert_eq!(document["name"], "bakery");
    assert_eq!(
        document["pubkey"],
        installation.tenant.public_key().to_hex()
    );
    let identity = document["self"].clone();

    client
        .edit(&relay, json!({ "info_name": "The Corner Bakery" }))
        .await;
    until("the new name", async || {
        nip11(sim, "bakery")
            .await
            .is_ok_and(|document| document["name"] == "The Corner Bakery")
    })
    .await;

    client
        .call(
            Method::POST,
            &format!("/relays/{relay}/deactivate"),
            Value::Null,
        )
        .await;
    until("the relay to be off", async || {
        nip11(sim, "bakery").await == Err(404)
    })
    .await;

    client
        .call(
            Method::POST,
            &format!("/relays/{relay}/reactivate"),
            Value::Null,
        )
        .await;
    until("the relay to be on", async || {
        nip11(sim, "bakery").await.is_ok()
    })
    .await;
    let document = nip11(sim, "bakery").await.unwrap();
    assert_eq!(document["name"], "The Corner Bakery");
    assert_eq!(document["self"], identity);
}
