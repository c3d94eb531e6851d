//! What happens, as it is committed: one line each, and the sums for the end.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
};

use anyhow::Context as _;
use shared::{
    clock::{Clock as _, SystemClock},
    db::Db,
    domain::{Activity, ActivityType, Relay, RelayId, ResourceType},
    query::Query,
    repositories::{Pagination, relay::RelayFilter},
};
use tokio::{
    sync::{
        broadcast::{Receiver, error::RecvError},
        watch,
    },
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use super::screen::{self, Tone};

/// Every relay as it was when something last happened to it.
pub type Relays = BTreeMap<RelayId, Relay>;

/// Follows the activities of this process from its start on.
pub struct Reporter {
    /// The relays, as of what has been reported.
    pub reported: watch::Receiver<Relays>,
    task: JoinHandle<anyhow::Result<Totals>>,
    end: CancellationToken,
}

/// What was done.
#[derive(Debug, Clone, Copy, Default)]
pub struct Totals {
    relays: usize,
    in_step: usize,
    /// Attempts to bring a relay in step, successful or not.
    attempts: usize,
    /// Failures after which zooid accepted the relay after all.
    recovered: usize,
}

impl Reporter {
    /// Begins. `names` are those of tenants, by public key.
    pub async fn start(db: &Db, names: HashMap<String, &'static str>) -> anyhow::Result<Self> {
        let activities = db.notify().subscribe();
        let query = Query::new(db);
        let relays: Relays = query
            .list_relays(&RelayFilter::default(), &Pagination::all())
            .await
            .context("look at the relays")?
            .into_iter()
            .map(|relay| (relay.id.clone(), relay))
            .collect();
        let (reports, reported) = watch::channel(relays.clone());
        let end = CancellationToken::new();
        let report = Report {
            query,
            names,
            relays,
            failures: HashMap::new(),
            attempts: 0,
            recovered: 0,
        };
        let task = tokio::spawn(report.follow(activities, reports, end.clone()));
        Ok(Self {
            reported,
            task,
            end,
        })
    }

    /// Reports what is left, and answers the sums.
    pub async fn end(self) -> anyhow::Result<Totals> {
        self.end.cancel();
        self.task.await.context("report what happens")?
    }
}

struct Report {
    query: Query,
    names: HashMap<String, &'static str>,
    relays: Relays,
    /// Failures of a relay since zooid last accepted it.
    failures: HashMap<RelayId, usize>,
    attempts: usize,
    recovered: usize,
}

impl Report {
    async fn follow(
        mut self,
        mut activities: Receiver<Activity>,
        reports: watch::Sender<Relays>,
        end: CancellationToken,
    ) -> anyhow::Result<Totals> {
        loop {
            let activity = tokio::select! {
                biased;
                activity = activities.recv() => activity,
                () = end.cancelled() => return Ok(self.totals()),
            };
            match activity {
                Ok(activity) => self.report(&activity).await?,
                Err(RecvError::Lagged(missed)) => {
                    screen::note(&format!("{missed} more things happened"))?;
                }
                Err(RecvError::Closed) => return Ok(self.totals()),
            }
            // What is still to be reported may contradict what a relay's row says already.
            if activities.is_empty() {
                reports.send_replace(self.relays.clone());
            }
        }
    }

    async fn report(&mut self, activity: &Activity) -> anyhow::Result<()> {
        let pubkey = activity.tenant_pubkey.as_str();
        let owner = self.names.get(pubkey).copied().unwrap_or("somebody");
        let (name, tone, text) = match activity.resource_type {
            ResourceType::Tenant => (owner.to_owned(), Tone::Neutral, "signed in".to_owned()),
            ResourceType::Relay => {
                let relay = self.query.get_relay(&activity.resource_id.parse()?).await?;
                self.relays.insert(relay.id.clone(), relay.clone());
                let (tone, text) = self.happened(activity.activity_type, &relay, owner);
                (relay.settings.subdomain.to_string(), tone, text)
            }
        };
        let Totals {
            relays, in_step, ..
        } = self.totals();
        screen::event(&name, tone, &text, &format!("{in_step}/{relays} in step"))?;
        Ok(())
    }

    fn happened(&mut self, what: ActivityType, relay: &Relay, owner: &str) -> (Tone, String) {
        match what {
            ActivityType::CreateTenant | ActivityType::UpdateTenant | ActivityType::UpdateRelay => {
                (Tone::Neutral, "edited".to_owned())
            }
            ActivityType::CreateRelay => (Tone::Neutral, format!("created by {owner}")),
            ActivityType::ActivateRelay => (Tone::Neutral, "turned on".to_owned()),
            ActivityType::DeactivateRelay => (Tone::Neutral, "turned off".to_owned()),
            ActivityType::RemoveRelay => (Tone::Neutral, "removed".to_owned()),
            ActivityType::CompleteRelaySync => (Tone::Good, self.accepted(&relay.id)),
            ActivityType::FailRelaySync => (Tone::Bad, self.failed(relay)),
        }
    }

    fn accepted(&mut self, relay: &RelayId) -> String {
        self.attempts += 1;
        match self.failures.remove(relay) {
            None => "accepted".to_owned(),
            Some(failures) => {
                self.recovered += failures;
                format!("recovered after {}", count(failures, "failure"))
            }
        }
    }

    fn failed(&mut self, relay: &Relay) -> String {
        self.attempts += 1;
        *self.failures.entry(relay.id.clone()).or_default() += 1;
        let why = match relay.sync_error.as_str() {
            "" => "It was put right meanwhile.",
            error => error,
        };
        match relay.next_attempt_at {
            Some(at) => {
                let wait = (at - SystemClock.now().timestamp()).max(0);
                format!("failed: {why} Next try in {wait} s")
            }
            None => format!("failed: {why}"),
        }
    }

    fn totals(&self) -> Totals {
        Totals {
            relays: self.relays.len(),
            in_step: self
                .relays
                .values()
                .filter(|relay| is_in_step(relay))
                .count(),
            attempts: self.attempts,
            recovered: self.recovered,
        }
    }
}

/// Whether zooid has the relay's newest settings.
pub fn is_in_step(relay: &Relay) -> bool {
    relay.synced_generation == relay.generation.get()
}

/// `1 failure`, `2 failures`.
pub fn count(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            relays,
            in_step,
            attempts,
            recovered,
        } = *self;
        write!(
            f,
            "{in_step} of {} in step after {}, {} recovered",
            count(relays, "relay"),
            count(attempts, "attempt"),
            count(recovered, "failure"),
        )
    }
}
