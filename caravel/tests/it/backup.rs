//! Backups made while programs write, and their way back.

use std::path::{Path, PathBuf};

use serde_json::json;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, SqliteConnection};

use crate::installation::Installation;
use crate::process::Signal;

/// Backups made one after the other.
const BACKUPS: usize = 5;

/// The file alone: not what Caravel makes of one that it opens.
async fn file(path: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(path).read_only(true);
    options.connect().await.unwrap()
}

#[tokio::test]
async fn each_backup_made_under_load_is_one_moment_of_the_database() {
    let installation = Installation::new().await;
    let (_process, client) = installation.serve().await;
    let folder = tempfile::tempdir().unwrap();
    let paths: Vec<PathBuf> = (0..BACKUPS)
        .map(|number| folder.path().join(format!("{number}.db")))
        .collect();
    let first = client.create("first").await;

    let mut writes = 0;
    let load = async {
        loop {
            writes += 2;
            client.create(&format!("relay-{writes}")).await;
            client
                .edit(&first, json!({ "info_name": writes.to_string() }))
                .await;
        }
    };
    let backups = async {
        for path in &paths {
            let path = path.to_str().unwrap();
            let told = installation.told_json(&["backup", path, "--json"]).await;
            assert_eq!(told["file"], path);
            assert_eq!(told["bytes"], std::fs::metadata(path).unwrap().len());
        }
    };
    tokio::select! {
        () = backups => {}
        () = load => {}
    }

    assert!(writes > BACKUPS, "{writes} writes are no load");
    let mut relays_before = 0;
    for path in &paths {
        let mut copy = file(path).await;
        // State and job commit together, and so they are copied.
        let torn: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM relay_sync
             WHERE synced_generation < desired_generation
               AND NOT EXISTS (
                   SELECT 1 FROM Jobs WHERE idempotency_key IN (relay_id, relay_id || ':running')
               )",
        )
        .fetch_one(&mut copy)
        .await
        .unwrap();
        let relays: i64 = sqlx::query_scalar("SELECT count(*) FROM relay")
            .fetch_one(&mut copy)
            .await
            .unwrap();
        assert_eq!(torn, 0);
        assert!(relays >= relays_before, "{relays} after {relays_before}");
        relays_before = relays;
    }
    assert!(relays_before > 1);
}

#[tokio::test]
async fn a_backup_never_replaces_a_file() {
    let installation = Installation::new().await;
    installation.db().await.close().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("backup.db");
    std::fs::write(&path, "precious").unwrap();

    let said = installation
        .refused(&["backup", path.to_str().unwrap()])
        .await;

    assert!(
        said.ends_with("backup.db: there is a file already\n"),
        "{said}"
    );
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
}

#[tokio::test]
async fn a_restored_backup_makes_zooid_what_it_was() {
    let installation = Installation::new().await;
    let sim = &installation.sim;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("backup.db");
    let (process, client) = installation.serve().await;
    let mut relays = Vec::new();
    for name in ["bakery", "library", "museum"] {
        let relay = client.create(name).await;
        client.in_step(&relay).await;
        relays.push(relay);
    }
    let secret = sim.config(&relays[0]).unwrap().secret;

    // Edits go on while the backup is made, and after it.
    let edit_all = async |text: &str| {
        for relay in &relays {
            client
                .edit(relay, json!({ "info_description": text }))
                .await;
        }
    };
    let backup = ["backup", path.to_str().unwrap()];
    tokio::join!(installation.told(&backup), edit_all("during"));
    edit_all("after").await;
    let late = client.create("latecomer").await;
    for relay in relays.iter().chain([&late]) {
        client.in_step(relay).await;
    }
    process.signal(Signal::Terminate);
    process.ended().await;

    // As docs/operations.md tells.
    let database = installation.database();
    for suffix in ["", "-wal", "-shm"] {
        let mut file = database.clone().into_os_string();
        file.push(suffix);
        let _ = std::fs::remove_file(file);
    }
    std::fs::copy(&path, &database).unwrap();
    let said = installation.told(&["reconcile", "--all"]).await;
    assert_eq!(said, "reconcile: 3 relays\n");
    let (_process, client) = installation.serve().await;

    for relay in &relays {
        let restored = client.in_step(relay).await;
        let config = sim.config(relay).unwrap();
        assert_ne!(restored["info_description"], "after");
        assert_eq!(restored["info_description"], config.info.description);
    }
    assert_eq!(sim.config(&relays[0]).unwrap().secret, secret);
    // Nobody manages it any more; it is not taken away either.
    assert!(sim.config(&late).is_some());
}
