//! Settings that change between one start of a worker and the next.

use shared::domain::PlanId;

use crate::installation::{EU, Installation, SECRETS_KEY, US};

const SYNCED: &str = "SELECT CAST(count(*) AS TEXT) FROM relay_sync WHERE state = 'synced'";
const GENERATIONS: &str = "SELECT group_concat(subdomain || ' ' || generation, ', ')
                           FROM (SELECT subdomain, generation FROM relay ORDER BY subdomain)";
const HASH: &str = "SELECT settings_hash FROM target WHERE name = 'eu.example.com'";
const ANOTHER_WORD: (&str, &str) = ("BLOSSOM_S3_SECRET_KEY", "another");

/// Relays with and without blobs, told by a worker that has then stopped.
async fn told() -> Installation {
    let installation = Installation::new().await;
    let worker = installation.worker(&[]).await;
    installation.create(EU, "blobs", PlanId::Basic).await;
    installation.create(EU, "none", PlanId::Free).await;
    installation.create(US, "us", PlanId::Basic).await;
    installation.until("3", SYNCED).await;
    installation
        .until(
            "0",
            "SELECT CAST(count(*) AS TEXT) FROM target WHERE settings_hash = ''",
        )
        .await;
    worker.stop().await;
    installation
}

#[tokio::test]
async fn a_changed_bucket_key_goes_to_the_relays_that_store_blobs() {
    let installation = told().await;
    let before = installation.text(HASH).await;

    let worker = installation.worker(&[ANOTHER_WORD]).await;
    installation
        .until("blobs 2, none 1, us 2", GENERATIONS)
        .await;
    installation.until("3", SYNCED).await;

    let id = installation
        .text("SELECT id FROM relay WHERE subdomain = 'blobs'")
        .await;
    assert_eq!(
        installation.eu.config(&id).unwrap().blossom.s3.secret_key,
        "another"
    );
    let when_idle = "SELECT CAST(priority AS TEXT) FROM Jobs ORDER BY rowid DESC LIMIT 1";
    assert_eq!(installation.text(when_idle).await, "0");
    installation.until_not(&before, HASH).await;
    worker.stop().await;
}

#[tokio::test]
async fn a_new_key_for_secrets_sends_nothing_again() {
    let installation = told().await;
    let before = installation.text(HASH).await;
    let rotated = [
        (
            "CARAVEL_SECRETS_KEY",
            "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        ),
        ("CARAVEL_SECRETS_KEY_PREVIOUS", SECRETS_KEY),
    ];

    let worker = installation.worker(&rotated).await;
    installation.until_not(&before, HASH).await;

    assert_eq!(
        installation.text(GENERATIONS).await,
        "blobs 1, none 1, us 1"
    );
    worker.stop().await;
}

#[tokio::test]
async fn what_a_worker_with_former_settings_sent_last_is_found_at_the_next_start() {
    let installation = told().await;
    let worker = installation.worker(&[ANOTHER_WORD]).await;
    installation
        .until("blobs 2, none 1, us 2", GENERATIONS)
        .await;
    installation.until("3", SYNCED).await;
    worker.stop().await;
    // As if a worker with the former settings had carried these syncs out.
    installation
        .sql("UPDATE relay_sync SET accepted = json_set(accepted, '$.blossom.s3.secret_key', 'the former') WHERE target = 'us.example.com'")
        .await;

    let worker = installation.worker(&[ANOTHER_WORD]).await;

    installation
        .until("blobs 2, none 1, us 3", GENERATIONS)
        .await;
    installation.until("3", SYNCED).await;
    worker.stop().await;
}

#[tokio::test]
async fn workers_that_disagree_send_each_relay_once_a_start() {
    let installation = told().await;

    let newer = installation.worker(&[ANOTHER_WORD]).await;
    installation
        .until("blobs 2, none 1, us 2", GENERATIONS)
        .await;
    installation.until("3", SYNCED).await;
    let older = installation.worker(&[]).await;
    installation
        .until("blobs 3, none 1, us 3", GENERATIONS)
        .await;
    installation.until("3", SYNCED).await;
    installation.pass(60).await;

    assert_eq!(
        installation.text(GENERATIONS).await,
        "blobs 3, none 1, us 3"
    );
    newer.stop().await;
    older.stop().await;
}

#[tokio::test]
async fn a_zooid_at_another_url_is_sent_all_of_its_relays_and_those_given_up() {
    let installation = told().await;
    installation
        .sql("UPDATE relay SET generation = 2 WHERE subdomain = 'blobs'")
        .await;
    installation
        .sql("UPDATE relay_sync SET failed_generation = 2 WHERE relay_id = (SELECT id FROM relay WHERE subdomain = 'blobs')")
        .await;

    // The zooids have changed places, so to speak: each is empty of what it is now sent.
    let (eu, us) = (installation.us.api_url(), installation.eu.api_url());
    let keys = [
        "0000000000000000000000000000000000000000000000000000000000000002@",
        "",
    ];
    let targets = format!(
        "{EU}={},{US}={}",
        eu.replace("//", &format!("//{}", keys[0])),
        us.replace("//", &format!("//{}", keys[1])),
    );
    let worker = installation.worker(&[("ZOOID_TARGETS", &targets)]).await;

    installation
        .until("blobs 3, none 2, us 2", GENERATIONS)
        .await;
    installation.until("3", SYNCED).await;
    let id = installation
        .text("SELECT id FROM relay WHERE subdomain = 'none'")
        .await;
    assert!(installation.us.config(&id).is_some());
    worker.stop().await;
}
