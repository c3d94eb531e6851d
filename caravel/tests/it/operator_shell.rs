//! The operator's commands, as processes beside the programs that run.

use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, SqliteConnection};
use tokio::process::Command;

use crate::installation::{Installation, create_relays, number, program, until_in_step};
use crate::wait::soon;

/// A `CARAVEL_SECRETS_KEY` that no installation begins with.
const NEW_KEY: [u8; 32] = [9; 32];

/// Backups made one after the other.
const BACKUPS: usize = 5;

/// A command's end, which must be its success, and what it printed.
async fn told(command: Command) -> String {
    let output = ended(command).await;
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The same, for one that prints JSON.
async fn told_json(command: Command) -> Value {
    serde_json::from_str(&told(command).await).unwrap()
}

/// What a command says on standard error that fails with 1.
async fn refused(command: Command) -> String {
    let output = ended(command).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

async fn ended(mut command: Command) -> Output {
    soon("the end of a command", command.output())
        .await
        .unwrap()
}

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
            let told = told_json(installation.program(&["backup", path, "--json"])).await;
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

    let said = refused(installation.program(&["backup", path.to_str().unwrap()])).await;

    assert!(
        said.ends_with("backup.db: there is a file already\n"),
        "{said}"
    );
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
}

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

    let first = told_json(installation.program(&["rotate-secrets", "--json"])).await;
    let second = told(installation.program(&["rotate-secrets"])).await;

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

#[tokio::test]
async fn a_command_makes_no_database_and_migrates_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("caravel.db");
    let command = || {
        let mut command = program(&["rotate-secrets"]);
        command
            .current_dir(folder.path())
            .env("DATABASE_URL", "sqlite://caravel.db")
            .env("CARAVEL_SECRETS_KEY", hex::encode(NEW_KEY));
        command
    };

    let absent = refused(command()).await;
    assert_eq!(absent, "there is no database caravel.db\n");
    assert!(!path.exists());

    let empty = SqliteConnectOptions::new()
        .filename(&path)
        .create_if_missing(true);
    let mut empty = empty.connect().await.unwrap();
    let strange = refused(command()).await;
    assert!(strange.contains("another version of Caravel"), "{strange}");
    let tables: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_schema")
        .fetch_one(&mut empty)
        .await
        .unwrap();
    assert_eq!(tables, 0);
}
