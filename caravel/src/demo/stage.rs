//! What the story is played on: people who call the API, and the stand-in for zooid.

use std::time::Duration;

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
    domain::{Relay, SyncState},
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
    /// Where it stands.
    pub sync_state: String,
}

/// The stand-ins.
pub struct Zooids {
    /// Serves most relays.
    pub zooid: ZooidSim,
    /// Serves some, and goes down now and then.
    pub annex: ZooidSim,
}

/// The API as its clients see it, and what stands behind it.
pub struct Stage {
    /// The stand-ins.
    pub zooids: Zooids,
    /// Everybody's keys.
    pub keys: Keyring,
    /// The database, for what is broken by hand.
    pub db: Db,
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
        zooids: Zooids,
        db: &Db,
        reported: watch::Receiver<Relays>,
    ) -> anyhow::Result<Self> {
        let http = Client::builder()
            .timeout(REQUEST_TIMEOUT)
            .no_proxy()
            .build()
            .context("set up an http client")?;
        Ok(Self {
            zooids,
            keys,
            http,
            api_url,
            query: Query::new(db),
            db: db.clone(),
            reported,
        })
    }

    /// Ends the stand-ins.
    pub async fn close(self) {
        self.zooids.zooid.shutdown().await;
        self.zooids.annex.shutdown().await;
    }

    /// Says where everything is and what can be tried; `dashboard` is a link that signs in there.
    pub fn introduce(&self, dashboard: &str) -> anyhow::Result<()> {
        let Self {
            api_url, zooids, ..
        } = self;
        let admin = self.keys.admin()?;
        let session = nip98::authorization(&SystemClock, &admin, api_url, None, None)?;
        let program = std::env::current_exe().context("find this program")?;
        let faults =
            |zooid: &ZooidSim| zooid.admin_addr().context("the stand-in has no fault port");
        screen::heading("Caravel demo")?;
        screen::line(&format!("  API        {api_url}"))?;
        for (name, zooid) in [("zooid-sim", &zooids.zooid), ("another", &zooids.annex)] {
            screen::line(&format!(
                "  {name:10} {}, faults at http://{}",
                zooid.api_url(),
                faults(zooid)?
            ))?;
        }
        screen::line(&format!("  database   {}", self.db.path().display()))?;
        screen::line(&format!("  admin      {}", admin.public_key().to_bech32()?))?;
        screen::line(&format!("             {}", admin.secret_key().to_bech32()?))?;
        screen::heading("Look at the dashboard (the link signs in once, within ten minutes)")?;
        screen::line(&format!("  {dashboard}"))?;
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
            "  curl -s http://{}/faults --json '{{\"span\": {{\"calls\": 3}}, \"effect\": {{\"answer\": {{\"status\": 503}}}}}}'",
            faults(&zooids.zooid)?
        ))?;
        screen::line("")?;
        Ok(())
    }

    /// Calls the API as whoever has these keys.
    pub async fn call(
        &self,
        keys: &Keys,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> anyhow::Result<Value> {
        let url = format!("{}{path}", self.api_url);
        self.send(keys, method, &url, body).await
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
        let record = self.zooids.zooid.record(relay);
        record.calls.len() + usize::try_from(record.forgotten).unwrap_or(usize::MAX)
    }

    /// Creates a relay in zooid behind Caravel's back, with a key that zooid knows.
    pub async fn squat(&self, id: &str, config: Value) -> anyhow::Result<()> {
        let url = format!("{}/relay/{id}", self.zooids.zooid.api_url());
        let keys = self.keys.signing()?;
        self.send(&keys, Method::POST, &url, Some(config)).await?;
        Ok(())
    }

    /// Removes it again.
    pub async fn remove(&self, id: &str) -> anyhow::Result<()> {
        let url = format!("{}/relay/{id}", self.zooids.zooid.api_url());
        let keys = self.keys.signing()?;
        self.send(&keys, Method::DELETE, &url, None).await?;
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
        self.until_in_step(|_| true).await
    }

    /// The same for one relay.
    pub async fn relay_in_step(&self, relay: &SampleRelay) -> anyhow::Result<()> {
        self.until_in_step(|other| other.id.as_str() == relay.id)
            .await
    }

    async fn until_in_step(&self, concerns: impl Fn(&Relay) -> bool) -> anyhow::Result<()> {
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
            if relays
                .iter()
                .filter(|relay| concerns(relay))
                .all(is_reported)
            {
                return Ok(());
            }
            reported.changed().await.context("wait for a report")?;
        }
    }

    /// Waits until a failure of the relay has been reported.
    pub async fn failed(&self, relay: &SampleRelay) -> anyhow::Result<()> {
        self.until_reported(relay, |seen| !seen.sync_error.is_empty())
            .await
    }

    /// Waits until it has been reported that the relay is in this state.
    pub async fn in_state(&self, relay: &SampleRelay, state: SyncState) -> anyhow::Result<()> {
        self.until_reported(relay, |seen| seen.sync_state == state)
            .await
    }

    async fn until_reported(
        &self,
        relay: &SampleRelay,
        is: impl Fn(&Relay) -> bool,
    ) -> anyhow::Result<()> {
        let is_it = |other: &Relay| other.id.as_str() == relay.id && is(other);
        self.reported
            .clone()
            .wait_for(|relays| relays.values().any(is_it))
            .await
            .context("wait for a report")?;
        Ok(())
    }
}
