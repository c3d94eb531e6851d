use proptest::prelude::*;
use reqwest::header::HeaderValue;
use serde_json::json;

use super::*;

const SECRET: &str = "8f3a1c0d5e7b9f2a4c6d8e0f1a3b5c7d9e1f2a4b6c8d0e2f4a6b8c0d1e3f5a7b";
const S3_KEY: &str = "wJalr+XUtnFEMI/K7&MDENG";

const QUOTED: &str = r#"pa"ss\word"#;

fn redactor() -> Redactor {
    Redactor::new([S3_KEY, QUOTED])
}

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000, 0).unwrap()
}

fn answered(status: u16, body: &str) -> Exchange {
    answered_with(status, body.as_bytes(), None, true)
}

fn answered_with(status: u16, bytes: &[u8], retry_after: Option<&str>, is_whole: bool) -> Exchange {
    let header = retry_after.and_then(|text| HeaderValue::from_str(text).ok());
    Exchange::Answered {
        status,
        headers: header
            .map(|value| (RETRY_AFTER, value))
            .into_iter()
            .collect(),
        body: Body {
            bytes: bytes.to_vec(),
            is_whole,
        },
    }
}

fn error(status: u16, text: &str) -> Exchange {
    answered(status, &json!({ "error": text }).to_string())
}

fn read_as_post(exchange: &Exchange) -> Answer {
    let asked = Asked {
        method: "POST".to_owned(),
        success_field: "message",
    };
    classify(&asked, exchange, &redactor(), now())
}

/// The variant and the kind.
fn label(answer: &Answer) -> String {
    match answer {
        Answer::Accepted => "accepted".to_owned(),
        Answer::AlreadyExists(failure) => format!("already exists, {}", failure.kind),
        Answer::NotFound(failure) => format!("not found, {}", failure.kind),
        Answer::Unusable(failure) => format!("unusable, {}", failure.kind),
        Answer::Failed(failure) => format!("failed, {}", failure.kind),
    }
}

fn failure_in(answer: Answer) -> Option<SyncFailure> {
    answer.into_result().err()
}

#[test]
fn every_text_of_zooid_has_its_meaning() {
    let quoted = format!("invalid secret key: {SECRET}");
    let table: [(u16, &str, &[&str]); 12] = [
        (
            401,
            "failed, credentials_refused",
            &[
                "missing authorization header",
                "invalid authorization header format",
                "invalid base64 encoding: illegal base64 data at input byte 3",
                "invalid event json: unexpected end of JSON input",
                "invalid event kind: expected 27235, got 1",
                "invalid event signature",
                "event is outside the allowed time window",
                "event missing or invalid u tag",
                "event missing or invalid method tag",
            ],
        ),
        (403, "failed, key_not_allowed", &["pubkey not in whitelist"]),
        (
            400,
            "unusable, invalid",
            &[
                "failed to read body: http: request body too large",
                "invalid json config: unexpected EOF",
                "host is required",
                "schema is required",
                "schema must contain only lowercase letters, numbers, and underscores",
                &quoted,
                "invalid info.pubkey: pubkey should be 64-char hex, got ''",
                "blossom.s3.bucket is required when blossom.adapter is s3",
                "blossom.s3.region is required when blossom.adapter is s3",
                "blossom.s3.access_key is required when blossom.adapter is s3",
                "blossom.s3.secret_key is required when blossom.adapter is s3",
                "invalid blossom adapter",
            ],
        ),
        (
            409,
            "already exists, server_error",
            &["relay with this id already exists"],
        ),
        (
            409,
            "failed, conflict",
            &[
                "schema \"x\" is already in use",
                "host \"x.example.com\" is already in use",
            ],
        ),
        (
            409,
            "failed, target_disk",
            &["failed to read config directory: permission denied"],
        ),
        (404, "not found, server_error", &["relay not found"]),
        (409, "not found, server_error", &["relay not found"]),
        (
            500,
            "failed, target_disk",
            &[
                "failed to write config: no space left on device",
                "failed to delete config: input/output error",
            ],
        ),
        (
            500,
            "unusable, target_disk",
            &["failed to read existing config: toml: line 1"],
        ),
        (500, "failed, server_error", &["anything else"]),
        (503, "failed, server_error", &["anything else"]),
    ];
    for (status, expected, texts) in table {
        for text in texts {
            let answer = read_as_post(&error(status, text));
            assert_eq!(label(&answer), expected, "{status} {text}");
            let failure = failure_in(answer).unwrap();
            assert_eq!(failure.status, Some(status));
            let shown = text.replace(SECRET, "[redacted]");
            assert!(failure.message.ends_with(&shown), "{}", failure.message);
        }
    }
}

#[test]
fn successes_are_recognised_by_status_and_field() {
    for (status, message) in [
        (201, "relay created successfully"),
        (200, "relay updated successfully"),
        (200, "relay patched successfully"),
    ] {
        let body = json!({ "message": message }).to_string();
        assert_eq!(label(&read_as_post(&answered(status, &body))), "accepted");
    }
    let unknown = "failed, outcome_unknown";
    assert_eq!(
        label(&read_as_post(&answered(200, "<html>welcome</html>"))),
        unknown
    );
    assert_eq!(
        label(&read_as_post(&answered(201, r#"{"message":"relay cre"#))),
        unknown
    );
    assert_eq!(label(&read_as_post(&answered(204, ""))), unknown);
    let cut = answered_with(
        200,
        br#"{"message":"relay patched successfully"}"#,
        None,
        false,
    );
    assert_eq!(label(&read_as_post(&cut)), unknown);
}

#[test]
fn what_is_not_zooids_management_api_is_told_apart() {
    for (status, text, expected) in [
        (404, "404 page not found\n", "failed, server_error"),
        (404, "Not Found\n", "failed, server_error"),
        (405, "Method Not Allowed\n", "failed, server_error"),
        (302, "", "failed, server_error"),
        (100, "", "failed, server_error"),
        (418, "", "failed, server_error"),
        (409, "", "failed, server_error"),
        (
            409,
            r#"{"error":"relay with this id alr"#,
            "failed, server_error",
        ),
        (413, "", "unusable, invalid"),
        (408, "", "failed, outcome_unknown"),
        (504, "", "failed, outcome_unknown"),
        (429, "", "failed, throttled"),
        (500, "", "failed, server_error"),
        (502, "", "failed, server_error"),
        (503, "", "failed, server_error"),
        (507, "", "failed, target_disk"),
        (999, "", "failed, server_error"),
    ] {
        assert_eq!(
            label(&read_as_post(&answered(status, text))),
            expected,
            "{status} {text}"
        );
    }
}

#[test]
fn an_unanswered_request_says_whether_anything_was_sent() {
    for (phase, expected) in [
        (Phase::Preparing, "failed, our_fault"),
        (Phase::Connecting, "failed, unreachable"),
        (Phase::Sent, "failed, outcome_unknown"),
    ] {
        let answer = read_as_post(&Exchange::Unanswered {
            phase,
            cause: format!("no {S3_KEY}"),
        });
        assert_eq!(label(&answer), expected);
        let failure = failure_in(answer).unwrap();
        assert!(
            failure
                .message
                .ends_with("POST was not answered: no [redacted]"),
            "{failure}"
        );
        assert_eq!((failure.status, failure.excerpt), (None, None));
    }
}

#[test]
fn retry_after_is_read_as_seconds_and_as_a_date_and_is_bounded() {
    for (text, wait) in [
        ("0", Some(0)),
        ("7", Some(7)),
        ("99999999999", Some(3600)),
        ("Tue, 14 Nov 2023 22:14:20 GMT", Some(60)),
        ("Tue, 14 Nov 2000 22:14:20 GMT", Some(0)),
        ("soon", None),
        ("-1", None),
    ] {
        let failure = failure_in(read_as_post(&answered_with(429, b"", Some(text), true))).unwrap();
        assert_eq!(failure.retry_after, wait.map(Duration::from_secs), "{text}");
    }
    let unavailable = answered_with(503, b"", Some("7"), true);
    assert_eq!(label(&read_as_post(&unavailable)), "failed, throttled");
}

#[test]
fn texts_that_are_escaped_as_go_escapes_them_are_redacted_too() {
    let body = format!(
        "{{\"error\":\"bad key {}\"}}\n",
        S3_KEY.replace('&', "\\u0026")
    );
    let failure = failure_in(read_as_post(&answered(500, &body))).unwrap();
    assert!(failure.message.ends_with("bad key [redacted]"), "{failure}");
    assert_eq!(
        failure.excerpt.unwrap(),
        r#"{"error":"bad key [redacted]"}"#
    );
}

#[test]
fn a_secret_that_json_has_to_escape_is_redacted_in_the_excerpt() {
    let failure = failure_in(read_as_post(&error(500, QUOTED))).unwrap();
    assert_eq!(failure.excerpt.unwrap(), r#"{"error":"[redacted]"}"#);
}

#[test]
fn a_secret_that_was_cut_off_does_not_show_its_beginning() {
    let body = format!("{}{}", "x ".repeat(40), &S3_KEY[..20]);
    let failure = failure_in(read_as_post(&answered_with(
        500,
        body.as_bytes(),
        None,
        false,
    )))
    .unwrap();
    assert!(!format!("{failure:?}").contains(&S3_KEY[..8]));
}

#[test]
fn long_answers_are_kept_in_short_on_one_line() {
    let body = "line\r\n\u{1b}[31m".repeat(1000);
    let failure = failure_in(read_as_post(&answered(500, &body))).unwrap();
    assert!(failure.message.ends_with("...") && failure.message.chars().count() < 450);
    let excerpt = failure.excerpt.unwrap();
    assert!(excerpt.len() <= EXCERPT_MAX_BYTES);
    assert!(!excerpt.contains(char::is_control));
}

fn longest_hex_run(text: &str) -> usize {
    text.split(|char: char| !char.is_ascii_hexdigit())
        .map(str::len)
        .max()
        .unwrap_or(0)
}

prop_compose! {
    fn any_body()(
        pieces in prop::collection::vec(
            prop_oneof![
                any::<Vec<u8>>(),
                "\\PC{0,80}".prop_map(String::into_bytes),
                "[0-9a-f]{50,90}".prop_map(String::into_bytes),
                Just(SECRET.as_bytes().to_vec()),
                Just(S3_KEY.as_bytes().to_vec()),
                Just(json!({ "error": format!("key {S3_KEY}"), SECRET: [S3_KEY, null, 1] }).to_string().into_bytes()),
            ],
            0..5,
        ),
    ) -> Vec<u8> {
        pieces.concat()
    }
}

proptest! {
    #[test]
    fn any_answer_has_one_meaning_and_gives_no_secret_away(
        status: u16, bytes in any_body(), retry_after in prop::option::of("\\PC{0,40}"), is_whole: bool,
    ) {
        let exchange = answered_with(status, &bytes, retry_after.as_deref(), is_whole);
        let answer = read_as_post(&exchange);
        prop_assert_eq!(format!("{answer:?}"), format!("{:?}", read_as_post(&exchange)));
        if let Some(failure) = failure_in(answer) {
            let kept = format!("{} {}", failure.message, failure.excerpt.clone().unwrap_or_default());
            prop_assert!(!kept.contains(S3_KEY));
            prop_assert!(longest_hex_run(&kept) < 64);
            prop_assert!(!kept.contains(char::is_control));
            prop_assert!(failure.message.chars().count() <= DETAIL_MAX_CHARS + 200);
            prop_assert!(failure.excerpt.is_none_or(|excerpt| excerpt.len() <= EXCERPT_MAX_BYTES));
            prop_assert!(failure.retry_after.is_none_or(|wait| wait <= RETRY_AFTER_MAX));
        }
    }
}
