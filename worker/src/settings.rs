//! Bringing relays up to the settings that this worker was started with: zooid's URL, S3, `LiveKit`.
//!
//! Done once, when a worker has started. A worker that was started with other settings and still runs is not argued
//! with: who starts last wins, and what the other sends meanwhile is found when it is started anew. So two workers that
//! disagree never send the fleet back and forth.

use std::{sync::Arc, time::Duration};

use shared::{
    clock::SharedClock,
    db::{Db, SqlError, WriteError, WriteTx},
    domain::{RelayId, WorkerId, ZooidDomain},
    queue::settings::{self, AcceptedRelay, Outdated},
    zooid::{SettingsChange, Told},
};
use tokio_util::sync::CancellationToken;

use crate::zooids::Zooids;

/// The pause before a walk that failed is begun anew.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug, thiserror::Error)]
enum SettingsError {
    #[error("cannot compare settings with what relays were told")]
    Sql(#[from] SqlError),
    #[error("cannot commit relays that were told other settings")]
    Write(#[from] WriteError),
}

/// Brings the relays of all targets up, on behalf of one worker.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) db: Db,
    pub(crate) clock: SharedClock,
    pub(crate) zooids: Arc<Zooids>,
    pub(crate) worker: WorkerId,
    /// Attempts that a job enqueued here gets.
    pub(crate) max_attempts: u32,
}

/// What is known of a target before its relays are looked at.
struct Compared {
    target: ZooidDomain,
    /// The hash of this worker's settings.
    hash: String,
    change: SettingsChange,
}

impl Settings {
    /// Goes through all relays once. What the database refuses is tried again until `stop`.
    pub(crate) async fn run(self, stop: CancellationToken) {
        while let Some(Err(error)) = stop.run_until_cancelled(self.bring_up()).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "cannot look for relays with other settings; trying again"
            );
            let pause = self.clock.sleep_until(self.clock.now() + RETRY_PAUSE);
            stop.run_until_cancelled(pause).await;
        }
    }

    async fn bring_up(&self) -> Result<(), SettingsError> {
        let mut compared = Vec::new();
        for (target, zooid) in self.zooids.iter() {
            let settled = settings::settled_hash(self.db.readers(), target).await?;
            let change = settled.map_or(SettingsChange::default(), |hash| {
                zooid.renderer.change_since(&hash)
            });
            if !change.is_none() {
                let others = settings::other_workers(self.db.readers(), &self.worker).await?;
                tracing::warn!(
                    target.name = %target,
                    settings.changed = %change,
                    workers.others = others,
                    "settings changed since a worker last started; the relays they concern are sent again. Workers that still run with other settings go on sending those: restart them"
                );
            }
            compared.push(Compared {
                target: target.clone(),
                hash: zooid.renderer.fingerprint(),
                change,
            });
        }
        let relays = self.walk(&compared).await?;
        if relays > 0 {
            tracing::info!(relays, "enqueued relays that were told other settings");
        }
        self.db
            .write(async move |tx: &mut WriteTx| {
                for Compared { target, hash, .. } in &compared {
                    settings::settle(tx, target, hash).await?;
                }
                Ok::<_, SettingsError>(())
            })
            .await
    }

    /// Looks at every relay, and enqueues those that were told something else. Answers how many.
    async fn walk(&self, compared: &[Compared]) -> Result<usize, SettingsError> {
        let mut relays = 0;
        let mut after: Option<RelayId> = None;
        loop {
            let page = settings::accepted_relays(self.db.readers(), after.as_ref()).await?;
            let Some(last) = page.last() else {
                return Ok(relays);
            };
            after = Some(last.id.clone());
            let outdated: Vec<Outdated> = page
                .iter()
                .filter(|relay| self.is_outdated(relay, compared))
                .map(|relay| Outdated {
                    id: relay.id.clone(),
                    generation: relay.generation,
                })
                .collect();
            if outdated.is_empty() {
                continue;
            }
            let (now, max_attempts) = (self.clock.now(), self.max_attempts);
            relays += self
                .db
                .write(async move |tx: &mut WriteTx| {
                    let sent = settings::send_again(tx, now, &outdated, max_attempts).await?;
                    Ok::<_, SettingsError>(sent)
                })
                .await?;
        }
    }

    fn is_outdated(&self, relay: &AcceptedRelay, compared: &[Compared]) -> bool {
        let known = compared.iter().find(|known| known.target == relay.target);
        let (Some(known), Some(zooid)) = (known, self.zooids.of(&relay.target)) else {
            // Another worker's.
            return false;
        };
        // What was given up for good is tried again when something about it has changed, not at every start.
        if relay.given_up && known.change.is_none() {
            return false;
        }
        let told = Told {
            record: &relay.record,
            blossom_enabled: relay.blossom_enabled,
            livekit_enabled: relay.livekit_enabled,
        };
        zooid.renderer.has_changed_since(told, known.change)
    }
}
