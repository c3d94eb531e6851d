//! Bodies that zooid refuses, and its words for each.

use serde_json::{Value, json};

use crate::harness::*;

/// The refusal of a POST whose body differs from a good one.
async fn refusal(harness: &Harness, spoil: impl FnOnce(&mut Value)) -> (u16, String) {
    let mut body = relay("a");
    spoil(&mut body);
    harness.call("POST", "/relay/a", &body).await.error()
}

#[tokio::test]
async fn the_first_flaw_in_zooids_order_is_named() {
    let harness = start().await;
    // Everything is wrong; each step mends what the last refusal named.
    let mut body = json!({"secret": "short", "blossom": {"adapter": "s3"}});
    let steps: [(&str, Value, &str); 9] = [
        ("/host", json!("a.example.com"), "host is required"),
        ("/schema", json!("A-b"), "schema is required"),
        (
            "/schema",
            json!("a"),
            "schema must contain only lowercase letters, numbers, and underscores",
        ),
        (
            "/secret",
            json!(SECRET),
            "invalid secret key: secret key should be 64-char hex, got 'short'",
        ),
        (
            "/info",
            json!({"pubkey": PUBKEY}),
            "invalid info.pubkey: pubkey should be 64-char hex, got ''",
        ),
        (
            "/blossom/s3",
            json!({"bucket": "b"}),
            "blossom.s3.bucket is required when blossom.adapter is s3",
        ),
        (
            "/blossom/s3/region",
            json!("r"),
            "blossom.s3.region is required when blossom.adapter is s3",
        ),
        (
            "/blossom/s3/access_key",
            json!("ak"),
            "blossom.s3.access_key is required when blossom.adapter is s3",
        ),
        (
            "/blossom/s3/secret_key",
            json!("sk"),
            "blossom.s3.secret_key is required when blossom.adapter is s3",
        ),
    ];
    for (place, mended, text) in steps {
        let reply = harness.call("POST", "/relay/a", &body).await;
        assert_eq!(reply.error(), (400, text.to_owned()));
        let (parent, name) = place.rsplit_once('/').unwrap();
        body.pointer_mut(parent).unwrap()[name] = mended;
    }

    assert_eq!(harness.call("POST", "/relay/a", &body).await.status, 201);
}

#[tokio::test]
async fn only_two_adapters_are_known() {
    let harness = start().await;
    let spoil = |body: &mut Value| body["blossom"] = json!({"adapter": "S3"});

    assert_eq!(
        refusal(&harness, spoil).await,
        (400, "invalid blossom adapter".to_owned())
    );
}

#[tokio::test]
async fn a_refused_secret_is_quoted() {
    let harness = start().await;
    for secret in [
        "g".repeat(64),
        "f".repeat(64),
        "1".repeat(63),
        "1".repeat(65),
    ] {
        let (status, text) = refusal(&harness, |body| body["secret"] = json!(secret)).await;

        assert_eq!(status, 400);
        assert!(text.starts_with("invalid secret key: "), "{text}");
        assert!(text.contains(&secret), "{text}");
    }
}

#[tokio::test]
async fn a_pubkey_must_lie_on_the_curve() {
    let harness = start().await;
    for pubkey in [
        "f".repeat(64),
        "0".repeat(64),
        "zz".repeat(32),
        String::new(),
    ] {
        let (status, text) = refusal(&harness, |body| body["info"]["pubkey"] = json!(pubkey)).await;

        assert_eq!(status, 400);
        assert!(text.starts_with("invalid info.pubkey: "), "{text}");
    }
}

#[tokio::test]
async fn what_is_no_json_or_of_the_wrong_type_is_an_invalid_config() {
    let harness = start().await;
    for body in [
        "",
        "not json",
        "{} {}",
        "[]",
        "5",
        r#"{"host":5}"#,
        r#"{"inactive":"true"}"#,
        r#"{"info":"x"}"#,
        r#"{"groups":true}"#,
        r#"{"roles":[]}"#,
        r#"{"roles":{"admin":{"pubkeys":"x"}}}"#,
        r#"{"roles":{"admin":{"pubkeys":[1]}}}"#,
        r#"{"roles":{"admin":{"can_manage":1}}}"#,
    ] {
        let (status, text) = harness.raw_call("POST", "/relay/a", body).await.error();

        assert_eq!(status, 400, "{body}");
        assert!(text.starts_with("invalid json config: "), "{body}: {text}");
    }
}

#[tokio::test]
async fn a_body_may_have_one_mebibyte_and_no_more() {
    let harness = start().await;
    let limit = 1024 * 1024;
    let padded = |length: usize| {
        let mut body = relay("a").to_string();
        body.push_str(&" ".repeat(length - body.len()));
        body
    };

    let over = harness
        .raw_call("POST", "/relay/a", padded(limit + 1))
        .await;
    assert_eq!(
        over.error(),
        (
            400,
            "failed to read body: http: request body too large".to_owned()
        )
    );
    let at = harness.raw_call("POST", "/relay/a", padded(limit)).await;
    assert_eq!(at.status, 201, "{}", at.body);
}

#[tokio::test]
async fn a_refused_body_leaves_no_file() {
    let harness = start().await;

    refusal(&harness, |body| body["schema"] = json!("1")).await;

    assert!(!harness.file("a").exists());
}
