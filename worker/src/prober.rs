//! Finding out that a zooid is back: the probes of open circuits, and those that operators ask for.
//!
//! Every worker looks for due probes; the database lets each be taken once. A look is one small read, so it is done every
//! second rather than planned: an operator's request, another worker's circuit and a pause that has ended are all found
//! the same way.

use std::{sync::Arc, time::Duration};

use shared::{
    clock::SharedClock,
    db::{Db, SqlError, WriteError, WriteTx},
    domain::{RelayId, SyncFailure, ZooidDomain},
    queue::probe::{self, DueProbe},
};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::zooids::Zooids;

/// Between two looks: how long an operator waits for a probe at most.
const TICK: Duration = Duration::from_secs(1);

/// What a probe's lease is longer than its call: time to record the answer.
const RECORDING: Duration = Duration::from_secs(5);

#[derive(Debug, thiserror::Error)]
enum ProbeError {
    #[error("cannot run the statements of a probe")]
    Sql(#[from] SqlError),
    #[error("cannot commit a probe")]
    Write(#[from] WriteError),
}

/// Probes on behalf of one worker.
#[derive(Clone)]
pub(crate) struct Prober {
    pub(crate) db: Db,
    pub(crate) clock: SharedClock,
    pub(crate) zooids: Arc<Zooids>,
    /// The deadline of one call.
    pub(crate) timeout: Duration,
}

impl Prober {
    /// Probes what is due until `stop`. Probes under way are dropped then; others make them when their lease is over.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let this = Arc::new(self);
        let mut probes = JoinSet::new();
        loop {
            match this.take_due().await {
                Ok(due) => {
                    for probe in due {
                        // Each on its own: a zooid that does not answer keeps nobody waiting for the others.
                        probes.spawn(Arc::clone(&this).carry_out(probe).in_current_span());
                    }
                }
                Err(error) => tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "cannot look for due probes; looking again"
                ),
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = this.clock.sleep_until(this.clock.now() + TICK) => {}
            }
            while let Some(ended) = probes.try_join_next() {
                if let Err(error) = ended {
                    tracing::error!(%error, "a probe broke; it is made again when its lease is over");
                }
            }
        }
    }

    async fn take_due(&self) -> Result<Vec<DueProbe>, ProbeError> {
        let now = self.clock.now();
        let targets: Vec<ZooidDomain> = self.zooids.iter().map(|(name, _)| name.clone()).collect();
        if !probe::any_due(self.db.readers(), now, &targets).await? {
            return Ok(Vec::new());
        }
        let lease = self.timeout + RECORDING;
        self.db
            .write(async move |tx: &mut WriteTx| {
                let due = probe::take_due(tx, now, &targets, lease).await?;
                Ok::<_, ProbeError>(due)
            })
            .await
    }

    async fn carry_out(self: Arc<Self>, due: DueProbe) {
        let Some(zooid) = self.zooids.of(&due.target) else {
            return;
        };
        // Any id will do: zooid need not have the relay.
        let relay = due.relay.unwrap_or_else(|| {
            RelayId::generate(self.clock.now().timestamp_millis(), &mut rand::rng())
        });
        let said = zooid.client.probe(&relay, self.timeout).await;
        match &said {
            Ok(()) => tracing::info!(target.name = %due.target, "zooid answers"),
            Err(failure) => tracing::warn!(
                target.name = %due.target,
                error = failure as &dyn std::error::Error,
                "zooid does not answer as it should"
            ),
        }
        while let Err(error) = self.record(&due.target, &said).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "cannot record a probe; trying again"
            );
            self.clock.sleep_until(self.clock.now() + TICK).await;
        }
    }

    async fn record(
        &self,
        target: &ZooidDomain,
        said: &Result<(), SyncFailure>,
    ) -> Result<(), ProbeError> {
        let (name, now) = (target.clone(), self.clock.now());
        let said = said.clone().map_err(|failure| failure.message);
        let closed = self
            .db
            .write(async move |tx: &mut WriteTx| {
                let said = said.as_ref().copied().map_err(String::as_str);
                Ok::<_, ProbeError>(probe::record(tx, now, &name, said).await?)
            })
            .await?;
        if closed {
            tracing::info!(target.name = %target, "zooid is back; its jobs run again");
        }
        Ok(())
    }
}
