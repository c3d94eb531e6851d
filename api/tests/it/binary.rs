//! The binary as an operator starts it, and the end of a server.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nostr::key::Keys;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::harness::*;

/// How long anything may take before a test gives up.
const DEADLINE: Duration = Duration::from_secs(20);

/// The process, which does not outlive a failing test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended already when the test succeeds.
        let _ = self.0.kill();
    }
}

fn binary(dir: &TempDir) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_caravel-api"));
    command
        .current_dir(dir.path())
        .env_clear()
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

#[tokio::test]
async fn it_reads_dot_env_says_where_it_listens_and_stops_at_sigterm() {
    let dir = TempDir::new().unwrap();
    let dot_env = format!(
        "SERVER_URL={SERVER_URL}\nSERVER_PORT=0\nRELAY_DOMAIN={RELAY_DOMAIN}\nCARAVEL_SECRETS_KEY={}\nLOG_FORMAT=json\n",
        "07".repeat(32)
    );
    std::fs::write(dir.path().join(".env"), dot_env).unwrap();
    let mut running = Running(binary(&dir).spawn().unwrap());
    let child = &mut running.0;
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    let url = line.trim_end().strip_prefix("listening on ").unwrap();

    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let event = auth_event(SERVER_URL, system_now());
    let response = client
        .post(format!("{url}/tenants"))
        .header("authorization", header_of(event, &Keys::generate()))
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    let killed = Command::new("kill")
        .arg(child.id().to_string())
        .status()
        .unwrap();
    assert!(killed.success());

    assert!(child.wait().unwrap().success());
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "");
    assert!(dir.path().join("data/caravel.db").exists());
    let mut log = String::new();
    let mut stderr = child.stderr.take().unwrap();
    stderr.read_to_string(&mut log).unwrap();
    assert!(log.contains("/tenants"), "{log}");
    assert!(!log.contains("Nostr "), "{log}");
    for line in log.lines() {
        serde_json::from_str::<Value>(line).unwrap();
    }
}

#[test]
fn everything_that_is_wrong_with_the_configuration_is_told_at_once() {
    let dir = TempDir::new().unwrap();

    let output = binary(&dir).env("SERVER_PORT", "http").output().unwrap();

    assert_eq!(output.status.code(), Some(78));
    assert_eq!(output.stdout, b"");
    let told = String::from_utf8(output.stderr).unwrap();
    for variable in [
        "SERVER_URL",
        "SERVER_PORT",
        "RELAY_DOMAIN",
        "CARAVEL_SECRETS_KEY",
    ] {
        assert!(told.contains(variable), "{told}");
    }
}

#[test]
fn help_names_the_variables() {
    let dir = TempDir::new().unwrap();

    let output = binary(&dir).arg("--help").output().unwrap();

    assert!(output.status.success());
    let help = String::from_utf8(output.stdout).unwrap();
    for variable in ["SERVER_URL", "DATABASE_URL", "SERVER_ADMIN_PUBKEYS"] {
        assert!(help.contains(variable), "{help}");
    }
}

#[tokio::test]
async fn a_request_under_way_is_finished_after_the_stop() {
    let api = start().await;
    let body = relay_input("last").to_string();
    let head = format!(
        "POST /relays HTTP/1.1\r\nhost: {}\r\nauthorization: {}\r\ncontent-length: {}\r\nexpect: 100-continue\r\n\r\n",
        api.address,
        api.session(&api.owner),
        body.len()
    );
    let mut socket = TcpStream::connect(&api.address).await.unwrap();
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut go_on = [0; 25];
    let reading = socket.read_exact(&mut go_on);
    tokio::time::timeout(DEADLINE, reading)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");

    api.stop.cancel();
    // The listener is gone before the body comes.
    let refused = async { while TcpStream::connect(&api.address).await.is_ok() {} };
    tokio::time::timeout(DEADLINE, refused).await.unwrap();
    socket.write_all(body.as_bytes()).await.unwrap();

    let mut answer = String::new();
    let reading = socket.read_to_string(&mut answer);
    tokio::time::timeout(DEADLINE, reading)
        .await
        .unwrap()
        .unwrap();
    assert!(answer.starts_with("HTTP/1.1 201 Created"), "{answer}");
    let (_, json) = answer.split_once("\r\n\r\n").unwrap();
    let json: Value = serde_json::from_str(json).unwrap();
    assert_eq!(json["data"]["subdomain"], json!("last"));
}

/// The machine's time, which the binary goes by.
fn system_now() -> i64 {
    use shared::clock::{Clock as _, SystemClock};
    SystemClock.now().timestamp()
}
