//! What the story is played on: people who call the API, and the stand-in for zooid.

use std::{path::Path, time::Duration};

use anyhow::{Context as _, bail};
use nostr::{key::Keys, nips::nip19::ToBech32 as _};
use reqwest::{
    Client, Method,
    header::{AUTHORIZATION, CONTENT_TYPE},
};
use serde::Deserialize;
use serde_json::Value;
use shared::{
    clock::SystemClock,
    db::Db,
    domain::Relay,
    query::Query,
    repositories::{Pagination, relay::RelayFilter},
    zooid::nip98,
};
use tokio::sync::watch;
use zooid_sim::ZooidSim;

use super::{
    installation::Keyring,
    reporter::{Relays, is_in_step},
    screen,
};

/// The longest a request to the API may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// A relay, as the API lists it.
#[derive(Debug, Clone, Deserialize)]
pub struct SampleRelay {
    /// Its id.
    pub id: String,
    /// Its name.
    pub subdomain: String,
    /// Whose it is: a public key.
    pub tenant_pubkey: String,
}

/// The API as its clients see it, and what stands behind it.
pub struct Stage {
    /// The stand-in.
    pub zooid: ZooidSim,
    /// Everybody's keys.
    pub keys: Keyring,
    http: Client,
    api_url: String,
    query: Query,
    reported: watch::Receiver<Relays>,
}

impl Stage {
    /// Sets it up around an API that serves already.
    pub fn new(
        api_url: String,
        keys: Keyring,
        zooid: ZooidSim,
        db: &Db,
        reported: watch::Receiver<Relays>,
    ) -> anyhow::Result<Self> {
        let http = Client::builder()
            .timeout(REQUEST_TIMEOUT)
            .no_proxy()
            .build()
            .context("set up an http client")?;
        Ok(Self {
            zooid,
            keys,
            http,
            api_url,
            query: Query::new(db),
            reported,
        })
    }

    /// Ends the stand-in.
    pub async fn close(self) {
        self.zooid.shutdown().await;
    }

    /// Says where everything is and what can be tried.
    pub fn introduce(&self, database: &Path) -> anyhow::Result<()> {
        let Self { api_url, zooid, .. } = self;
        let admin = self.keys.admin()?;
        let session = nip98::authorization(&SystemClock, &admin, api_url, None, None)?;
        let program = std::env::current_exe().context("find this program")?;
        let faults = zooid
            .admin_addr()
            .context("the stand-in has no fault port")?;
        screen::heading("Caravel demo")?;
        screen::line(&format!("  API        {api_url}"))?;
        screen::line(&format!(
            "  zooid-sim  {}, faults at http://{faults}",
            zooid.api_url()
        ))?;
        screen::line(&format!("  database   {}", database.display()))?;
        screen::line(&format!("  admin      {}", admin.public_key().to_bech32()?))?;
        screen::line(&format!("             {}", admin.secret_key().to_bech32()?))?;
        screen::heading("List all relays as the admin (the header is good for 15 minutes)")?;
        screen::line(&format!(
            "  curl -s -H 'Authorization: {session}' {api_url}/relays"
        ))?;
        screen::heading("Make another header")?;
        screen::line(&format!(
            "  {} sign --url {api_url} --key {}",
            program.display(),
            admin.secret_key().to_secret_hex()
        ))?;
        screen::heading("Ask a relay who it is, once it is in step")?;
        screen::line(&format!(
            "  curl -s -H 'Accept: application/nostr+json' http://bakery.{}/",
            self.keys.relay_domain()
        ))?;
        screen::heading("Let the next three calls to zooid fail")?;
        screen::line(&format!(
            "  curl -s http://{faults}/faults --json '{{\"span\": {{\"calls\": 3}}, \"effect\": {{\"answer\": {{\"status\": 503}}}}}}'"
        ))?;
        screen::line("")?;
        Ok(())
    }

    /// Calls the API as a tenant.
    pub async fn call(
        &self,
        tenant: &Keys,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> anyhow::Result<Value> {
        let url = format!("{}{path}", self.api_url);
        self.send(tenant, method, &url, body).await
    }

    /// The keys of the relay's owner.
    pub fn owner(&self, relay: &SampleRelay) -> anyhow::Result<Keys> {
        self.keys
            .tenants()?
            .into_iter()
            .find(|keys| keys.public_key().to_hex() == relay.tenant_pubkey)
            .with_context(|| format!("nobody in this demo owns {}", relay.subdomain))
    }

    /// How many calls zooid had for the relay.
    pub fn calls(&self, relay: &str) -> usize {
        let record = self.zooid.record(relay);
        record.calls.len() + usize::try_from(record.forgotten).unwrap_or(usize::MAX)
    }

    /// Creates a relay in zooid behind Caravel's back, with a key that zooid knows.
    pub async fn squat(&self, id: &str, config: Value) -> anyhow::Result<()> {
        let url = format!("{}/relay/{id}", self.zooid.api_url());
        let keys = self.keys.signing()?;
        self.send(&keys, Method::POST, &url, Some(config)).await?;
        Ok(())
    }

    /// All relays, oldest first.
    pub async fn relays(&self) -> anyhow::Result<Vec<SampleRelay>> {
        let url = format!("{}/relays", self.api_url);
        let answer = self
            .send(&self.keys.admin()?, Method::GET, &url, None)
            .await?;
        serde_json::from_value(answer["data"].clone()).context("read the list of relays")
    }

    async fn send(
        &self,
        keys: &Keys,
        method: Method,
        url: &str,
        body: Option<Value>,
    ) -> anyhow::Result<Value> {
        let doing = || format!("{method} {url}");
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let authorization = nip98::authorization(
            &SystemClock,
            keys,
            url,
            Some(method.as_str()),
            Some(body.as_bytes()),
        )?;
        let answer = self
            .http
            .request(method.clone(), url)
            .header(AUTHORIZATION, authorization)
            .header(CONTENT_TYPE, "application/json")
            .body(body)
            .send()
            .await
            .with_context(doing)?;
        let status = answer.status();
        let text = answer.text().await.with_context(doing)?;
        if !status.is_success() {
            bail!("{method} {url} was answered {status}: {text}");
        }
        serde_json::from_str(&text).with_context(doing)
    }

    /// Waits until zooid has the newest settings of every relay, and that has been reported.
    pub async fn in_step(&self) -> anyhow::Result<()> {
        let mut reported = self.reported.clone();
        loop {
            let seen = reported.borrow_and_update().clone();
            let relays = self
                .query
                .list_relays(&RelayFilter::default(), &Pagination::all())
                .await
                .context("look at the relays")?;
            let is_reported = |relay: &Relay| {
                let seen = seen.get(&relay.id);
                seen.is_some_and(|seen| is_in_step(seen) && seen.generation == relay.generation)
            };
            if relays.iter().all(is_reported) {
                return Ok(());
            }
            reported.changed().await.context("wait for a report")?;
        }
    }

    /// Waits until a failure of the relay has been reported.
    pub async fn failed(&self, relay: &str) -> anyhow::Result<()> {
        let has_failed = |other: &Relay| other.id.as_str() == relay && !other.sync_error.is_empty();
        self.reported
            .clone()
            .wait_for(|relays| relays.values().any(has_failed))
            .await
            .context("wait for a report")?;
        Ok(())
    }
}
