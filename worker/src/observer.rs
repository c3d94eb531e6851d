//! Looking at relays where everybody meets them: whether they answer as zooid accepted them, and since when.
//!
//! Acceptance is what zooid answered, and a sync ends with it: looks run beside the queue, hold none of its slots and may
//! be late. One after each acceptance, and one in each period; the database lets each be made by one worker. A relay
//! that differs is looked at again for a while before that counts, because zooid loads a file a moment after it has
//! accepted it, and many of them one after the other when it has just started.

use std::{collections::HashMap, sync::Arc, time::Duration};

use futures::future::join_all;
use shared::{
    clock::SharedClock,
    config::{TargetConfig, WorkerConfig},
    crypto::{SealError, Sealer},
    db::{Db, SqlError, WriteError, WriteTx},
    domain::{ExpectedDocument, Malformed, Observation, RelaySecret, ZooidDomain},
    queue::observation::{self, DueLook, Enrolled, PERIOD, Recorded, Ticket},
    zooid::{LOOK_TIMEOUT, RelayViewer, Unseen, ZooidClientError},
};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

/// Between two reads of what was accepted and what is due. Each is a small one.
const TICK: Duration = Duration::from_millis(250);

/// How long a relay is given to answer as it was accepted.
const PATIENCE: Duration = Duration::from_secs(10);

/// The pause after the first look; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// The longest pause between two looks at a relay that differs.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// What the lease of a look is longer than the look: time to record it.
const RECORDING: Duration = Duration::from_secs(5);

/// Relays of one target that one worker looks at at the same time. Each target has its own, so that one which does not
/// answer keeps nobody waiting for the others.
const LOOKS_AT_ONCE: usize = 32;

#[derive(Debug, thiserror::Error)]
enum ObserveError {
    #[error("cannot run the statements of a look")]
    Sql(#[from] SqlError),
    #[error("cannot commit a look")]
    Write(#[from] WriteError),
}

/// Looks at the relays of all targets on behalf of one worker.
#[derive(Clone)]
pub(crate) struct Observer {
    db: Db,
    clock: SharedClock,
    sealer: Sealer,
    viewers: Arc<HashMap<ZooidDomain, RelayViewer>>,
    /// Attempts that a job enqueued here gets.
    max_attempts: u32,
}

impl Observer {
    pub(crate) fn new(
        db: Db,
        clock: SharedClock,
        config: &WorkerConfig,
    ) -> Result<Self, ZooidClientError> {
        let viewer = |target: &TargetConfig| {
            let viewer = RelayViewer::new(&target.zooid, config.redactor())?;
            Ok((target.domain.clone(), viewer))
        };
        let viewers: Result<_, ZooidClientError> = config.targets.iter().map(viewer).collect();
        Ok(Self {
            db,
            clock,
            sealer: config.sealer.clone(),
            viewers: Arc::new(viewers?),
            max_attempts: config.retry.max_attempts,
        })
    }

    /// Looks at what is due until `stop`. Looks under way are dropped then; others make them when their lease is over.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let watching = async {
            while let Err(error) = self.enrol().await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "cannot look for relays that were never looked at; trying again"
                );
                self.rest(TICK).await;
            }
            let targets = self.viewers.keys().map(|target| self.watch(target));
            tokio::join!(self.follow(), join_all(targets));
        };
        stop.run_until_cancelled(watching).await;
    }

    /// Adds the relays that were accepted before anybody looked, spread over a period.
    async fn enrol(&self) -> Result<(), ObserveError> {
        let now = self.clock.now();
        self.db
            .write(async move |tx: &mut WriteTx| {
                Ok::<_, ObserveError>(observation::begin(tx, now).await?)
            })
            .await?;
        let mut after = None;
        loop {
            let found = observation::unwatched(self.db.readers(), after.as_ref()).await?;
            let Some(last) = found.last() else {
                return Ok(());
            };
            after = Some(last.clone());
            let enrolled: Vec<Enrolled> = found
                .into_iter()
                .map(|relay| Enrolled {
                    relay,
                    due_at: (now + PERIOD.mul_f64(rand::random())).timestamp_millis(),
                })
                .collect();
            self.db
                .write(async move |tx: &mut WriteTx| {
                    Ok::<_, ObserveError>(observation::enrol(tx, &enrolled).await?)
                })
                .await?;
        }
    }

    /// Makes due what zooid accepts, for ever.
    async fn follow(&self) {
        loop {
            match self.follow_once().await {
                // There may be more.
                Ok(true) => continue,
                Ok(false) => {}
                Err(error) => tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "cannot follow what zooid accepts; trying again"
                ),
            }
            self.rest(TICK).await;
        }
    }

    /// Answers whether there was anything.
    async fn follow_once(&self) -> Result<bool, ObserveError> {
        let Some(unread) = observation::unread(self.db.readers()).await? else {
            return Ok(false);
        };
        let now = self.clock.now();
        self.db
            .write(async move |tx: &mut WriteTx| {
                Ok::<_, ObserveError>(observation::follow(tx, now, &unread).await?)
            })
            .await?;
        Ok(true)
    }

    /// Looks at what is due at one target, for ever.
    async fn watch(&self, target: &ZooidDomain) {
        let mut looks = JoinSet::new();
        loop {
            while let Some(ended) = looks.try_join_next() {
                if let Err(error) = ended {
                    tracing::error!(%error, "a look broke; it is made again when its lease is over");
                }
            }
            match self.take_due(target, LOOKS_AT_ONCE - looks.len()).await {
                Ok(due) => {
                    for look in due {
                        looks.spawn(self.clone().carry_out(look).in_current_span());
                    }
                }
                Err(error) => tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "cannot look for relays to look at; trying again"
                ),
            }
            self.rest(TICK).await;
        }
    }

    async fn take_due(
        &self,
        target: &ZooidDomain,
        limit: usize,
    ) -> Result<Vec<DueLook>, ObserveError> {
        let now = self.clock.now();
        if limit == 0 || !observation::any_due(self.db.readers(), now, target).await? {
            return Ok(Vec::new());
        }
        let target = target.clone();
        self.db
            .write(async move |tx: &mut WriteTx| {
                let lease = PATIENCE + LOOK_TIMEOUT + RECORDING;
                let due = observation::take_due(tx, now, &target, limit, lease).await?;
                Ok::<_, ObserveError>(due)
            })
            .await
    }

    async fn carry_out(self, look: DueLook) {
        let relay = look.desired.id.clone();
        let span = tracing::info_span!(
            "relay.look",
            relay.id = %relay,
            sync.generation = look.desired.generation.get(),
        );
        async {
            let ticket = look.ticket.clone();
            let recorded = match self.look(&look).await {
                Ok(seen) => self.record(ticket, seen).await,
                Err(LookError::Unseen(unseen)) => {
                    tracing::debug!(
                        error = &unseen as &dyn std::error::Error,
                        "nothing was to be learned of the relay; looking again"
                    );
                    self.put_off(ticket).await
                }
                Err(LookError::Unknown(unknown)) => {
                    tracing::error!(
                        error = &unknown as &dyn std::error::Error,
                        "cannot tell what the relay should show; looking again"
                    );
                    self.put_off(ticket).await
                }
            };
            if let Err(error) = recorded {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "cannot record a look; it is made again when its lease is over"
                );
            }
        }
        .instrument(span)
        .await;
    }

    /// Looks until the relay is in effect or its time is over: then what was seen last counts.
    async fn look(&self, look: &DueLook) -> Result<Observation, LookError> {
        let (viewer, expected) = self.prepare(look)?;
        let host = look.desired.host();
        let deadline = self.clock.now() + PATIENCE;
        let mut pause = FIRST_PAUSE;
        loop {
            let seen = viewer.look(&host, &expected).await;
            let is_live = seen.as_ref().is_ok_and(|seen| seen.drift.is_empty());
            let now = self.clock.now();
            if is_live || now >= deadline {
                return Ok(seen?);
            }
            self.clock.sleep_until((now + pause).min(deadline)).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Who looks, and what the relay should show.
    fn prepare(&self, look: &DueLook) -> Result<(&RelayViewer, ExpectedDocument), Unknown> {
        let relay = &look.desired;
        let viewer = self.viewers.get(&relay.zooid_domain);
        let viewer = viewer.ok_or(Unknown::Foreign)?;
        let secret = self.sealer.open(&look.secret, relay.id.as_str())?;
        let self_key = RelaySecret::parse(&secret)?.public_key()?;
        Ok((viewer, ExpectedDocument::new(relay, self_key)))
    }

    async fn record(&self, ticket: Ticket, seen: Observation) -> Result<(), ObserveError> {
        let (now, max_attempts) = (self.clock.now(), self.max_attempts);
        let drift = seen.drift.clone();
        let recorded = self
            .db
            .write(async move |tx: &mut WriteTx| {
                let recorded = observation::record(tx, now, &ticket, &seen, max_attempts).await?;
                Ok::<_, ObserveError>(recorded)
            })
            .await?;
        match recorded {
            Recorded::Live => tracing::debug!("the relay answers as zooid accepted it"),
            Recorded::Drifted => {
                tracing::warn!(
                    ?drift,
                    "the relay does not answer as zooid accepted it, although it was sent again"
                );
            }
            Recorded::Healing => {
                tracing::warn!(
                    ?drift,
                    "the relay does not answer as zooid accepted it; sending it again"
                );
            }
            Recorded::Outdated => tracing::debug!("the relay has changed since it was looked at"),
        }
        Ok(())
    }

    async fn put_off(&self, ticket: Ticket) -> Result<(), ObserveError> {
        let now = self.clock.now();
        self.db
            .write(async move |tx: &mut WriteTx| {
                Ok::<_, ObserveError>(observation::put_off(tx, now, &ticket).await?)
            })
            .await
    }

    async fn rest(&self, pause: Duration) {
        self.clock.sleep_until(self.clock.now() + pause).await;
    }
}

/// Why a look told nothing.
#[derive(Debug, thiserror::Error)]
enum LookError {
    /// Its host said nothing of the relay.
    #[error(transparent)]
    Unseen(#[from] Unseen),
    /// There was nothing to compare with.
    #[error(transparent)]
    Unknown(#[from] Unknown),
}

/// Why it cannot be known what a relay should show.
#[derive(Debug, thiserror::Error)]
enum Unknown {
    #[error("open the relay's secret")]
    Seal(#[from] SealError),
    #[error("read the relay's secret")]
    Secret(#[from] Malformed),
    /// Relays are taken target by target, so there is none.
    #[error("this worker serves no relays of that domain")]
    Foreign,
}
