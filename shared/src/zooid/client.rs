//! Calling zooid: every request signed anew, timed and traced.

use std::time::Duration;

use nostr::nips::nip19::ToBech32 as _;
use reqwest::header::AUTHORIZATION;
use reqwest::{Client, ClientBuilder, Method, redirect, retry};
use serde_json::Value;
use tracing::{Instrument as _, field, info_span};
use url::Url;

use super::answer::{Answer, Asked, classify};
use super::exchange::{Exchange, Phase, Request};
use super::nip98;
use crate::clock::SharedClock;
use crate::config::{SigningKey, ZooidConfig};
use crate::crypto::Redactor;
use crate::domain::{FailureKind, Pubkey, RelayId, SyncFailure, Verb};

/// The most of an answer that is read. zooid's own are a sentence.
const ANSWER_MAX_BYTES: usize = 64 * 1024;

/// The most of a list of members that is read: 67 bytes a member, so more than a hundred thousand of them.
const MEMBERS_MAX_BYTES: usize = 8 * 1024 * 1024;

/// The longest wait for a connection. Shorter than a call, so that a host that is down is told from a slow one.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// How long an idle connection is kept for the next call.
const POOL_IDLE: Duration = Duration::from_secs(30);

/// The HTTP client could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("set up the http client for zooid")]
pub struct ZooidClientError(#[from] reqwest::Error);

/// A client of one zooid. Connections are pooled; share one client among all tasks.
pub struct ZooidClient {
    http: Client,
    api_url: Url,
    signing_key: SigningKey,
    pub(super) timeout: Duration,
    redactor: Redactor,
    /// Our public key as `npub1...`, for the operator who has to let it in.
    signer: String,
    clock: SharedClock,
}

impl ZooidClient {
    /// `redactor` must know every secret that zooid may send back.
    ///
    /// # Errors
    /// When TLS cannot be initialised.
    pub fn new(
        config: ZooidConfig,
        redactor: Redactor,
        clock: SharedClock,
    ) -> Result<Self, ZooidClientError> {
        let http = builder(config.timeout).build()?;
        Ok(Self {
            http,
            api_url: config.api_url.url().clone(),
            signer: npub(&config.signing_key),
            signing_key: config.signing_key,
            timeout: config.timeout,
            redactor,
            clock,
        })
    }

    /// The members of a relay, sorted. Entries that are no public keys are left out: nobody can be one.
    ///
    /// # Errors
    /// When zooid gives no list within `timeout`.
    pub async fn members(
        &self,
        id: &RelayId,
        timeout: Duration,
    ) -> Result<Vec<Pubkey>, SyncFailure> {
        let (answer, exchange) = self.get_members(id, timeout).await;
        answer.into_result().map(|()| members_in(&exchange))
    }

    /// Whether zooid answers and knows us. It need not have the relay for that, nor a readable file of it.
    ///
    /// # Errors
    /// When it does not within `timeout`.
    pub async fn probe(&self, id: &RelayId, timeout: Duration) -> Result<(), SyncFailure> {
        let (answer, _) = self.get_members(id, timeout).await;
        match answer {
            // A file of this relay alone that cannot be read is written anew by its next sync, which an open circuit
            // would hold back for ever.
            Answer::NotFound(_) | Answer::Unusable(_) => Ok(()),
            answer @ (Answer::Accepted | Answer::AlreadyExists(_) | Answer::Failed(_)) => {
                answer.into_result()
            }
        }
    }

    async fn get_members(&self, relay: &RelayId, timeout: Duration) -> (Answer, Exchange) {
        self.call(Call {
            method: Method::GET,
            relay,
            suffix: "/members",
            json: None,
            success_field: "members",
            timeout,
            body_limit: MEMBERS_MAX_BYTES,
        })
        .await
    }

    /// Sends a configuration, or none to have it removed.
    pub(super) async fn send(
        &self,
        verb: Verb,
        relay: &RelayId,
        body: Option<&Value>,
        timeout: Duration,
    ) -> (Answer, Option<u16>) {
        let method = match verb {
            Verb::Post => Method::POST,
            Verb::Put => Method::PUT,
            Verb::Patch => Method::PATCH,
            Verb::Delete => Method::DELETE,
        };
        let call = Call {
            method,
            relay,
            suffix: "",
            json: body.map(|body| body.to_string().into_bytes()),
            success_field: "message",
            timeout,
            body_limit: ANSWER_MAX_BYTES,
        };
        let (answer, exchange) = self.call(call).await;
        (answer, exchange.status())
    }

    async fn call(&self, call: Call<'_>) -> (Answer, Exchange) {
        let span = info_span!(
            "zooid.request",
            relay.id = %call.relay,
            http.method = %call.method,
            http.status = field::Empty,
            duration_ms = field::Empty,
        );
        let started = self.clock.monotonic();
        let asked = Asked {
            method: call.method.clone(),
            success_field: call.success_field,
            signer: &self.signer,
        };
        let exchange = self.exchange(call).instrument(span.clone()).await;
        let took = self.clock.monotonic().saturating_sub(started);
        span.record("http.status", exchange.status());
        // As a u64: loggers write wider numbers as text.
        span.record("duration_ms", u64::try_from(took.as_millis()).ok());
        (
            classify(&asked, &exchange, &self.redactor, self.clock.now()),
            exchange,
        )
    }

    async fn exchange(&self, call: Call<'_>) -> Exchange {
        // A relay id is letters and digits, so the path reads the same before and after decoding.
        let mut url = self.api_url.clone();
        url.set_path(&format!("/relay/{}{}", call.relay, call.suffix));
        let signed = nip98::authorization(
            self.clock.as_ref(),
            self.signing_key.keys(),
            url.as_str(),
            Some(call.method.as_str()),
            call.json.as_deref(),
        );
        let authorization = match signed {
            Ok(authorization) => authorization,
            Err(error) => {
                return Exchange::Unanswered {
                    phase: Phase::Preparing,
                    cause: error.to_string(),
                };
            }
        };
        let request = Request {
            method: call.method,
            url,
            headers: vec![(AUTHORIZATION, authorization)],
            json: call.json,
            timeout: call.timeout,
            body_limit: call.body_limit,
        };
        request.send(&self.http).await
    }

    /// A failure of our own, before anything was sent.
    pub(super) fn our_fault(&self, what: &str, cause: &dyn std::fmt::Display) -> SyncFailure {
        SyncFailure {
            kind: FailureKind::OurFault,
            status: None,
            message: self.redactor.redact(&format!("{what}: {cause}")),
            excerpt: None,
            retry_after: None,
            taken: None,
        }
    }
}

/// How zooids are called, with calls of at most `timeout`.
pub(super) fn builder(timeout: Duration) -> ClientBuilder {
    Client::builder()
        .user_agent(concat!("caravel/", env!("CARGO_PKG_VERSION")))
        // Nothing between us and zooid but what the operator configured, and no call that we did not count: a followed
        // redirect would carry a body with secrets elsewhere.
        .no_proxy()
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .connect_timeout(CONNECT_TIMEOUT.min(timeout / 2))
        .pool_idle_timeout(POOL_IDLE)
}

/// A call of the management API.
struct Call<'a> {
    method: Method,
    relay: &'a RelayId,
    /// What follows the id in the path.
    suffix: &'static str,
    json: Option<Vec<u8>>,
    success_field: &'static str,
    timeout: Duration,
    body_limit: usize,
}

/// The public half. bech32 of 32 bytes cannot fail; hex would be the honest answer if it ever did.
fn npub(key: &SigningKey) -> String {
    let public = key.public_key();
    public.to_bech32().unwrap_or_else(|_| public.to_hex())
}

fn members_in(exchange: &Exchange) -> Vec<Pubkey> {
    let Exchange::Answered { body, .. } = exchange else {
        return Vec::new();
    };
    // Go writes an empty list as null.
    let Some(Value::Array(entries)) = body.field("members") else {
        return Vec::new();
    };
    entries
        .iter()
        .filter_map(|entry| entry.as_str()?.parse().ok())
        .collect()
}
