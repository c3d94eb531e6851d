use proptest::prelude::*;
use reqwest::header::HeaderValue;
use serde_json::json;

use super::*;
use crate::domain::{FailureKind, Taken, pattern};
use crate::zooid::exchange::Phase;

const SECRET: &str = "8f3a1c0d5e7b9f2a4c6d8e0f1a3b5c7d9e1f2a4b6c8d0e2f4a6b8c0d1e3f5a7b";
const S3_KEY: &str = "wJalr+XUtnFEMI/K7&MDENG";

const SIGNER: &str = "npub10elfcs4fr0l0r8af98jlmgdh9c8tcxjvz9qkw038js35mp4dma8qzvjptg";

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

fn read_as(method: Method, exchange: &Exchange) -> Answer {
    let asked = Asked {
        method,
        success_field: "message",
        signer: SIGNER,
    };
    classify(&asked, exchange, &redactor(), now())
}

fn read_as_post(exchange: &Exchange) -> Answer {
    read_as(Method::POST, exchange)
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

/// Every text that zooid.md lists, and what it means.
const TEXTS: [(u16, &str, &[&str]); 10] = [
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
            "invalid secret key: 8f3a1c0d5e7b9f2a4c6d8e0f1a3b5c7d9e1f2a4b6c8d0e2f4a6b8c0d1e3f5a7b",
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
];

#[test]
fn every_text_of_zooid_has_its_meaning() {
    for (status, expected, texts) in TEXTS {
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
fn the_same_texts_with_another_status_mean_nothing_of_the_kind() {
    for (status, expected, texts) in TEXTS {
        for text in texts {
            for other in [402, 418, 451, 501, 505] {
                let answer = read_as_post(&error(other, text));
                assert_eq!(label(&answer), "failed, server_error", "{other} {text}");
            }
            // What is not whole, or not JSON, is not zooid's.
            let cut = format!("{{\"error\":{}", json!(text));
            for body in [cut.as_str(), text] {
                let answer = label(&read_as_post(&answered(status, body)));
                let is_told_by_status = status == 401;
                assert_eq!(answer == expected, is_told_by_status, "{status} {body}");
            }
        }
    }
}

fn message(status: u16, text: &str) -> String {
    failure_in(read_as_post(&error(status, text)))
        .unwrap()
        .message
}

#[test]
fn each_refusal_of_our_signature_has_a_next_step_of_its_own() {
    for (text, step) in [
        ("event missing or invalid u tag", "ZOOID_API_URL"),
        ("event is outside the allowed time window", "clock"),
        ("invalid event signature", "Authorization header"),
        (
            "event missing or invalid method tag",
            "Authorization header",
        ),
    ] {
        assert!(message(401, text).contains(step), "{text}");
    }
    let foreign = failure_in(read_as_post(&answered(401, "<h1>401</h1>"))).unwrap();
    assert!(foreign.message.contains("a login of its own"), "{foreign}");
}

#[test]
fn a_key_that_is_not_let_in_is_named_so_that_it_survives_redaction() {
    let message = message(403, "pubkey not in whitelist");

    assert!(message.contains(SIGNER) && message.contains("API_WHITELIST"));
    assert_eq!(redactor().redact(&message), message);
}

#[test]
fn a_conflict_says_what_is_taken() {
    let taken = |text: &str| failure_in(read_as_post(&error(409, text))).unwrap().taken;

    assert_eq!(taken("host \"x\" is already in use"), Some(Taken::Host));
    assert_eq!(taken("schema \"x\" is already in use"), Some(Taken::Schema));
    assert_eq!(taken("relay not found"), None);
}

#[test]
fn a_configuration_can_only_be_refused_if_one_was_sent() {
    let refused = error(400, "host is required");

    for method in [Method::POST, Method::PUT, Method::PATCH] {
        assert_eq!(label(&read_as(method, &refused)), "unusable, invalid");
    }
    assert_eq!(
        label(&read_as(Method::GET, &refused)),
        "failed, server_error"
    );
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
        (400, "<h1>400 Bad Request</h1>", "failed, server_error"),
        (401, "", "failed, credentials_refused"),
        (403, "<h1>Forbidden</h1>", "failed, server_error"),
        (413, "", "failed, server_error"),
        (422, "", "failed, server_error"),
        (408, "", "failed, outcome_unknown"),
        (429, "", "failed, throttled"),
        (500, "", "failed, server_error"),
        (501, "", "failed, server_error"),
        (502, "", "failed, unreachable"),
        (503, "", "failed, unreachable"),
        (504, "", "failed, unreachable"),
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
        (" 7 ", Some(7)),
        ("3600", Some(3600)),
        ("3601", Some(3600)),
        ("99999999999", Some(3600)),
        ("99999999999999999999999999", Some(3600)),
        ("Tue, 14 Nov 2023 22:14:20 GMT", Some(60)),
        ("Tue, 14 Nov 2000 22:14:20 GMT", Some(0)),
        ("soon", None),
        ("-1", None),
        ("+7", None),
        ("1.5", None),
        ("", None),
    ] {
        let failure = failure_in(read_as_post(&answered_with(429, b"", Some(text), true))).unwrap();
        assert_eq!(failure.retry_after, wait.map(Duration::from_secs), "{text}");
    }
}

#[test]
fn whoever_names_a_pause_throttles_whatever_else_is_said() {
    let body = json!({ "error": "relay with this id already exists" }).to_string();
    for status in [
        302, 400, 401, 403, 404, 408, 409, 418, 429, 500, 502, 503, 504, 507, 999,
    ] {
        let paused = answered_with(status, body.as_bytes(), Some("7"), true);
        let failure = failure_in(read_as_post(&paused)).unwrap();
        assert_eq!(
            (failure.kind, failure.status, failure.retry_after),
            (
                FailureKind::Throttled,
                Some(status),
                Some(Duration::from_secs(7))
            )
        );
        let unclear = answered_with(status, body.as_bytes(), Some("soon"), true);
        let failure = failure_in(read_as_post(&unclear)).unwrap();
        assert_eq!(failure.kind == FailureKind::Throttled, status == 429);
    }
    let done = answered_with(200, br#"{"message":"done"}"#, Some("7"), true);
    assert_eq!(label(&read_as_post(&done)), "accepted");
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
    assert!(failure.message.ends_with("...") && failure.message.chars().count() < 500);
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

fn digits(text: &str, mark: &str) -> String {
    text.bytes().fold(String::new(), |all, byte| {
        all + &format!("{mark}{byte:02X}")
    })
}

/// How a text may be written by those that quote it.
fn written(text: &str, way: usize) -> String {
    let json = json!(text).to_string();
    match way {
        0 => text.to_owned(),
        1 => text.to_uppercase(),
        2 => json[1..json.len() - 1].to_owned(),
        3 => json!(json).to_string(),
        4 => digits(text, "%"),
        5 => digits(text, "\\u00"),
        6 => text
            .replace('&', "&amp;")
            .replace('"', "&#34;")
            .replace('+', "&#43;"),
        7 => format!("{}\" \"{}", &text[..2], &text[2..]),
        _ => format!("{}\r\n\t{}", &text[..2], &text[2..]),
    }
}

/// Whether any of the secrets can be read, in whatever case and across whatever breaks.
fn shows(text: &str, secrets: &[String]) -> bool {
    let joined: String = text
        .chars()
        .filter(|char| !char.is_whitespace() && !"\"'`".contains(*char))
        .collect();
    let haystack = joined.to_lowercase();
    secrets
        .iter()
        .any(|secret| haystack.contains(&secret.to_lowercase()))
        || longest_hex_run(text) >= 64
}

prop_compose! {
    /// Secrets of which no word of ours is one.
    fn any_secrets()(
        s3 in "[A-Z][0-9][A-Za-z0-9+/&]{2,38}",
        livekit in "[A-Z][0-9][A-Za-z0-9<>=_-]{1,18}[a-z]",
        signing in "[0-9a-f]{64}",
        relay in "[0-9a-f]{64}",
    ) -> Vec<String> {
        vec![s3, livekit, signing, relay]
    }
}

prop_compose! {
    /// A body that quotes the secrets, and what is left of it.
    fn any_body()(secrets in any_secrets())(
        pieces in prop::collection::vec(
            prop_oneof![
                any::<Vec<u8>>(),
                "\\PC{0,80}".prop_map(String::into_bytes),
                Just(vec![b'x'; 600]),
                "[0-9a-fA-F]{50,90}".prop_map(String::into_bytes),
                (prop::sample::select(secrets.clone()), 0..9usize)
                    .prop_map(|(secret, way)| written(&secret, way).into_bytes()),
            ],
            0..5,
        ),
        shape in 0..4u8,
        text in prop::sample::select(TEXTS.iter().flat_map(|(_, _, texts)| texts.iter()).copied().collect::<Vec<_>>()),
        secrets in Just(secrets),
    ) -> (Vec<String>, Vec<u8>) {
        let body = pieces.concat();
        let lossy = String::from_utf8_lossy(&body);
        let body = match shape {
            0 => body,
            1 => json!({ "error": lossy }).to_string().into_bytes(),
            2 => json!({ "error": format!("{text} {lossy}"), lossy.as_ref(): [lossy, null, 1] }).to_string().into_bytes(),
            _ => json!({ "error": text, "message": lossy }).to_string().into_bytes(),
        };
        (secrets, body)
    }
}

/// Whether an answer with this status may mean this.
fn may_mean(status: u16, paused: bool, kind: FailureKind) -> bool {
    let general = kind == FailureKind::ServerError;
    match status {
        200..=299 => kind == FailureKind::OutcomeUnknown,
        _ if paused => kind == FailureKind::Throttled,
        400 => general || kind == FailureKind::Invalid,
        401 => kind == FailureKind::CredentialsRefused,
        403 => general || kind == FailureKind::KeyNotAllowed,
        408 => kind == FailureKind::OutcomeUnknown,
        409 => general || matches!(kind, FailureKind::Conflict | FailureKind::TargetDisk),
        429 => kind == FailureKind::Throttled,
        500 => general || kind == FailureKind::TargetDisk,
        502..=504 => kind == FailureKind::Unreachable,
        507 => kind == FailureKind::TargetDisk,
        _ => general,
    }
}

proptest! {
    #[test]
    fn any_answer_has_one_meaning_and_gives_no_secret_away(
        status in prop_oneof![
            100..=999u16,
            prop::sample::select(&[200, 201, 400, 401, 403, 404, 408, 409, 429, 500, 502, 503, 504, 507][..]),
        ],
        (secrets, bytes) in any_body(),
        retry_after in prop::option::of(prop_oneof!["[0-9]{1,30}", "\\PC{0,40}", "Tue, [0-9]{2} Nov 20[0-9]{2} 22:14:20 GMT"]),
        is_whole in prop::bool::weighted(0.8),
        method in prop::sample::select(&[Method::POST, Method::PUT, Method::PATCH, Method::GET][..]),
    ) {
        let exchange = answered_with(status, &bytes, retry_after.as_deref(), is_whole);
        let asked = Asked { method, success_field: "message", signer: SIGNER };
        let redactor = Redactor::new(&secrets[..3]);
        let read = || classify(&asked, &exchange, &redactor, now());
        prop_assert_eq!(format!("{:?}", read()), format!("{:?}", read()));
        let Some(failure) = failure_in(read()) else {
            prop_assert!(status == 200 || status == 201);
            return Ok(());
        };
        prop_assert!(may_mean(status, failure.retry_after.is_some(), failure.kind), "{}", failure.kind);
        prop_assert!(failure.retry_after.is_none() || failure.kind == FailureKind::Throttled);
        prop_assert_eq!(failure.taken.is_some(), failure.kind == FailureKind::Conflict);
        for kept in [&failure.message, &failure.excerpt.clone().unwrap_or_default(), &pattern(&failure.message)] {
            prop_assert!(!shows(kept, &secrets), "{} {:?}", kept, secrets);
            prop_assert!(!kept.contains(char::is_control));
        }
        prop_assert!(failure.message.chars().count() <= DETAIL_MAX_CHARS + 250);
        prop_assert!(failure.excerpt.is_none_or(|excerpt| excerpt.len() <= EXCERPT_MAX_BYTES));
        prop_assert!(failure.retry_after.is_none_or(|wait| wait <= RETRY_AFTER_MAX));
    }
}
