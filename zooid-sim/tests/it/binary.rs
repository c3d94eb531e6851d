//! The binary, as a developer starts it.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

use nostr::prelude::*;
use tempfile::TempDir;

use crate::harness::*;

/// The process, which does not outlive a failing test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended already when the test succeeds.
        let _ = self.0.kill();
    }
}

fn spawn(dir: &TempDir) -> Running {
    let child = Command::new(env!("CARGO_BIN_EXE_zooid-sim"))
        .env_clear()
        .env("HOST", "127.0.0.1")
        .env("PORT", "0")
        .env("ADMIN_PORT", "0")
        .env("CONFIG", dir.path().join("config"))
        .env("DATA", dir.path().join("data"))
        .env("MEDIA", dir.path().join("media"))
        .env("API_HOST", "api.example.com")
        .env(
            "API_WHITELIST",
            format!(" {} ,", admin_keys().public_key().to_hex()),
        )
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    Running(child)
}

#[tokio::test]
async fn it_says_where_it_listens_serves_and_stops_at_sigterm() {
    let dir = TempDir::new().unwrap();
    let mut running = spawn(&dir);
    let child = &mut running.0;
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    let url = line.trim_end().strip_prefix("listening on ").unwrap();
    assert!(url.starts_with("http://127.0.0.1:"), "{url}");

    let path = "/relay/a/members";
    let event = auth_event("GET", &format!("http://api.example.com{path}"))
        .custom_created_at(Timestamp::now())
        .finalize(&admin_keys())
        .unwrap();
    let request = client()
        .get(format!("{url}{path}"))
        .header("host", "api.example.com")
        .header("authorization", header_of(&event));
    assert_eq!(
        send(request).await.error(),
        (404, "relay not found".to_owned())
    );
    let killed = Command::new("kill")
        .arg(child.id().to_string())
        .status()
        .unwrap();
    assert!(killed.success());

    assert!(child.wait().unwrap().success());
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "");
    let mut log = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut log)
        .unwrap();
    assert!(log.contains("faults at http://127.0.0.1:"), "{log}");
    for folder in ["config", "data", "media"] {
        assert!(dir.path().join(folder).is_dir(), "{folder}");
    }
}
