//! A power cut: of what was written after the last sync to disk, any part may be gone.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};

use futures::future::join_all;
use serde_json::json;
use sqlx::ConnectOptions as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

use crate::installation::Installation;

/// How many prefixes of the log are tried beside those at which something was answered.
const SAMPLES: u64 = 60;

/// A write that was answered.
struct Answered {
    relay: String,
    generation: i64,
    name: String,
    /// How long the log was when the answer came: the commit is in there, and on the disk.
    wal: u64,
}

#[tokio::test]
async fn whatever_is_left_of_the_log_after_a_power_cut_every_answered_write_is_there_with_its_job()
{
    let installation = Installation::new().await;
    let (_api, client) = installation.api().await;
    let database = installation.database();
    // A reader that never ends its transaction keeps the log from being taken into the database, and so from being reused.
    let mut reader = connect(&database).await;
    sqlx::raw_sql("BEGIN; SELECT count(*) FROM relay")
        .execute(&mut reader)
        .await
        .unwrap();
    let before = wal_length(&database);

    // Eight clients, so that several writes share a commit.
    let answered = join_all((0..8).map(async |client_number: usize| {
        let mut answered = Vec::new();
        let relay = client.create(&format!("r{client_number}")).await;
        answered.push(Answered {
            relay: relay.clone(),
            generation: 1,
            name: format!("r{client_number}"),
            wal: wal_length(&database),
        });
        for edit in 2..12 {
            let name = format!("edit {edit}");
            client.edit(&relay, json!({ "info_name": name })).await;
            answered.push(Answered {
                relay: relay.clone(),
                generation: edit,
                name,
                wal: wal_length(&database),
            });
        }
        answered
    }))
    .await;
    let answered: Vec<Answered> = answered.into_iter().flatten().collect();
    let whole = wal_length(&database);

    let mut prefixes: Vec<u64> = answered.iter().map(|write| write.wal).collect();
    // Odd lengths too: a cut does not respect frames.
    let step = (whole - before) / SAMPLES + 1;
    prefixes.extend((0..=SAMPLES).map(|sample| whole.min(before + sample * step)));
    prefixes.sort_unstable();
    prefixes.dedup();
    assert!(prefixes.len() > 60, "{prefixes:?}");
    let folder = tempfile::tempdir().unwrap();
    for prefix in prefixes {
        let copy = cut(&database, prefix, folder.path());
        let there = answered.iter().filter(|write| write.wal <= prefix);
        check(&copy, there, prefix).await;
    }
}

/// The database as it is found after a power cut that left so many bytes of its log.
fn cut(database: &Path, prefix: u64, folder: &Path) -> PathBuf {
    let copy = folder.join(format!("{prefix}.db"));
    fs::copy(database, &copy).unwrap();
    let log = beside(&copy, "-wal");
    fs::copy(beside(database, "-wal"), &log).unwrap();
    let log = OpenOptions::new().write(true).open(log).unwrap();
    log.set_len(prefix).unwrap();
    copy
}

async fn check(copy: &Path, answered: impl Iterator<Item = &Answered>, prefix: u64) {
    let mut connection = connect(copy).await;
    let integrity: String = sqlx::query_scalar("PRAGMA integrity_check")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(integrity, "ok", "after {prefix} bytes");
    for write in answered {
        let relay: Option<(i64, String, i64)> = sqlx::query_as(
            "SELECT generation, info_name, (SELECT count(*) FROM Jobs WHERE idempotency_key = relay.id)
             FROM relay
             WHERE id = $1",
        )
        .bind(&write.relay)
        .fetch_optional(&mut connection)
        .await
        .unwrap();
        let (generation, name, jobs) = relay.unwrap();
        assert!(
            generation >= write.generation,
            "generation {} was answered at {} bytes; after {prefix} it is {generation}",
            write.generation,
            write.wal
        );
        if generation == write.generation {
            assert_eq!(name, write.name);
        }
        assert_eq!(jobs, 1, "after {prefix} bytes");
    }
}

async fn connect(database: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(database);
    options.connect().await.unwrap()
}

fn wal_length(database: &Path) -> u64 {
    fs::metadata(beside(database, "-wal")).unwrap().len()
}

fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}
