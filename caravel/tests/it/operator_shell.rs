//! The operator's commands, as processes beside the programs that run.

use serde_json::{Value, json};
use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;
use zooid_sim::Fault;

use crate::command::{ended, refused, told, told_json};
use crate::installation::{Installation, RELAY_DOMAIN, create_relays, number, program};
use crate::wait::until;

#[tokio::test]
async fn a_command_makes_no_database_and_migrates_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("caravel.db");
    let command = || {
        let mut command = program(&["rotate-secrets"]);
        command
            .current_dir(folder.path())
            .env("DATABASE_URL", "sqlite://caravel.db")
            .env("CARAVEL_SECRETS_KEY", "09".repeat(32));
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

#[tokio::test]
async fn commands_that_read_need_nothing_but_the_database() {
    let installation = Installation::new().await;
    let db = installation.db().await;
    create_relays(&installation, &db, 1).await;
    let url = format!("sqlite://{}", installation.database().display());
    let reading = |arguments: &[&str]| {
        let mut command = program(arguments);
        command
            .env("DATABASE_URL", &url)
            .current_dir(installation.folder());
        command
    };

    for (list, length) in [
        ("syncs", 1),
        ("attempts", 0),
        ("groups", 0),
        ("targets", 1),
        ("workers", 0),
        ("audit", 0),
    ] {
        let page = told_json(reading(&[list, "--json"])).await;
        let table = told(reading(&[list])).await;

        assert_eq!(page["items"].as_array().unwrap().len(), length, "{list}");
        assert_eq!(page["next"], Value::Null, "{list}");
        assert_eq!(table.lines().count(), length + 1, "{table}");
        assert!(!table.contains('\u{1b}'), "colours in a pipe: {table}");
    }
    let acting = ended(reading(&["pause", "--queue"])).await;
    assert_eq!(acting.status.code(), Some(78));
}

#[tokio::test]
async fn a_failure_is_found_explained_and_repaired_from_the_shell() {
    let installation = Installation::new().await.with("SYNC_MAX_ATTEMPTS", "1");
    let (_process, client) = installation.serve().await;
    let bakery = client.create("bakery").await;
    client.in_step(&bakery).await;
    let refusal = Fault::status(500).on_relay(&bakery).for_calls(1);
    installation.sim.inject(refusal).unwrap();
    client.edit(&bakery, json!({ "info_name": "Bakery" })).await;
    until("the failure", async || {
        client.relay(&bakery).await["sync_state"] == "failed"
    })
    .await;

    let failed = installation
        .told_json(&["syncs", "--state", "failed,quarantined", "--json"])
        .await;
    let sync = &failed["items"][0];
    assert_eq!(sync["relay_id"], bakery.as_str());
    assert_eq!(sync["failure"]["kind"], "server_error");
    let group = sync["failure"]["group_id"].to_string();
    let groups = installation.told_json(&["groups", "--json"]).await;
    assert_eq!(groups["items"][0]["id"].to_string(), group);
    let attempts = [
        "attempts",
        "--relay",
        "bakery",
        "--kind",
        "server_error",
        "--json",
    ];
    let attempts = installation.told_json(&attempts).await;
    assert_eq!(attempts["items"][0]["http_status"], 500);

    let host = format!("bakery.{RELAY_DOMAIN}");
    let report = installation.told_json(&["explain", &host, "--json"]).await;
    assert_eq!(report["explanation"]["code"], "failed_final");
    let explained = installation.told(&["explain", "BAKERY"]).await;
    let sentence = report["explanation"]["sentence"].as_str().unwrap();
    for text in [
        &host,
        sentence,
        "info.name",
        "Next request",
        "PATCH /relay/",
    ] {
        assert!(explained.contains(text), "no {text} in {explained}");
    }

    let retried = installation.told_json(&["retry", "bakery", "--json"]).await;
    assert_eq!(retried["affected"], 1);
    assert_eq!(retried["sync"]["relay_id"], bakery.as_str());
    client.in_step(&bakery).await;
    let again = installation.refused(&["retry", "bakery"]).await;
    assert_eq!(again, format!("relay {bakery} is in step\n"));
    let audit = installation.told_json(&["audit", "--json"]).await;
    let action = &audit["items"][0];
    assert_eq!(action["id"], retried["action_id"]);
    assert_eq!(
        (&action["actor"], &action["action"]),
        (&json!("shell"), &json!("retry"))
    );
}

#[tokio::test]
async fn what_options_choose_is_touched_only_after_a_yes() {
    let installation = Installation::new().await;
    let db = installation.db().await;
    create_relays(&installation, &db, 3).await;
    let paused = "SELECT count(*) FROM relay_sync WHERE paused_at IS NOT NULL";

    let asked = installation.refused(&["pause", "--state", "pending"]).await;
    assert_eq!(
        asked,
        "pause would touch 3 relays: repeat the command with --yes\n"
    );
    assert_eq!(number(&db, paused).await, 0);

    let all = installation
        .told(&["pause", "--state", "pending", "--yes"])
        .await;
    assert_eq!(all, "pause: 3 relays\n");
    assert_eq!(number(&db, paused).await, 3);

    let named = installation.told(&["resume", "r0", "r2"]).await;
    assert_eq!(named, "resume: 2 relays\n");
    assert_eq!(number(&db, paused).await, 1);

    let nothing = installation.told(&["resume", "r0"]).await;
    assert_eq!(nothing, "resume: nothing to do\n");
}

#[tokio::test]
async fn to_name_nothing_is_not_to_mean_everything() {
    let installation = Installation::new().await;
    let db = installation.db().await;
    create_relays(&installation, &db, 1).await;

    for arguments in [&["retry"][..], &["pause"], &["pause", "r0", "--queue"]] {
        let output = ended(installation.program(arguments)).await;
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    }
    let stranger = installation.refused(&["retry", "r"]).await;
    assert_eq!(stranger, "there is no relay r\n");
}

#[tokio::test]
async fn a_target_and_the_queue_are_held_and_let_go() {
    let installation = Installation::new().await;
    let (_process, client) = installation.serve().await;
    let bakery = client.create("bakery").await;
    client.in_step(&bakery).await;

    for what in [&["--target", RELAY_DOMAIN][..], &["--queue"]] {
        installation.told(&[&["pause"], what].concat()).await;
        client.edit(&bakery, json!({ "info_name": what[0] })).await;
        let state = &client.relay(&bakery).await["sync_state"];
        assert_eq!(state, "held", "{what:?}");
        let report = installation
            .told_json(&["explain", "bakery", "--json"])
            .await;
        assert_eq!(report["sync"]["state"], "held");

        installation.told(&[&["resume"], what].concat()).await;
        client.in_step(&bakery).await;
    }
    let probed = installation.told(&["probe", RELAY_DOMAIN]).await;
    assert_eq!(probed, "probe: 1 target\n");
    let unknown = installation
        .refused(&["probe", "elsewhere.example.com"])
        .await;
    assert_eq!(unknown, "there is no target elsewhere.example.com\n");
    let workers = installation.told_json(&["workers", "--json"]).await;
    assert_eq!(workers["items"][0]["alive"], true);
}
