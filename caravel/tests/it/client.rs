//! A tenant as a client of the API, and anybody who looks at a relay.

use nostr::key::Keys;
use reqwest::Method;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST};
use serde_json::{Value, json};
use shared::clock::SystemClock;
use shared::zooid::nip98;
use zooid_sim::ZooidSim;

use crate::installation::RELAY_DOMAIN;
use crate::wait::until;

pub struct Client {
    http: reqwest::Client,
    url: String,
    session: String,
}

impl Client {
    /// The public URL of the API, which is not where it listens: as behind a proxy.
    pub const SERVER_URL: &str = "http://api.example.com";

    /// A client of the API at `url`, whose tenant exists.
    pub async fn sign_in(url: &str, keys: Keys) -> Self {
        let session =
            nip98::authorization(&SystemClock, &keys, Self::SERVER_URL, None, None).unwrap();
        let client = Self {
            http: http(),
            url: url.to_owned(),
            session,
        };
        client.call(Method::POST, "/tenants", json!({})).await;
        client
    }

    /// The data of a call that must succeed.
    pub async fn call(&self, method: Method, path: &str, body: Value) -> Value {
        let answer = self
            .http
            .request(method, format!("{}{path}", self.url))
            .header(AUTHORIZATION, &self.session)
            .header(CONTENT_TYPE, "application/json")
            .body(body.to_string())
            .send()
            .await
            .unwrap();
        let status = answer.status();
        let body = answer.text().await.unwrap();
        assert!(status.is_success(), "{path}: {status} {body}");
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["code"], "ok");
        body["data"].clone()
    }

    /// What an admin is answered who has a relay removed, signing this very request.
    pub async fn remove(&self, admin: &Keys, relay: &str) -> (u16, Value) {
        let path = format!("/relays/{relay}");
        let signed = format!("{}{path}", Self::SERVER_URL);
        let signed =
            nip98::authorization(&SystemClock, admin, &signed, Some("DELETE"), None).unwrap();
        let answer = self
            .http
            .delete(format!("{}{path}", self.url))
            .header(AUTHORIZATION, signed)
            .header("prefer", "wait=30")
            .send()
            .await
            .unwrap();
        let status = answer.status().as_u16();
        let body: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        (status, body["data"].clone())
    }

    /// Creates a relay, and answers its id.
    pub async fn create(&self, subdomain: &str) -> String {
        let relay = json!({
            "subdomain": subdomain,
            "zooid_domain": RELAY_DOMAIN,
            "plan_id": "basic",
            "info_name": subdomain,
        });
        let relay = self.call(Method::POST, "/relays", relay).await;
        relay["id"].as_str().unwrap().to_owned()
    }

    pub async fn edit(&self, relay: &str, change: Value) -> Value {
        self.call(Method::PUT, &format!("/relays/{relay}"), change)
            .await
    }

    pub async fn relay(&self, relay: &str) -> Value {
        self.call(Method::GET, &format!("/relays/{relay}"), Value::Null)
            .await
    }

    /// Waits until zooid has the relay's newest settings, and answers the relay.
    pub async fn in_step(&self, relay: &str) -> Value {
        until("a relay to be in step", async || {
            self.relay(relay).await["sync_state"] == "synced"
        })
        .await;
        self.relay(relay).await
    }
}

/// The relay's NIP-11 document, as anybody sees it; the status if there is none.
pub async fn nip11(sim: &ZooidSim, subdomain: &str) -> Result<Value, u16> {
    let answer = http()
        .get(sim.api_url())
        .header(HOST, format!("{subdomain}.{RELAY_DOMAIN}"))
        .header(ACCEPT, "application/nostr+json")
        .send()
        .await
        .unwrap();
    match answer.status().as_u16() {
        200 => Ok(serde_json::from_str(&answer.text().await.unwrap()).unwrap()),
        status => Err(status),
    }
}

pub fn http() -> reqwest::Client {
    reqwest::Client::builder()
        .no_proxy()
        .timeout(crate::wait::SOON)
        .build()
        .unwrap()
}
