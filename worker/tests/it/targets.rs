//! Several zooids, and finding out that one is back.

use shared::domain::PlanId;
use zooid_sim::{Verb, ZooidSim};

use crate::installation::{EU, Installation, US};

const SYNCED: &str = "SELECT CAST(count(*) AS TEXT) FROM relay_sync WHERE state = 'synced'";
const EU_CIRCUIT: &str = "SELECT circuit_state FROM target WHERE name = 'eu.example.com'";
const EU_OPENS: &str = "UPDATE target
    SET circuit_state = 'open', circuit_reason = 'refused', failures = 5, next_probe_at = circuit_since + 5000
    WHERE name = 'eu.example.com'";

fn probes(zooid: &ZooidSim) -> u64 {
    *zooid.totals().calls.get(&Verb::Members).unwrap_or(&0)
}

#[tokio::test]
async fn each_relay_goes_to_the_zooid_of_its_domain() {
    let installation = Installation::new().await;
    let worker = installation.worker(&[]).await;

    let in_eu = installation.create(EU, "first", PlanId::Free).await;
    let in_us = installation.create(US, "first", PlanId::Free).await;
    installation.until("2", SYNCED).await;

    assert!(installation.eu.config(in_eu.id.as_str()).is_some());
    assert!(installation.us.config(in_us.id.as_str()).is_some());
    assert!(installation.eu.config(in_us.id.as_str()).is_none());
    assert!(installation.us.config(in_eu.id.as_str()).is_none());
    let urls = installation
        .text("SELECT group_concat(url, ' ') FROM target ORDER BY name")
        .await;
    assert_eq!(
        urls,
        format!(
            "{} {}",
            installation.eu.api_url(),
            installation.us.api_url()
        )
    );
    worker.stop().await;
}

#[tokio::test]
async fn a_zooid_that_is_back_gets_its_jobs_after_the_next_probe() {
    let installation = Installation::new().await;
    let worker = installation.worker(&[]).await;
    installation.eu.down().await;
    installation.sql(EU_OPENS).await;
    installation.create(EU, "held", PlanId::Free).await;
    installation.create(US, "healthy", PlanId::Free).await;
    installation.until("1", SYNCED).await;

    installation.pass(5).await;
    let failures = "SELECT CAST(probe_failures AS TEXT) FROM target WHERE name = 'eu.example.com'";
    installation.until("1", failures).await;
    assert_ne!(
        installation
            .text("SELECT probe_error FROM target WHERE name = 'eu.example.com'")
            .await,
        ""
    );
    assert_eq!(installation.text(EU_CIRCUIT).await, "open");
    installation.eu.up().await.unwrap();
    installation.pass(10).await;

    installation.until("closed", EU_CIRCUIT).await;
    installation.until("2", SYNCED).await;
    assert_eq!(installation.text("SELECT circuit_reason || probe_error || failures FROM target WHERE name = 'eu.example.com'").await, "0");
    worker.stop().await;
}

#[tokio::test]
async fn two_workers_make_one_call_for_one_probe() {
    let installation = Installation::new().await;
    let workers = [
        installation.worker(&[]).await,
        installation.worker(&[]).await,
    ];
    let relay = installation.create(EU, "asked-about", PlanId::Free).await;
    installation.until("1", SYNCED).await;
    installation.sql(EU_OPENS).await;

    installation.pass(5).await;
    installation.until("closed", EU_CIRCUIT).await;
    installation.pass(5).await;

    assert_eq!(probes(&installation.eu), 1);
    let calls = installation.eu.calls(relay.id.as_str());
    assert!(calls.iter().any(|call| call.verb == Verb::Members));
    for worker in workers {
        worker.stop().await;
    }
}

#[tokio::test]
async fn an_operator_probes_a_target_whose_circuit_is_closed() {
    let installation = Installation::new().await;
    let worker = installation.worker(&[]).await;
    let asked =
        "UPDATE target SET probe_requested_at = circuit_since WHERE name = 'us.example.com'";
    let said = "SELECT CASE WHEN probed_at IS NULL OR probe_requested_at IS NOT NULL THEN 'nothing'
                            WHEN probe_error = '' THEN 'well'
                            ELSE 'failed' END || ', ' || circuit_state || ', ' || probe_failures
                FROM target WHERE name = 'us.example.com'";

    installation.sql(asked).await;
    installation.until("well, closed, 0", said).await;
    installation.us.down().await;
    installation.sql(asked).await;
    installation.until("failed, closed, 0", said).await;

    assert_eq!(probes(&installation.us), 1);
    worker.stop().await;
}
