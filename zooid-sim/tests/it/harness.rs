//! A stand-in on a free port with a clock that stands still, and a client that signs.

use std::sync::Arc;
use std::time::{Duration, Instant, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use nostr::prelude::*;
use reqwest::header::{AUTHORIZATION, HOST, HeaderMap};
use serde_json::{Value, json};
use tempfile::TempDir;
use zooid_sim::{SimConfig, ZooidSim};

/// What the stand-in's clock says, in unix seconds.
pub const NOW: u64 = 1_750_000_000;

/// The secret key of relays in these tests.
pub const SECRET: &str = "1111111111111111111111111111111111111111111111111111111111111111";

/// A public key on the curve.
pub const PUBKEY: &str = "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";

pub struct Harness {
    pub sim: ZooidSim,
    pub dir: TempDir,
    pub client: reqwest::Client,
}

/// What came back.
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: String,
}

impl Reply {
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map(|value| value.to_str().unwrap())
            .unwrap_or_default()
    }

    /// Status and error text of a handler's refusal, whose form is checked on the way.
    pub fn error(&self) -> (u16, String) {
        assert_eq!(self.header("content-type"), "application/json");
        assert!(self.body.ends_with("}\n"), "{:?}", self.body);
        let body: Value = serde_json::from_str(&self.body).unwrap();
        assert_eq!(body.as_object().unwrap().len(), 1, "{body}");
        (self.status, body["error"].as_str().unwrap().to_owned())
    }
}

pub async fn start() -> Harness {
    let dir = TempDir::new().unwrap();
    let sim = start_on(&dir).await;
    Harness {
        sim,
        dir,
        client: client(),
    }
}

pub async fn start_on(dir: &TempDir) -> ZooidSim {
    ZooidSim::start(config_for(dir)).await.unwrap()
}

pub fn config_for(dir: &TempDir) -> SimConfig {
    SimConfig {
        whitelist: vec![admin_keys().public_key().to_hex()],
        clock: Arc::new(|| UNIX_EPOCH + Duration::from_secs(NOW)),
        ..SimConfig::new(dir.path())
    }
}

pub fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

pub fn admin_keys() -> Keys {
    Keys::new(SecretKey::from_hex(&"22".repeat(32)).unwrap())
}

/// An event for NIP-98 with everything right; tests spoil one thing each.
pub fn auth_event(method: &str, url: &str) -> EventBuilder {
    EventBuilder::new(Kind::HttpAuth, "")
        .tag(Tag::custom("u", [url]))
        .tag(Tag::custom("method", [method]))
        .custom_created_at(Timestamp::from_secs(NOW))
}

pub fn header_of(event: &Event) -> String {
    format!("Nostr {}", STANDARD.encode(event.as_json()))
}

pub fn signed(method: &str, url: &str) -> String {
    header_of(&auth_event(method, url).finalize(&admin_keys()).unwrap())
}

/// A configuration that zooid accepts, with its own schema and host.
pub fn relay(name: &str) -> Value {
    json!({
        "host": format!("{name}.example.com"),
        "schema": name,
        "secret": SECRET,
        "info": {"name": name, "pubkey": PUBKEY},
    })
}

impl Harness {
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.sim.api_url())
    }

    /// An unsigned request, ready for more.
    pub fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method.parse().unwrap(), self.url(path))
    }

    pub fn signed_request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        self.request(method, path)
            .header(AUTHORIZATION, signed(method, &self.url(path)))
    }

    pub async fn call(&self, method: &str, path: &str, body: &Value) -> Reply {
        self.raw_call(method, path, body.to_string()).await
    }

    pub async fn raw_call(
        &self,
        method: &str,
        path: &str,
        body: impl Into<reqwest::Body>,
    ) -> Reply {
        send(self.signed_request(method, path).body(body)).await
    }

    pub async fn get(&self, path: &str) -> Reply {
        send(self.signed_request("GET", path)).await
    }

    /// Creates a relay, which must succeed.
    pub async fn create(&self, id: &str) {
        let reply = self.call("POST", &format!("/relay/{id}"), &relay(id)).await;
        assert_eq!(reply.status, 201, "{}", reply.body);
    }

    pub async fn nip11(&self, host: &str) -> Reply {
        send(
            self.request("GET", "/")
                .header(HOST, host)
                .header("accept", "application/nostr+json"),
        )
        .await
    }

    pub fn file(&self, id: &str) -> std::path::PathBuf {
        self.dir.path().join(format!("{id}.toml"))
    }

    /// Waits until so many calls are under way.
    pub async fn until_in_flight(&self, calls: usize) {
        until(|| self.sim.totals().in_flight == calls).await;
    }
}

pub async fn send(request: reqwest::RequestBuilder) -> Reply {
    let response = request.send().await.unwrap();
    Reply {
        status: response.status().as_u16(),
        headers: response.headers().clone(),
        body: response.text().await.unwrap(),
    }
}

/// Waits for a condition, five seconds at most.
pub async fn until(condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(5);
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
