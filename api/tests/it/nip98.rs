//! NIP-98 in both forms: what is accepted, and that whatever is refused is refused alike.

use std::time::Duration;

use nostr::prelude::*;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::harness::*;

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

async fn identify(api: &Api, header: &str) -> Reply {
    api.get("/identity").authorization(header).send().await
}

async fn is_accepted(api: &Api, event: EventBuilder) -> bool {
    let reply = identify(api, &header_of(event, &api.owner)).await;
    match reply.outcome() {
        (200, "ok") => true,
        (401, "unauthorized") => false,
        outcome => panic!("{outcome:?}"),
    }
}

#[tokio::test]
async fn a_signer_is_told_who_they_are() {
    let api = start_empty(&[]).await;
    for (keys, is_admin, role) in [
        (&api.stranger, false, json!(null)),
        (&api.reader, false, json!("readonly")),
        (&api.admin, true, json!("admin")),
    ] {
        let data = api.get("/identity").by(keys).send().await.data();
        let pubkey = keys.public_key().to_hex();
        assert_eq!(
            data,
            json!({"pubkey": pubkey, "is_admin": is_admin, "role": role})
        );
    }
}

#[tokio::test]
async fn one_session_header_opens_every_verb_until_it_is_too_old() {
    let api = start().await;
    let header = api.session(&api.owner);
    let send = async |method: &str, path: &str, body: Value| {
        api.call(method, path)
            .authorization(&header)
            .json(&body)
            .send()
            .await
    };

    assert_eq!(send("POST", "/tenants", json!({})).await.status, 200);
    let relay = send("POST", "/relays", relay_input("session")).await;
    assert_eq!(relay.status, 201);
    let path = format!("/relays/{}", relay.data()["id"].as_str().unwrap());
    api.clock.advance(Duration::from_mins(10));
    assert_eq!(send("GET", &path, json!(null)).await.status, 200);
    let toggle = json!({"push_enabled": 0});
    assert_eq!(send("PUT", &path, toggle).await.status, 200);
    api.clock.advance(Duration::from_mins(5));
    assert_eq!(send("GET", &path, json!(null)).await.status, 200);
    api.clock.advance(Duration::from_secs(1));
    assert_eq!(send("GET", &path, json!(null)).await.status, 401);
}

#[tokio::test]
async fn a_session_needs_no_method_and_no_exact_slash() {
    let api = start_empty(&[]).await;

    assert!(is_accepted(&api, auth_event(SERVER_URL, NOW)).await);
    assert!(is_accepted(&api, auth_event(&format!("{SERVER_URL}/"), NOW)).await);
    for method in ["GET", "DELETE", "nonsense"] {
        let event = auth_event(SERVER_URL, NOW).tag(Tag::custom("method", [method]));
        assert!(is_accepted(&api, event).await, "{method}");
    }
}

#[tokio::test]
async fn a_session_is_for_the_base_url_and_nothing_beside_it() {
    let api = start_empty(&[]).await;
    for u in [
        "",
        "https://evil.example",
        "http://api.caravel.example",
        "https://api.caravel.example.evil.example",
        "https://api.caravel.example:444",
        "https://user@api.caravel.example",
        "https://api.caravel.example//",
        "https://api.caravel.example/relays",
        "https://api.caravel.example?x=1",
    ] {
        assert!(!is_accepted(&api, auth_event(u, NOW)).await, "{u}");
    }
}

#[tokio::test]
async fn the_length_of_a_session_is_configured() {
    let api = start_empty(&[("AUTH_SESSION_SECONDS", "60")]).await;

    assert!(is_accepted(&api, auth_event(SERVER_URL, NOW - 60)).await);
    assert!(!is_accepted(&api, auth_event(SERVER_URL, NOW - 61)).await);
}

#[tokio::test]
async fn an_event_from_the_future_is_refused_beyond_a_minute() {
    let api = start_empty(&[]).await;
    let request =
        |at| auth_event(&format!("{SERVER_URL}/identity"), at).tag(Tag::custom("method", ["GET"]));

    for (ahead, expected) in [(60, true), (61, false), (i64::MAX - NOW, false)] {
        let at = NOW + ahead;
        assert_eq!(
            is_accepted(&api, auth_event(SERVER_URL, at)).await,
            expected
        );
        assert_eq!(is_accepted(&api, request(at)).await, expected);
    }
    assert!(is_accepted(&api, request(NOW - 60)).await);
    assert!(!is_accepted(&api, request(NOW - 61)).await);
    assert!(!is_accepted(&api, request(0)).await);
}

#[tokio::test]
async fn a_request_is_signed_with_its_verb_and_whole_url() {
    let api = start_empty(&[]).await;
    let accepted = async |method: &str, u: &str, path: &str| {
        let event = auth_event(u, NOW).tag(Tag::custom("method", [method]));
        let header = header_of(event, &api.admin);
        let reply = api.get(path).authorization(&header).send().await;
        assert!(matches!(reply.status, 200 | 401), "{reply:?}");
        reply.status == 200
    };
    let filtered = "/relays?status=active&sync_state=pending";
    let url = format!("{SERVER_URL}{filtered}");

    assert!(accepted("GET", &url, filtered).await);
    assert!(accepted("get", &url, filtered).await);
    let spelled = url.replace(
        "https://api.caravel.example",
        "HTTPS://API.caravel.example:443",
    );
    assert!(accepted("GET", &spelled, filtered).await);
    for (method, u) in [
        ("POST", url.as_str()),
        ("", &url),
        ("GET", &format!("{SERVER_URL}/relays")),
        ("GET", &format!("{url}&x=1")),
        ("GET", &format!("{url}#top")),
        ("GET", &url.replace("https", "http")),
        ("GET", &url.replace("/relays", "/relays/")),
        ("GET", &format!("http://{}{filtered}", api.address)),
        ("GET", filtered),
    ] {
        assert!(!accepted(method, u, filtered).await, "{method} {u}");
    }
    let event = auth_event(&url, NOW);
    let without_method = api
        .get(filtered)
        .authorization(&header_of(event, &api.admin));
    assert_eq!(without_method.send().await.status, 401);
}

#[tokio::test]
async fn a_server_url_with_a_path_is_part_of_what_is_signed() {
    let api = start_empty(&[("SERVER_URL", "https://caravel.example/api/")]).await;
    let request = |u| auth_event(u, NOW).tag(Tag::custom("method", ["GET"]));

    assert!(is_accepted(&api, auth_event("https://caravel.example/api", NOW)).await);
    assert!(is_accepted(&api, request("https://caravel.example/api/identity")).await);
    assert!(!is_accepted(&api, request("https://caravel.example/identity")).await);
    assert!(!is_accepted(&api, auth_event("https://caravel.example", NOW)).await);
}

#[tokio::test]
async fn a_payload_tag_must_be_the_hash_of_the_body() {
    let api = start().await;
    let body = relay_input("payload").to_string();
    let with_payload = |payload: &str| {
        let event = auth_event(&format!("{SERVER_URL}/relays"), NOW)
            .tag(Tag::custom("method", ["POST"]))
            .tag(Tag::custom("payload", [payload]));
        header_of(event, &api.owner)
    };
    let send = async |payload: &str, body: &str| {
        api.post("/relays")
            .authorization(&with_payload(payload))
            .bytes(body)
            .send()
            .await
            .status
    };

    assert_eq!(send(&sha256(body.as_bytes()), "{}").await, 401);
    assert_eq!(send(&sha256(b""), &body).await, 401);
    assert_eq!(send("", &body).await, 401);
    assert_eq!(send(&sha256(body.as_bytes()), &body).await, 201);
    assert_eq!(send(&sha256(b"").to_uppercase(), "").await, 422);
}

#[tokio::test]
async fn strict_mode_accepts_signed_requests_only() {
    let api = start_empty(&[("AUTH_MODE", "strict")]).await;

    let session = api.get("/identity").by(&api.owner).send().await;
    let request = api.get("/identity").signing(&api.owner).send().await;

    assert_eq!(session.outcome(), (401, "unauthorized"));
    assert_eq!(request.status, 200);
}

#[tokio::test]
async fn whatever_is_wrong_with_a_header_the_answer_is_the_same() {
    let api = start_empty(&[]).await;
    let valid = api.session(&api.owner);
    let (_, token) = valid.split_once(' ').unwrap();
    let event = auth_event(SERVER_URL, NOW).finalize(&api.owner).unwrap();
    let altered = |field: &str, value: Value| {
        let mut json: Value = serde_json::from_str(&event.as_json()).unwrap();
        json[field] = value;
        header_of_json(json.to_string())
    };
    let missing = api.get("/identity").send().await;

    let headers = [
        String::new(),
        "Nostr".to_owned(),
        "Nostr ".to_owned(),
        format!("Bearer {token}"),
        format!("Basic {token}"),
        token.to_owned(),
        "Nostr ***".to_owned(),
        header_of_json("{"),
        header_of_json("[]"),
        header_of_json("null"),
        header_of_json([0xff, 0xfe]),
        altered("kind", json!(1)),
        altered("sig", json!("00".repeat(64))),
        altered("id", json!("00".repeat(32))),
        altered("pubkey", json!(api.admin.public_key().to_hex())),
        altered("pubkey", json!("f".repeat(64))),
        altered("created_at", json!(NOW - 1)),
        altered("created_at", json!(-1)),
        altered("content", json!("x")),
        altered("tags", json!([])),
        altered("tags", json!([["u"]])),
        altered("tags", json!([["u", SERVER_URL], ["x", "y"]])),
        header_of(auth_event(SERVER_URL, NOW - 901), &api.owner),
        header_of(auth_event(SERVER_URL, NOW + 61), &api.owner),
        header_of(EventBuilder::new(Kind::HttpAuth, ""), &api.owner),
        header_of(
            EventBuilder::new(Kind::TextNote, "")
                .tag(Tag::custom("u", [SERVER_URL]))
                .custom_created_at(event.created_at),
            &api.owner,
        ),
        header_of(
            auth_event(SERVER_URL, NOW).tag(Tag::custom("x", ["y".repeat(4096)])),
            &api.owner,
        ),
        format!("Nostr {}", "A".repeat(50_000)),
    ];
    for header in headers {
        let reply = identify(&api, &header).await;
        let case = &header[..header.len().min(80)];
        assert_eq!(reply.outcome(), (401, "unauthorized"), "{case}");
        assert_eq!(reply.json, missing.json, "{case}");
    }
    assert_eq!(identify(&api, &valid).await.status, 200);
}

#[tokio::test]
async fn two_authorization_headers_are_none() {
    let api = start_empty(&[]).await;
    let (owner, admin) = (api.session(&api.owner), api.session(&api.admin));

    let reply = api
        .get("/identity")
        .header(AUTHORIZATION, HeaderValue::from_str(&owner).unwrap())
        .header(AUTHORIZATION, HeaderValue::from_str(&admin).unwrap())
        .send()
        .await;

    assert_eq!(reply.outcome(), (401, "unauthorized"));
}

#[tokio::test]
async fn encoders_without_padding_and_other_spellings_of_the_scheme_are_understood() {
    let api = start_empty(&[]).await;
    let header = api.session(&api.owner);

    for header in [
        header.trim_end_matches('=').to_owned(),
        header.replace("Nostr ", "nostr "),
        header.replace("Nostr ", "NOSTR  "),
    ] {
        assert_eq!(identify(&api, &header).await.status, 200, "{header}");
    }
}

#[tokio::test]
async fn public_routes_do_not_look_at_the_header() {
    let api = start_empty(&[]).await;

    let reply = api
        .get("/plans")
        .authorization("Nostr nonsense")
        .send()
        .await;

    assert_eq!(reply.status, 200);
}
