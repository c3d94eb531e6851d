//! The dashboard's page, and being signed in there.

use std::time::Duration;

use nostr::key::Keys;
use reqwest::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE,
    COOKIE, ETAG, HeaderMap, HeaderName, HeaderValue, IF_NONE_MATCH, ORIGIN, REFERRER_POLICY,
    SET_COOKIE, X_CONTENT_TYPE_OPTIONS,
};
use serde_json::{Value, json};
use shared::command::Command;
use shared::domain::SessionScope;
use shared::repositories::dashboard_session::LoginLink;

use crate::harness::*;

const CSRF: HeaderName = HeaderName::from_static("x-csrf-token");

/// A browser in which somebody is signed in.
pub struct Browser {
    /// The cookie as it sends it.
    pub cookie: String,
    /// The session, as the page sees it.
    pub session: Value,
}

impl Browser {
    fn of(reply: Reply) -> Self {
        Self {
            cookie: cookie(&reply.headers),
            session: reply.data(),
        }
    }

    fn csrf(&self) -> &str {
        self.session["csrf"].as_str().unwrap()
    }
}

/// What a browser sends back of `Set-Cookie`.
fn cookie(headers: &HeaderMap) -> String {
    let set = headers[SET_COOKIE].to_str().unwrap();
    set.split(';').next().unwrap().to_owned()
}

impl Api {
    /// Signs `keys` in by a signature.
    pub async fn browser(&self, keys: &Keys) -> Browser {
        Browser::of(self.post("/dashboard/session").signing(keys).send().await)
    }

    async fn link(&self, keys: &Keys, scope: SessionScope) -> String {
        let link = LoginLink {
            pubkey: pubkey(keys),
            scope,
        };
        let token = self.command().create_login_link(link).await.unwrap();
        token.expose().to_owned()
    }

    async fn open_link(&self, token: &str) -> Reply {
        self.post("/dashboard/session/link")
            .json(&json!({ "token": token }))
            .send()
            .await
    }

    async fn session_of(&self, browser: &Browser) -> Reply {
        self.get("/dashboard/session").cookie(browser).send().await
    }
}

impl Call<'_> {
    /// As the page asks for what changes nothing.
    pub fn cookie(self, browser: &Browser) -> Self {
        self.header(COOKIE, browser.cookie.parse().unwrap())
    }

    /// As the page asks for a change.
    fn by_page(self, browser: &Browser) -> Self {
        self.cookie(browser)
            .header(CSRF, browser.csrf().parse().unwrap())
            .header(ORIGIN, HeaderValue::from_static(SERVER_URL))
    }
}

#[tokio::test]
async fn one_signature_is_exchanged_for_a_session_that_opens_the_operators_routes() {
    let api = start().await;

    let reply = api
        .post("/dashboard/session")
        .signing(&api.admin)
        .send()
        .await;

    let set = reply.headers[SET_COOKIE].to_str().unwrap().to_owned();
    let token = set.strip_prefix("__Host-caravel_session=").unwrap();
    let (token, attributes) = token.split_once("; ").unwrap();
    assert_eq!(
        attributes,
        "Path=/; Max-Age=43200; HttpOnly; SameSite=Strict; Secure"
    );
    assert_eq!(reply.headers[CACHE_CONTROL], "no-store");
    let token = token.to_owned();
    let browser = Browser::of(reply);
    assert_eq!(browser.session["role"], "admin");
    assert_eq!(
        browser.session["pubkey"],
        json!(api.admin.public_key().to_hex())
    );
    assert_eq!(browser.session["expires_at"], json!((NOW + 43_200) * 1000));
    assert_eq!(api.session_of(&browser).await.data(), browser.session);
    let overview = api.get("/operator/overview").cookie(&browser).send().await;
    assert_eq!(overview.outcome(), (200, "ok"));
    let paused = api
        .post("/operator/queue/pause")
        .by_page(&browser)
        .send()
        .await;
    assert_eq!(paused.data()["affected"], 1);
    assert!(!api.stores(&token), "the token itself is in no file");
}

#[tokio::test]
async fn a_session_opens_nothing_but_the_operators_routes() {
    let api = start().await;
    let browser = api.browser(&api.admin).await;

    for path in ["/identity", "/tenants", "/relays"] {
        let reply = api.get(path).cookie(&browser).send().await;
        assert_eq!(reply.outcome(), (401, "unauthorized"), "{path}");
    }
}

#[tokio::test]
async fn a_signature_for_another_origin_signs_nobody_in() {
    let api = start().await;
    for u in [
        "https://evil.example/dashboard/session",
        &format!("{SERVER_URL}/dashboard"),
        SERVER_URL,
    ] {
        let event = auth_event(u, api.now()).tag(nostr::event::Tag::custom("method", ["POST"]));

        let reply = api
            .post("/dashboard/session")
            .authorization(&header_of(event, &api.admin))
            .send()
            .await;

        assert_eq!(reply.outcome(), (401, "unauthorized"), "{u}");
        assert!(!reply.headers.contains_key(SET_COOKIE));
    }
}

#[tokio::test]
async fn whoever_has_no_role_is_not_signed_in() {
    let api = start().await;

    let reply = api
        .post("/dashboard/session")
        .signing(&api.owner)
        .send()
        .await;

    assert_eq!(reply.outcome(), (403, "forbidden"));
    assert!(!reply.headers.contains_key(SET_COOKIE));
}

#[tokio::test]
async fn a_session_ends_when_its_time_has_come() {
    let api = start_with(&[("DASHBOARD_SESSION_SECONDS", "600")]).await;
    let browser = api.browser(&api.admin).await;

    api.clock.advance(Duration::from_secs(599));
    assert_eq!(api.session_of(&browser).await.status, 200);
    api.clock.advance(Duration::from_secs(1));

    assert_eq!(
        api.session_of(&browser).await.outcome(),
        (401, "unauthorized")
    );
    let reply = api.get("/operator/overview").cookie(&browser).send().await;
    assert_eq!(reply.outcome(), (401, "unauthorized"));
}

#[tokio::test]
async fn signing_out_ends_the_session_and_makes_the_browser_forget_it() {
    let api = start().await;
    let browser = api.browser(&api.admin).await;

    let reply = api
        .call("DELETE", "/dashboard/session")
        .by_page(&browser)
        .send()
        .await;

    assert_eq!(reply.outcome(), (200, "ok"));
    let set = reply.headers[SET_COOKIE].to_str().unwrap();
    assert!(
        set.starts_with("__Host-caravel_session=; Path=/; Max-Age=0"),
        "{set}"
    );
    assert_eq!(
        api.session_of(&browser).await.outcome(),
        (401, "unauthorized")
    );
}

#[tokio::test]
async fn a_change_without_the_sessions_token_or_from_another_site_is_refused() {
    let api = start().await;
    let browser = api.browser(&api.admin).await;
    let elsewhere = api.browser(&api.admin).await;
    let csrf = |text: &str| (CSRF, HeaderValue::from_str(text).unwrap());
    let origin = |text| (ORIGIN, HeaderValue::from_static(text));
    for headers in [
        vec![],
        vec![csrf("")],
        vec![csrf(elsewhere.csrf())],
        vec![csrf(&browser.csrf().to_uppercase())],
        vec![csrf(browser.csrf()), origin("https://evil.example")],
        vec![csrf(browser.csrf()), origin("https://app.example.com")],
        vec![csrf(browser.csrf()), origin("null")],
    ] {
        for (method, path) in [
            ("POST", "/operator/queue/pause"),
            ("DELETE", "/dashboard/session"),
        ] {
            let call = api.call(method, path).cookie(&browser);
            let call = headers
                .iter()
                .cloned()
                .fold(call, |call, (name, value)| call.header(name, value));

            let reply = call.send().await;

            assert_eq!(reply.outcome(), (403, "csrf"), "{path} {headers:?}");
        }
    }
    assert_eq!(api.session_of(&browser).await.status, 200);
}

#[tokio::test]
async fn a_reader_looks_and_changes_nothing() {
    let api = start().await;
    let browser = api.browser(&api.reader).await;

    let looked = api.get("/operator/overview").cookie(&browser).send().await;
    let acted = api
        .post("/operator/queue/pause")
        .by_page(&browser)
        .send()
        .await;

    assert_eq!(browser.session["role"], "readonly");
    assert_eq!(looked.outcome(), (200, "ok"));
    assert_eq!(acted.outcome(), (403, "forbidden"));
}

#[tokio::test]
async fn a_link_signs_in_once() {
    let api = start().await;
    let token = api.link(&api.admin, SessionScope::Configured).await;
    assert!(!api.stores(&token), "the token itself is in no file");

    let browser = Browser::of(api.open_link(&token).await);
    let again = api.open_link(&token).await;

    assert_eq!(browser.session["role"], "admin");
    assert_eq!(api.session_of(&browser).await.status, 200);
    assert_eq!(again.outcome(), (401, "link-invalid"));
    assert!(!again.headers.contains_key(SET_COOKIE));
}

#[tokio::test]
async fn a_page_of_another_site_signs_nobody_in() {
    let api = start().await;
    let token = api.link(&api.admin, SessionScope::Configured).await;
    let site = HeaderName::from_static("sec-fetch-site");
    let open = async |headers: &[(HeaderName, &'static str)]| {
        let call = api.post("/dashboard/session/link");
        let call = headers.iter().fold(call, |call, (name, value)| {
            call.header(name.clone(), HeaderValue::from_static(value))
        });
        call.json(&json!({ "token": token })).send().await
    };

    for headers in [
        vec![(ORIGIN, "https://evil.example")],
        vec![(ORIGIN, "null")],
        vec![(ORIGIN, "https://app.example.com")],
        vec![(site.clone(), "cross-site")],
        vec![(site.clone(), "same-site")],
        vec![(ORIGIN, SERVER_URL), (site.clone(), "cross-site")],
    ] {
        let refused = open(&headers).await;
        assert_eq!(refused.outcome(), (403, "csrf"), "{headers:?}");
        assert!(!refused.headers.contains_key(SET_COOKIE));
    }

    let signed_in = open(&[(ORIGIN, SERVER_URL), (site, "same-origin")]).await;
    assert_eq!(signed_in.status, 200, "the link was not used up");
}

#[tokio::test]
async fn a_link_is_good_for_ten_minutes() {
    let api = start().await;
    let token = api.link(&api.admin, SessionScope::Configured).await;

    api.clock.advance(Duration::from_mins(10));

    assert_eq!(api.open_link(&token).await.outcome(), (401, "link-invalid"));
}

#[tokio::test]
async fn an_admin_may_be_signed_in_only_to_look() {
    let api = start().await;
    let token = api.link(&api.admin, SessionScope::Readonly).await;

    let browser = Browser::of(api.open_link(&token).await);

    assert_eq!(browser.session["role"], "readonly");
    let acted = api
        .post("/operator/queue/pause")
        .by_page(&browser)
        .send()
        .await;
    assert_eq!(acted.outcome(), (403, "forbidden"));
}

#[tokio::test]
async fn a_key_that_is_not_configured_any_more_loses_its_session_and_its_links() {
    let api = start().await;
    let command: Command = api.command();
    let signed_in = command
        .sign_in(
            pubkey(&api.owner),
            SessionScope::Configured,
            Duration::from_hours(1),
        )
        .await
        .unwrap();
    let cookie = format!("__Host-caravel_session={}", signed_in.token.expose());
    let token = api.link(&api.owner, SessionScope::Configured).await;

    let reply = api
        .get("/operator/overview")
        .header(COOKIE, cookie.parse().unwrap())
        .send()
        .await;

    assert_eq!(reply.outcome(), (401, "unauthorized"));
    assert_eq!(api.open_link(&token).await.outcome(), (403, "forbidden"));
}

#[tokio::test]
async fn without_tls_the_cookie_is_not_kept_from_plain_http() {
    let api = start_empty(&[("SERVER_URL", "http://localhost:2892")]).await;
    let token = api.link(&api.admin, SessionScope::Configured).await;

    let reply = api.open_link(&token).await;

    let set = reply.headers[SET_COOKIE].to_str().unwrap();
    assert!(set.starts_with("caravel_session="), "{set}");
    assert!(!set.contains("Secure"), "{set}");
}

#[tokio::test]
async fn the_page_is_the_same_at_every_address_and_allows_itself_nothing_from_elsewhere() {
    let api = start_empty(&[]).await;
    let mut pages = Vec::new();
    for path in [
        "/dashboard",
        "/dashboard/syncs?state=failed",
        "/dashboard/relays/01j",
        "/dashboard/login",
    ] {
        let response = api.get(path).send_raw().await;

        assert_eq!(response.status(), 200, "{path}");
        let headers = response.headers().clone();
        assert_eq!(headers[CONTENT_TYPE], "text/html; charset=utf-8");
        assert_eq!(
            headers[CONTENT_SECURITY_POLICY],
            "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
        );
        assert_eq!(headers[X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert_eq!(headers[REFERRER_POLICY], "no-referrer");
        assert!(!headers.contains_key("access-control-allow-credentials"));
        pages.push(response.text().await.unwrap());
    }
    assert!(pages[0].contains("/dashboard/assets/main.js"));
    assert!(pages.iter().all(|page| *page == pages[0]));
}

#[tokio::test]
async fn every_file_that_the_page_names_is_there_with_its_type() {
    let api = start_empty(&[]).await;
    let page = api.get("/dashboard").send_raw().await;
    let page = page.text().await.unwrap();
    let names: Vec<_> = page
        .split('"')
        .filter(|text| text.starts_with("/dashboard/assets/"))
        .collect();
    assert!(names.len() > 10, "{names:?}");

    for name in names {
        let response = api.get(name).send_raw().await;

        let expected = match name.rsplit_once('.').unwrap().1 {
            "js" => "text/javascript; charset=utf-8",
            "css" => "text/css; charset=utf-8",
            "svg" => "image/svg+xml",
            other => panic!("{other}"),
        };
        assert_eq!(response.status(), 200, "{name}");
        assert_eq!(response.headers()[CONTENT_TYPE], expected, "{name}");
    }
    for missing in ["main.ts", "../Cargo.toml", "..%2fCargo.toml", "lib"] {
        let reply = api
            .get(format!("/dashboard/assets/{missing}"))
            .send_raw()
            .await;
        assert_ne!(
            reply.text().await.unwrap(),
            include_str!("../../Cargo.toml")
        );
    }
    let reply = api.get("/dashboard/assets/main.ts").send().await;
    assert_eq!(reply.outcome(), (404, "not-found"));
}

#[tokio::test]
async fn a_file_that_the_browser_has_is_not_sent_again_and_a_long_one_is_compressed() {
    let api = start_empty(&[]).await;
    let path = "/dashboard/assets/vendor/htm/standalone.module.js";

    let first = api
        .get(path)
        .header(ACCEPT_ENCODING, HeaderValue::from_static("gzip"))
        .send_raw()
        .await;
    let etag = first.headers()[ETAG].clone();
    let second = api.get(path).header(IF_NONE_MATCH, etag).send_raw().await;

    assert_eq!(first.headers()[CONTENT_ENCODING], "gzip");
    assert_eq!(first.headers()[CACHE_CONTROL], "no-cache");
    assert_eq!(second.status(), 304);
    assert!(second.bytes().await.unwrap().is_empty());
}
