//! Names that are taken, and the order in which that is noticed.

use serde_json::json;

use crate::harness::*;

fn conflict(text: &str) -> (u16, String) {
    (409, text.to_owned())
}

#[tokio::test]
async fn a_second_post_is_refused_before_its_body_is_read() {
    let harness = start().await;
    harness.create("a").await;

    let reply = harness.raw_call("POST", "/relay/a", "not json").await;

    assert_eq!(reply.error(), conflict("relay with this id already exists"));
}

#[tokio::test]
async fn a_schema_or_host_of_another_file_is_in_use() {
    let harness = start().await;
    harness.create("a").await;
    harness.create("b").await;
    let mut schema = relay("b");
    schema["schema"] = json!("a");
    let mut host = relay("b");
    host["host"] = json!("a.example.com");
    let in_use = [
        (schema, conflict("schema \"a\" is already in use")),
        (host, conflict("host \"a.example.com\" is already in use")),
        (relay("a"), conflict("schema \"a\" is already in use")),
    ];

    for (body, refusal) in in_use {
        for (method, path) in [
            ("POST", "/relay/new"),
            ("PUT", "/relay/b"),
            ("PATCH", "/relay/b"),
        ] {
            let reply = harness.call(method, path, &body).await;
            assert_eq!(reply.error(), refusal, "{method}");
        }
    }
}

#[tokio::test]
async fn a_relay_keeps_its_own_names_and_a_deleted_one_frees_them() {
    let harness = start().await;
    harness.create("a").await;
    assert_eq!(
        harness.call("PUT", "/relay/a", &relay("a")).await.status,
        200
    );

    harness.raw_call("DELETE", "/relay/a", "").await;

    assert_eq!(
        harness.call("POST", "/relay/b", &relay("a")).await.status,
        201
    );
}

#[tokio::test]
async fn an_inactive_relay_holds_its_names_too() {
    let harness = start().await;
    let mut inactive = relay("a");
    inactive["inactive"] = json!(true);
    harness.call("POST", "/relay/a", &inactive).await;

    let reply = harness.call("POST", "/relay/b", &relay("a")).await;

    assert_eq!(reply.error(), conflict("schema \"a\" is already in use"));
}

#[tokio::test]
async fn values_are_checked_before_duplicates() {
    let harness = start().await;
    harness.create("a").await;
    let mut body = relay("a");
    body["info"]["pubkey"] = json!("");

    let (status, text) = harness.call("POST", "/relay/b", &body).await.error();

    assert_eq!(status, 400, "{text}");
}

#[tokio::test]
async fn a_folder_that_cannot_be_read_is_a_409_that_is_no_conflict() {
    let harness = start().await;
    std::fs::remove_dir_all(harness.dir.path()).unwrap();

    let (status, text) = harness.call("POST", "/relay/a", &relay("a")).await.error();

    assert_eq!(status, 409);
    assert!(
        text.starts_with("failed to read config directory: "),
        "{text}"
    );
}

#[tokio::test]
async fn a_file_that_cannot_be_written_is_a_500() {
    let harness = start().await;
    // Longer than a file name may be.
    let path = format!("/relay/{}", "a".repeat(300));

    let (status, text) = harness.call("POST", &path, &relay("a")).await.error();
    assert_eq!(status, 500);
    assert!(text.starts_with("failed to write config: "), "{text}");
    let (status, text) = harness.call("PUT", &path, &relay("a")).await.error();
    assert_eq!(status, 500);
    assert!(text.starts_with("failed to check config: "), "{text}");
}

#[tokio::test]
async fn a_file_that_cannot_be_deleted_is_a_500() {
    let harness = start().await;
    std::fs::create_dir(harness.file("a")).unwrap();
    std::fs::write(harness.file("a").join("x"), "").unwrap();

    let (status, text) = harness.raw_call("DELETE", "/relay/a", "").await.error();

    assert_eq!(status, 500);
    assert!(text.starts_with("failed to delete config: "), "{text}");
}
