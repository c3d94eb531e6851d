//! A running API, people with keys, and calls whose every answer is held against the envelope.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use api::{ApiState, CODES};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use chrono::DateTime;
use nostr::prelude::*;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};
use shared::clock::{Clock as _, ManualClock};
use shared::command::{Command, Context, Entropy};
use shared::config::{ApiConfig, Source};
use shared::crypto::{Sealer, SecretsKey};
use shared::db::{DatabaseOptions, Db, Role, Synchronous};
use shared::domain::Pubkey;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::description;

/// What the API believes to be called.
pub const SERVER_URL: &str = "https://api.caravel.example";

/// The domain that relays are served under.
pub const RELAY_DOMAIN: &str = "spaces.caravel.example";

/// The time at which every test begins, in Unix seconds.
pub const NOW: i64 = 1_800_000_000;

const SECRETS_KEY: [u8; 32] = [7; 32];

/// A running API with its own database, and the people that tests are about.
pub struct Api {
    pub address: String,
    pub clock: ManualClock,
    pub db: Db,
    pub dir: TempDir,
    pub admin: Keys,
    /// Reads what operators read.
    pub reader: Keys,
    /// A tenant.
    pub owner: Keys,
    /// Another tenant.
    pub other: Keys,
    /// Nobody's tenant.
    pub stranger: Keys,
    pub stop: CancellationToken,
    client: reqwest::Client,
}

impl Drop for Api {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// An API where `owner` and `other` have signed in.
pub async fn start() -> Api {
    start_with(&[]).await
}

/// The same, configured further.
pub async fn start_with(variables: &[(&str, &str)]) -> Api {
    let api = start_empty(variables).await;
    for keys in [&api.owner, &api.other] {
        let reply = api.post("/tenants").signing(keys).send().await;
        assert_eq!(reply.status, 200);
    }
    api
}

/// An API on an empty database.
pub async fn start_empty(variables: &[(&str, &str)]) -> Api {
    let [admin, reader, owner, other, stranger] = std::array::from_fn(|_| Keys::generate());
    let dir = tempfile::tempdir().unwrap();
    let clock = ManualClock::new(DateTime::from_timestamp(NOW, 0).unwrap());
    let db = Db::open(DatabaseOptions {
        path: dir.path().join("caravel.db"),
        synchronous: Synchronous::Normal,
        role: Role::Interactive,
    })
    .await
    .unwrap();
    let (admins, readers, secrets_key) = (
        admin.public_key().to_hex(),
        reader.public_key().to_hex(),
        BASE64_STANDARD.encode(SECRETS_KEY),
    );
    let defaults = [
        ("SERVER_URL", SERVER_URL),
        ("SERVER_ADMIN_PUBKEYS", &admins),
        ("SERVER_READONLY_PUBKEYS", &readers),
        ("SERVER_ALLOW_ORIGINS", "https://app.example.com"),
        ("RELAY_DOMAIN", RELAY_DOMAIN),
        ("CARAVEL_SECRETS_KEY", &secrets_key),
    ];
    let source: Source = defaults.iter().chain(variables).copied().collect();
    let config = ApiConfig::load(&source).unwrap();
    let state = ApiState::new(&config, db.clone(), Arc::new(clock.clone())).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let stop = CancellationToken::new();
    tokio::spawn(api::serve(listener, state, stop.clone()));
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    Api {
        address,
        clock,
        db,
        dir,
        admin,
        reader,
        owner,
        other,
        stranger,
        stop,
        client,
    }
}

impl Api {
    pub fn get(&self, path: impl Into<String>) -> Call<'_> {
        self.call("GET", path)
    }

    pub fn post(&self, path: impl Into<String>) -> Call<'_> {
        self.call("POST", path)
    }

    pub fn put(&self, path: impl Into<String>) -> Call<'_> {
        self.call("PUT", path)
    }

    pub fn call(&self, method: &str, path: impl Into<String>) -> Call<'_> {
        Call {
            api: self,
            method: method.to_owned(),
            path: path.into(),
            headers: HeaderMap::new(),
            body: Vec::new(),
        }
    }

    /// The present in Unix seconds, as the API sees it.
    pub fn now(&self) -> i64 {
        self.clock.now().timestamp()
    }

    /// The header that Flotilla sends: one event for the base URL, whatever is asked.
    pub fn session(&self, keys: &Keys) -> String {
        let event = auth_event(SERVER_URL, self.now()).tag(Tag::custom("method", ["GET"]));
        header_of(event, keys)
    }

    /// The header of plain NIP-98, another one each time: the clock of a test stands still.
    pub fn signature(&self, keys: &Keys, method: &str, path: &str) -> String {
        static SIGNED: AtomicU64 = AtomicU64::new(0);
        let nonce = SIGNED.fetch_add(1, Ordering::Relaxed).to_string();
        let event = auth_event(&format!("{SERVER_URL}{path}"), self.now())
            .tag(Tag::custom("method", [method]))
            .tag(Tag::custom("nonce", [nonce]));
        header_of(event, keys)
    }

    /// A relay of `owner`'s on the free plan.
    pub async fn relay(&self, subdomain: &str) -> Value {
        let reply = self
            .post("/relays")
            .signing(&self.owner)
            .json(&relay_input(subdomain))
            .send()
            .await;
        assert_eq!(reply.status, 201, "{}", reply.json);
        reply.data()
    }

    /// The activities of a relay, newest first.
    pub async fn activity_types(&self, id: &str) -> Vec<String> {
        let data = self
            .get(format!("/relays/{id}/activity"))
            .by(&self.admin)
            .send()
            .await
            .data();
        let activities = data["activity"].as_array().unwrap();
        activities
            .iter()
            .map(|activity| activity["activity_type"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Commands on the same file through connections of their own, as another process has them.
    pub async fn another_process(&self) -> Command {
        let options = DatabaseOptions {
            path: self.db.path().to_owned(),
            synchronous: Synchronous::Normal,
            role: Role::Interactive,
        };
        self.command_on(Db::open(options).await.unwrap())
    }

    /// Commands on the same database, for what has no route.
    pub fn command(&self) -> Command {
        self.command_on(self.db.clone())
    }

    fn command_on(&self, db: Db) -> Command {
        let context = Context {
            clock: Arc::new(self.clock.clone()),
            sealer: Sealer::new(SecretsKey::from_bytes(&SECRETS_KEY), Vec::new()),
            entropy: Entropy::seeded(1),
            max_attempts: 25,
        };
        Command::new(db, context)
    }

    /// Whether the bytes of the database, the write-ahead log included, contain `text`.
    pub fn stores(&self, text: &str) -> bool {
        std::fs::read_dir(self.dir.path()).unwrap().any(|entry| {
            // The sockets beside the database cannot be read.
            std::fs::read(entry.unwrap().path()).is_ok_and(|bytes| {
                bytes
                    .windows(text.len())
                    .any(|window| window == text.as_bytes())
            })
        })
    }
}

/// The least that a relay needs.
pub fn relay_input(subdomain: &str) -> Value {
    json!({"subdomain": subdomain, "zooid_domain": RELAY_DOMAIN, "plan_id": "free"})
}

pub fn pubkey(keys: &Keys) -> Pubkey {
    keys.public_key().to_hex().parse().unwrap()
}

/// An event for `u`, without a method.
pub fn auth_event(u: &str, created_at: i64) -> EventBuilder {
    EventBuilder::new(Kind::HttpAuth, "")
        .tag(Tag::custom("u", [u]))
        .custom_created_at(Timestamp::from_secs(created_at.try_into().unwrap()))
}

pub fn header_of(event: EventBuilder, keys: &Keys) -> String {
    header_of_json(event.finalize(keys).unwrap().as_json())
}

pub fn header_of_json(json: impl AsRef<[u8]>) -> String {
    format!("Nostr {}", BASE64_STANDARD.encode(json))
}

/// A call being put together.
pub struct Call<'a> {
    api: &'a Api,
    method: String,
    path: String,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Call<'_> {
    /// With a session's header.
    pub fn by(self, keys: &Keys) -> Self {
        let header = self.api.session(keys);
        self.authorization(&header)
    }

    /// With a header for this very request.
    pub fn signing(self, keys: &Keys) -> Self {
        let header = self.api.signature(keys, &self.method, &self.path);
        self.authorization(&header)
    }

    pub fn authorization(self, header: &str) -> Self {
        self.header(AUTHORIZATION, HeaderValue::from_str(header).unwrap())
    }

    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.append(name, value);
        self
    }

    pub fn json(self, body: &Value) -> Self {
        self.header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .bytes(body.to_string())
    }

    pub fn bytes(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sends it, and holds the answer against the envelope and the description.
    pub async fn send(self) -> Reply {
        let (method, path) = (self.method.clone(), self.path.clone());
        let response = self.send_raw().await;
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        assert_eq!(headers[CONTENT_TYPE], "application/json");
        let json: Value = response.json().await.unwrap();
        if (200..300).contains(&status) {
            assert_eq!(json["code"], "ok", "{json}");
            assert!(json.get("data").is_some(), "{json}");
            assert!(json.get("error").is_none(), "{json}");
        } else {
            let code = CODES.iter().find(|code| json["code"] == code.code);
            let code = code.unwrap_or_else(|| panic!("a code that is not listed: {json}"));
            assert_eq!(code.status.as_u16(), status, "{json}");
            assert!(!json["error"].as_str().unwrap().is_empty(), "{json}");
            assert!(json.get("data").is_none(), "{json}");
        }
        description::hold(&method, &path, status, &json);
        Reply {
            status,
            headers,
            json,
        }
    }

    /// Sends it.
    pub async fn send_raw(self) -> reqwest::Response {
        self.api
            .client
            .request(
                self.method.parse().unwrap(),
                format!("http://{}{}", self.api.address, self.path),
            )
            .headers(self.headers)
            .body(self.body)
            .send()
            .await
            .unwrap()
    }
}

/// An answer in its envelope.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub json: Value,
}

impl Reply {
    /// What a success carries.
    pub fn data(self) -> Value {
        assert!((200..300).contains(&self.status), "{}", self.json);
        self.json["data"].clone()
    }

    /// Status and code.
    pub fn outcome(&self) -> (u16, &str) {
        (self.status, self.json["code"].as_str().unwrap())
    }
}
