//! NIP-98 and the whitelist.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use nostr::prelude::*;
use reqwest::header::AUTHORIZATION;

use crate::harness::*;

const PATH: &str = "/relay/a/members";

async fn with_header(harness: &Harness, header: &str) -> (u16, String) {
    send(harness.request("GET", PATH).header(AUTHORIZATION, header))
        .await
        .error()
}

async fn with_event(harness: &Harness, event: EventBuilder) -> (u16, String) {
    let event = event.finalize(&admin_keys()).unwrap();
    with_header(harness, &header_of(&event)).await
}

fn unauthorized(text: &str) -> (u16, String) {
    (401, text.to_owned())
}

/// Where a request ends whose authorization is in order.
fn admitted() -> (u16, String) {
    (404, "relay not found".to_owned())
}

#[tokio::test]
async fn each_way_to_fail_authentication_has_its_text() {
    let harness = start().await;
    let url = harness.url(PATH);

    let missing = send(harness.request("GET", PATH)).await.error();
    assert_eq!(missing, unauthorized("missing authorization header"));
    let empty = with_header(&harness, "").await;
    assert_eq!(empty, unauthorized("missing authorization header"));
    for header in ["Nostr", "Bearer abc"] {
        let reply = with_header(&harness, header).await;
        assert_eq!(reply, unauthorized("invalid authorization header format"));
    }
    for header in ["Nostr !!!", "Nostr e30", "Nostr  e30="] {
        let (status, text) = with_header(&harness, header).await;
        assert_eq!(status, 401);
        assert!(text.starts_with("invalid base64 encoding: "), "{text}");
    }
    for event in ["{", "[]", "\"x\"", r#"{"kind":"x"}"#, r#"{"id":"zz"}"#] {
        let header = format!("Nostr {}", STANDARD.encode(event));
        let (status, text) = with_header(&harness, &header).await;
        assert_eq!(status, 401);
        assert!(text.starts_with("invalid event json: "), "{text}");
    }
    let kind = EventBuilder::new(Kind::TextNote, "");
    assert_eq!(
        with_event(&harness, kind).await,
        unauthorized("invalid event kind: expected 27235, got 1")
    );
    let empty = format!("Nostr {}", STANDARD.encode("{}"));
    assert_eq!(
        with_header(&harness, &empty).await,
        unauthorized("invalid event kind: expected 27235, got 0")
    );
    let other_url = auth_event("GET", "http://elsewhere/relay/a/members");
    assert_eq!(
        with_event(&harness, other_url).await,
        unauthorized("event missing or invalid u tag")
    );
    let other_method = auth_event("POST", &url);
    assert_eq!(
        with_event(&harness, other_method).await,
        unauthorized("event missing or invalid method tag")
    );
    assert_eq!(
        with_header(&harness, &signed("GET", &url)).await,
        admitted()
    );
}

#[tokio::test]
async fn the_id_and_the_signature_are_both_verified() {
    let harness = start().await;
    let url = harness.url(PATH);
    let event = auth_event("GET", &url).finalize(&admin_keys()).unwrap();
    let other = auth_event("GET", "http://other")
        .finalize(&admin_keys())
        .unwrap();

    let mut wrong_id = event.clone();
    wrong_id.id = other.id;
    let mut wrong_signature = event.clone();
    wrong_signature.sig = other.sig;
    let mut wrong_key = event.clone();
    wrong_key.pubkey = PublicKey::from_hex(PUBKEY).unwrap();
    let mut wrong_content = event;
    wrong_content.content = "more".to_owned();

    for event in [wrong_id, wrong_signature, wrong_key, wrong_content] {
        assert_eq!(
            with_header(&harness, &header_of(&event)).await,
            unauthorized("invalid event signature")
        );
    }
}

#[tokio::test]
async fn an_unsigned_event_is_refused_for_its_signature() {
    let harness = start().await;
    let header = format!("Nostr {}", STANDARD.encode(r#"{"kind":27235}"#));

    assert_eq!(
        with_header(&harness, &header).await,
        unauthorized("invalid event signature")
    );
}

#[tokio::test]
async fn an_event_is_good_for_a_minute_either_way() {
    let harness = start().await;
    let url = harness.url(PATH);
    let at = |seconds| auth_event("GET", &url).custom_created_at(Timestamp::from_secs(seconds));

    for good in [NOW - 60, NOW, NOW + 60] {
        assert_eq!(with_event(&harness, at(good)).await, admitted());
    }
    for bad in [0, NOW - 61, NOW + 61, u64::MAX] {
        assert_eq!(
            with_event(&harness, at(bad)).await,
            unauthorized("event is outside the allowed time window")
        );
    }
}

#[tokio::test]
async fn checks_come_in_order_of_kind_signature_time_url_method() {
    let harness = start().await;
    let wrong_all_but_kind = auth_event("POST", "http://elsewhere")
        .custom_created_at(Timestamp::from_secs(5))
        .finalize(&admin_keys())
        .unwrap();
    let mut unsigned = wrong_all_but_kind.clone();
    unsigned.content = "more".to_owned();

    assert_eq!(
        with_header(&harness, &header_of(&unsigned)).await,
        unauthorized("invalid event signature")
    );
    assert_eq!(
        with_header(&harness, &header_of(&wrong_all_but_kind)).await,
        unauthorized("event is outside the allowed time window")
    );
    assert_eq!(
        with_event(&harness, auth_event("POST", "http://elsewhere")).await,
        unauthorized("event missing or invalid u tag")
    );
}

#[tokio::test]
async fn the_url_is_compared_with_the_decoded_path_and_without_the_query() {
    let harness = start().await;
    let decoded = harness.url("/relay/a b/members");
    let request = |path: &str, url: &str| {
        harness
            .request("GET", path)
            .header(AUTHORIZATION, signed("GET", url))
    };

    let good = send(request("/relay/a%20b/members", &decoded)).await;
    assert_eq!(good.error(), admitted());
    let encoded = harness.url("/relay/a%20b/members");
    let bad = send(request("/relay/a%20b/members", &encoded)).await;
    assert_eq!(bad.error(), unauthorized("event missing or invalid u tag"));
    let url = harness.url(PATH);
    let query = send(request("/relay/a/members?x=1", &url)).await;
    assert_eq!(query.error(), admitted());
    let with_query = send(request("/relay/a/members?x=1", &format!("{url}?x=1"))).await;
    assert_eq!(
        with_query.error(),
        unauthorized("event missing or invalid u tag")
    );
}

#[tokio::test]
async fn the_scheme_is_https_only_by_a_proxys_word() {
    let harness = start().await;
    let http = harness.url(PATH);
    let https = http.replace("http://", "https://");
    let request = |url: &str| {
        harness
            .request("GET", PATH)
            .header(AUTHORIZATION, signed("GET", url))
    };
    let invalid = unauthorized("event missing or invalid u tag");

    assert_eq!(send(request(&https)).await.error(), invalid);
    let forwarded = |url| request(url).header("X-Forwarded-Proto", "https");
    assert_eq!(send(forwarded(&https)).await.error(), admitted());
    assert_eq!(send(forwarded(&http)).await.error(), invalid);
}

#[tokio::test]
async fn the_method_tag_may_be_of_any_case_and_the_scheme_word_too() {
    let harness = start().await;
    let url = harness.url(PATH);

    assert_eq!(
        with_event(&harness, auth_event("get", &url)).await,
        admitted()
    );
    let header = signed("GET", &url).replace("Nostr", "nOSTR");
    assert_eq!(with_header(&harness, &header).await, admitted());
}

#[tokio::test]
async fn whoever_is_not_on_the_whitelist_is_refused_after_authentication() {
    let harness = start().await;
    harness.create("a").await;
    let stranger = Keys::new(SecretKey::from_hex(&"33".repeat(32)).unwrap());
    let event = auth_event("POST", &harness.url("/relay/a"))
        .finalize(&stranger)
        .unwrap();

    let request = harness
        .request("POST", "/relay/a")
        .header(AUTHORIZATION, header_of(&event))
        .body("not json");
    let reply = send(request).await.error();

    assert_eq!(reply, (403, "pubkey not in whitelist".to_owned()));
}

#[tokio::test]
async fn the_whitelist_can_change_while_running() {
    let harness = start().await;
    harness.sim.whitelist(Vec::<String>::new());
    assert_eq!(harness.get(PATH).await.error().0, 403);

    harness.sim.whitelist([admin_keys().public_key().to_hex()]);

    assert_eq!(harness.get(PATH).await.error(), admitted());
}
