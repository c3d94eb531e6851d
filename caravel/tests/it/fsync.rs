//! What the system is asked to do for one answered write, as strace sees it.

use std::path::Path;

use serde_json::json;

use crate::installation::Installation;
use crate::process::{Process, Signal};
use crate::wait::until;

/// Writes of one client, one after the other: the tenant, a relay, and edits of it.
const WRITES: usize = 20;

#[tokio::test]
async fn before_each_answer_the_log_is_synced_to_the_disk() {
    let trace = trace("full").await;

    assert_eq!(synced_before_each_answer(&trace), [true; WRITES], "{trace}");
}

/// Shows that the trace can tell.
#[tokio::test]
async fn with_synchronous_normal_answers_come_without_it() {
    let trace = trace("normal").await;

    assert!(
        synced_before_each_answer(&trace).contains(&false),
        "{trace}"
    );
}

/// What an API asks the system while a client writes.
async fn trace(synchronous: &str) -> String {
    let installation = Installation::new()
        .await
        .with("DATABASE_SYNCHRONOUS", synchronous);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("trace");
    // `-D`: the tracer is the child, so that the process here is the API itself.
    let output = file.display().to_string();
    let strace = [
        "strace",
        "-D",
        "-f",
        "-y",
        "-s16",
        "-etrace=fsync,fdatasync,write,writev,sendto,sendmsg",
        "-o",
        &output,
    ];
    let mut api = Process::spawn(installation.program_under(&strace, &["api"]));
    let url = api.printed("listening on ").await;
    let client = installation.tenant_at(&url).await;
    let relay = client.create("careful").await;
    for edit in 2..WRITES {
        client
            .edit(&relay, json!({ "info_name": format!("edit {edit}") }))
            .await;
    }
    api.signal(Signal::Terminate);
    let (status, _) = api.ended().await;
    assert!(status.success());
    until("the end of the trace", async || {
        read(&file).matches("\"HTTP/1.1 20").count() == WRITES
    })
    .await;
    read(&file)
}

/// For each answer, in their order, whether the log had been synced since the one before it.
fn synced_before_each_answer(trace: &str) -> Vec<bool> {
    let mut under_way: Vec<&str> = Vec::new();
    let mut synced = false;
    let mut answers = Vec::new();
    for line in trace.lines() {
        let thread = line.split_whitespace().next().unwrap();
        let is_log_sync = line.contains("sync(") && line.contains("-wal>");
        if is_log_sync && line.contains("unfinished") {
            under_way.push(thread);
        } else if is_log_sync {
            synced |= line.ends_with("= 0");
        } else if line.contains("sync resumed>") && under_way.contains(&thread) {
            under_way.retain(|other| *other != thread);
            synced |= line.ends_with("= 0");
        } else if line.contains("\"HTTP/1.1 20") {
            answers.push(synced);
            synced = false;
        }
    }
    answers
}

fn read(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap()
}
