//! The demo, told to its end.

use serde_json::Value;

use crate::client::http;
use crate::installation::program;
use crate::process::{Process, Signal};

/// The request that a printed command line describes: curl's options are all written as `-X 'VALUE'`.
fn request(curl: &str) -> reqwest::RequestBuilder {
    let (header, url) = curl
        .strip_prefix(" -s -H '")
        .and_then(|rest| rest.split_once("' "))
        .unwrap();
    let (name, value) = header.split_once(": ").unwrap();
    http().get(url).header(name, value)
}

#[tokio::test]
async fn the_demo_ends_in_step_and_what_it_prints_to_try_works() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = program(&["demo", "--once", "--data"]);
    command.arg(folder.path());
    let mut demo = Process::spawn(command);

    let curl = demo.printed("  curl").await;
    let answer = request(&curl).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let body: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    assert!(body["data"].is_array());

    let (status, rest) = demo.ended().await;
    assert_eq!(status.code(), Some(0), "{rest}");
    let last = rest.lines().last().unwrap();
    assert!(last.starts_with("13 of 13 relays in step"), "{last}");
    assert!(rest.contains("failed: "), "{rest}");
    assert!(rest.contains("recovered after "), "{rest}");
    assert!(!rest.contains('\u{1b}'), "no colours where no terminal is");
    assert!(folder.path().join("caravel.db").exists());
}

#[tokio::test]
async fn a_signal_ends_the_demo_at_any_time_and_removes_what_it_made() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = program(&["demo"]);
    command.env("TMPDIR", folder.path());
    let mut demo = Process::spawn(command);

    demo.printed("  curl").await;
    demo.signal(Signal::Interrupt);
    let (status, rest) = demo.ended().await;

    assert_eq!(status.code(), Some(0), "{rest}");
    assert!(
        rest.lines().last().unwrap().ends_with("database removed"),
        "{rest}"
    );
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);
}
