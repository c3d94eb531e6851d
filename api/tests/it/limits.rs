//! How much one client may ask for.

use std::time::Duration;

use http::{HeaderName, HeaderValue};
use nostr::prelude::*;
use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;

use crate::harness::*;

const FORWARDED: HeaderName = HeaderName::from_static("x-forwarded-for");

async fn from(api: &Api, addresses: &str) -> Reply {
    let addresses = HeaderValue::from_str(addresses).unwrap();
    api.get("/plans").header(FORWARDED, addresses).send().await
}

#[tokio::test]
async fn a_key_that_asks_too_often_is_told_when_to_come_back_and_others_are_not() {
    let api = start_with(&[("RATE_LIMIT_KEY", "3")]).await;
    let ask = async |keys| api.get("/identity").by(keys).send().await;
    // Signing in was the first.
    assert_eq!(ask(&api.owner).await.status, 200);
    assert_eq!(ask(&api.owner).await.status, 200);

    let refused = ask(&api.owner).await;

    assert_eq!(refused.outcome(), (429, "rate-limited"));
    assert_eq!(refused.headers["retry-after"], "20");
    assert_eq!(ask(&api.other).await.status, 200);
    api.clock.advance(Duration::from_secs(20));
    assert_eq!(ask(&api.owner).await.status, 200);
}

#[tokio::test]
async fn an_address_is_the_one_that_the_last_trusted_proxy_names() {
    let api = start_empty(&[
        ("RATE_LIMIT_ADDRESS", "2"),
        ("SERVER_TRUSTED_PROXIES", "127.0.0.0/8, 10.0.0.1"),
    ])
    .await;
    assert_eq!(from(&api, "203.0.113.1").await.status, 200);
    // What a client writes before it means nothing.
    assert_eq!(
        from(&api, "198.51.100.7, 203.0.113.1, 10.0.0.1")
            .await
            .status,
        200
    );

    let refused = from(&api, "198.51.100.8, 203.0.113.1").await;

    assert_eq!(refused.outcome(), (429, "rate-limited"));
    assert_eq!(from(&api, "203.0.113.2").await.status, 200);
}

#[tokio::test]
async fn nobody_is_believed_about_addresses_without_a_trusted_proxy() {
    let api = start_empty(&[("RATE_LIMIT_ADDRESS", "1")]).await;

    // Who calls from this host is not counted; whoever says to speak for others counts as one.
    for _ in 0..3 {
        assert_eq!(api.get("/plans").send().await.status, 200);
    }
    assert_eq!(from(&api, "203.0.113.1").await.status, 200);

    for claimed in ["203.0.113.2", "127.0.0.1", "::1"] {
        let refused = from(&api, claimed).await;
        assert_eq!(refused.outcome(), (429, "rate-limited"), "{claimed}");
    }
}

#[tokio::test]
async fn an_address_has_no_more_names_than_one() {
    let api = start_empty(&[
        ("RATE_LIMIT_ADDRESS", "1"),
        ("SERVER_TRUSTED_PROXIES", "127.0.0.0/8"),
    ])
    .await;
    for (first, again) in [
        ("203.0.113.1", "::ffff:203.0.113.1"),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9"),
        ("127.0.0.1", "127.0.0.1"),
    ] {
        assert_eq!(from(&api, first).await.status, 200, "{first}");
        let refused = from(&api, again).await;
        assert_eq!(refused.outcome(), (429, "rate-limited"), "{again}");
    }
}

#[tokio::test]
async fn what_is_too_long_is_refused() {
    let api = start_empty(&[]).await;

    let url = api.get(format!("/plans?{}", "x".repeat(4096))).send().await;
    let name = HeaderName::from_static("x-filler");
    let filler = HeaderValue::from_str(&"x".repeat(16 * 1024)).unwrap();
    let header = api.get("/plans").header(name, filler).send().await;

    assert_eq!(url.outcome(), (414, "url-too-long"));
    assert_eq!(header.outcome(), (431, "header-too-large"));
}

#[tokio::test]
async fn more_requests_at_once_than_the_server_handles_are_503() {
    let api = start_with(&[("SERVER_MAX_REQUESTS", "1")]).await;
    // Somebody forgets a transaction in a shell: a write has to wait.
    let shell = SqliteConnectOptions::new().filename(api.db.path());
    let mut shell = shell.connect().await.unwrap();
    let begun = sqlx::query("BEGIN IMMEDIATE").execute(&mut shell).await;
    begun.unwrap();
    let writing = api.post("/relays").by(&api.owner);
    let writing = writing.json(&relay_input("slow")).send();
    let others = async {
        let refused = loop {
            let reply = api.get("/plans").send().await;
            if reply.status != 200 {
                break reply;
            }
        };
        let ended = sqlx::query("ROLLBACK").execute(&mut shell).await;
        ended.unwrap();
        refused
    };

    let both = async { tokio::join!(writing, others) };
    let (_, refused) = tokio::time::timeout(Duration::from_secs(20), both)
        .await
        .unwrap();

    assert_eq!(refused.outcome(), (503, "busy"));
    assert!(refused.headers.contains_key("retry-after"));
}

#[tokio::test]
async fn a_captured_header_neither_repeats_what_an_operator_did_nor_signs_anybody_in() {
    let api = start().await;
    let relay = api.relay("mine").await;
    let id = relay["id"].as_str().unwrap();
    for (method, path, keys) in [
        ("POST", "/dashboard/session".to_owned(), &api.reader),
        ("POST", "/operator/queue/pause".to_owned(), &api.admin),
        ("PUT", format!("/relays/{id}/delinquent"), &api.admin),
        ("DELETE", format!("/relays/{id}/delinquent"), &api.admin),
    ] {
        let header = api.signature(keys, method, &path);
        let ask = || api.call(method, &*path).authorization(&header).send();

        assert_eq!(ask().await.status, 200, "{path}");

        assert_eq!(ask().await.outcome(), (401, "unauthorized"), "{path}");
    }
}

#[tokio::test]
async fn what_tenants_ask_and_operators_read_can_be_repeated() {
    let api = start().await;
    for (method, path, keys) in [
        ("POST", "/tenants", &api.owner),
        ("GET", "/operator/overview", &api.reader),
    ] {
        let header = api.signature(keys, method, path);
        for _ in 0..2 {
            let reply = api.call(method, path).authorization(&header).send().await;
            assert_eq!(reply.status, 200, "{path}");
        }
    }
}

#[tokio::test]
async fn in_strict_mode_an_event_is_used_up_by_its_first_use() {
    let api = start_empty(&[("AUTH_MODE", "strict")]).await;
    let header = api.signature(&api.owner, "GET", "/identity");
    let ask = || api.get("/identity").authorization(&header).send();

    let (one, two) = tokio::join!(ask(), ask());

    let mut statuses = [one.status, two.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 401]);
    let again = ask().await;
    assert_eq!(again.outcome(), (401, "unauthorized"));
}

#[tokio::test]
async fn a_session_whose_signature_was_changed_is_refused_although_the_other_is_known() {
    let api = start().await;
    let header = api.session(&api.owner);
    let ask = async |header: &str| api.get("/identity").authorization(header).send().await;
    assert_eq!(ask(&header).await.status, 200);
    assert_eq!(ask(&header).await.status, 200);

    let event = auth_event(SERVER_URL, api.now());
    let mut event = event.finalize(&api.owner).unwrap();
    event.pubkey = api.admin.public_key();
    let forged = header_of_json(event.as_json());

    assert_eq!(ask(&forged).await.outcome(), (401, "unauthorized"));
    api.clock.advance(Duration::from_mins(16));
    assert_eq!(ask(&header).await.outcome(), (401, "unauthorized"));
}
