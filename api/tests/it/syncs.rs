//! The operators' list of relays that are not in step.

use serde_json::json;

use crate::harness::*;

#[tokio::test]
async fn a_waiting_relay_is_listed_with_its_job() {
    let api = start().await;
    let relay = api.relay("waiting").await;

    let syncs = api.get("/syncs").signing(&api.admin).send().await.data();

    assert_eq!(
        syncs,
        json!([{
            "relay_id": relay["id"],
            "tenant_pubkey": relay["tenant_pubkey"],
            "subdomain": "waiting",
            "zooid_domain": RELAY_DOMAIN,
            "host": format!("waiting.{RELAY_DOMAIN}"),
            "status": "active",
            "sync_state": "pending",
            "sync_error": "",
            "generation": 1,
            "synced_generation": 0,
            "failed_generation": null,
            "attempts": 0,
            "max_attempts": 25,
            "next_attempt_at": NOW,
            "last_attempt": null,
        }])
    );
}

#[tokio::test]
async fn the_list_is_narrowed_to_a_state() {
    let api = start().await;
    api.relay("waiting").await;
    let list = async |state: &str| {
        let path = format!("/syncs?state={state}");
        api.get(path).signing(&api.admin).send().await
    };

    assert_eq!(list("pending").await.data().as_array().unwrap().len(), 1);
    assert_eq!(list("failed").await.data(), json!([]));
    let invalid = list("lost").await;
    assert_eq!(invalid.outcome(), (422, "filter-invalid"));
    assert_eq!(invalid.json["field"], "state");
}
