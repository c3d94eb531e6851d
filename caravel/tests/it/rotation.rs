//! A change of the key that seals secrets, on an installation at work.

use serde_json::json;

use crate::command::ended;
use crate::installation::{Installation, create_relays, number, until_in_step};

/// A `CARAVEL_SECRETS_KEY` that no installation begins with.
const NEW_KEY: [u8; 32] = [9; 32];

#[tokio::test]
async fn secrets_are_sealed_anew_while_a_worker_opens_them_and_zooid_notices_nothing() {
    let former = hex::encode(Installation::SECRETS_KEY);
    let installation = Installation::new()
        .await
        .with("CARAVEL_SECRETS_KEY", &hex::encode(NEW_KEY))
        .with("CARAVEL_SECRETS_KEY_PREVIOUS", &former);
    let db = installation.db().await;
    // Sealed under the former key.
    create_relays(&installation, &db, 3).await;
    let _worker = installation.worker().await;
    until_in_step(&db, 3).await;

    let first = installation.told_json(&["rotate-secrets", "--json"]).await;
    let second = installation.told(&["rotate-secrets"]).await;

    assert_eq!(first["relay_secrets"], 3);
    assert_eq!(first["refused"], json!([]));
    let key_id = first["key_id"].as_str().unwrap();
    assert_eq!(
        second,
        format!("sealed anew under key {key_id}: 0 relay keys, 0 wallet URLs\n")
    );
    let in_step = "SELECT count(*) FROM relay_sync WHERE synced_generation = desired_generation";
    assert_eq!(number(&db, in_step).await, 3);
    assert_eq!(number(&db, "SELECT count(*) FROM sync_attempt").await, 3);
}

#[tokio::test]
async fn a_rotation_without_the_former_key_fails_and_names_what_it_could_not_open() {
    let installation = Installation::new()
        .await
        .with("CARAVEL_SECRETS_KEY", &hex::encode(NEW_KEY));
    let db = installation.db().await;
    let relay = create_relays(&installation, &db, 1).await.remove(0).id;

    let output = ended(installation.program(&["rotate-secrets"])).await;

    assert_eq!(output.status.code(), Some(1));
    let (told, said) = (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    );
    assert!(told.contains(relay.as_str()), "{told}");
    assert!(told.contains("is not configured"), "{told}");
    assert_eq!(said, "1 value could not be opened and is as it was\n");
}
