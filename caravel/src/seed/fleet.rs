//! Who takes part: tenants, targets and workers before anything happens, and each relay when its time has come.

use std::sync::Arc;

use anyhow::Context as _;
use chrono::{DateTime, TimeDelta, Utc};
use nostr::key::{Keys, SecretKey};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use shared::{
    clock::ManualClock,
    command::{CommandError, Context, Entropy, relay::draft, tenant},
    config::BlossomStorage,
    crypto::Sealer,
    db::{Db, WriteTx},
    domain::{
        DesiredRelay, Generation, NewRelay, NewTenant, PlanId, Pubkey, RelaySettings, RelayStatus,
        Subdomain, ZooidDomain,
    },
    queue::JOB_TYPE,
    repositories::relay::RelayDraft,
    zooid::Preview,
};

use super::{
    causes, names,
    plan::{DOWN, DOWN_FOR, Fate, HISTORY, RelayPlan, TARGETS},
    progress,
};

/// Tenants that one write adds.
const BATCH: usize = 200;

/// The processes that made the attempts, and whether they died.
const WORKERS: [(&str, bool); 3] = [
    ("seed-worker-1", false),
    ("seed-worker-2", false),
    ("seed-worker-3", true),
];

/// What relays say of themselves, now and before their last edit.
const DESCRIPTIONS: [&str; 2] = ["Everybody is welcome.", "Opens soon."];

/// What is filled, and with what.
pub struct Installation {
    /// The database.
    pub db: Db,
    /// Seals the relays' keys.
    pub sealer: Sealer,
    /// Attempts of a job.
    pub max_attempts: u32,
    /// Where keys and ids come from.
    pub seed: u64,
    /// The present.
    pub now: DateTime<Utc>,
    /// The number of the first name that is free.
    pub first_name: usize,
}

/// Everybody, and what is needed to write what happens to them.
pub struct Fleet {
    /// The database.
    pub db: Db,
    /// The present.
    pub now: DateTime<Utc>,
    /// Attempts of a job.
    pub max_attempts: u32,
    /// Where ids come from.
    pub rng: StdRng,
    /// What is to become of the relays.
    pub relays: Vec<RelayPlan>,
    /// Those that have been created, in the same places.
    pub members: Vec<Member>,
    tenants: Vec<Pubkey>,
    targets: Vec<ZooidDomain>,
    first_name: usize,
    context: Context,
    clock: ManualClock,
    preview: Preview,
}

/// A relay that has been created.
pub struct Member {
    /// What it is to be in the end.
    pub desired: DesiredRelay,
    /// Under which label it was accepted, if that was another one.
    earlier: Option<Subdomain>,
}

/// Adds tenants, targets and workers.
pub async fn found(
    installation: Installation,
    tenants: usize,
    relays: Vec<RelayPlan>,
) -> anyhow::Result<Fleet> {
    let Installation {
        db,
        sealer,
        max_attempts,
        seed,
        now,
        first_name,
    } = installation;
    let mut rng = StdRng::seed_from_u64(seed);
    let clock = ManualClock::new(now - TimeDelta::milliseconds(HISTORY));
    let context = Context {
        clock: Arc::new(clock.clone()),
        sealer: sealer.clone(),
        entropy: Entropy::seeded(seed),
        max_attempts,
    };
    let tenants = (0..tenants)
        .map(|_| pubkey(&mut rng))
        .collect::<anyhow::Result<Vec<Pubkey>>>()?;
    add_tenants(&db, &context, &tenants).await?;
    add_targets_and_workers(&db, now).await?;
    let targets = TARGETS.map(|(name, _)| name.parse());
    Ok(Fleet {
        members: Vec::with_capacity(relays.len()),
        targets: targets.into_iter().collect::<Result<_, _>>()?,
        preview: Preview::new(BlossomStorage::Local, None, sealer),
        db,
        now,
        max_attempts,
        rng,
        relays,
        tenants,
        first_name,
        context,
        clock,
    })
}

impl Fleet {
    /// The next relay, created at `at`: the row as its tenant wants it in the end.
    pub fn create(&mut self, at: i64) -> anyhow::Result<RelayDraft> {
        let place = self.members.len();
        let plan = &self.relays[place];
        self.clock.set(moment(at)?);
        let (own_label, name) = names::of_relay(self.first_name + place);
        let (label, earlier) = match (plan.fate, plan.partner) {
            (Fate::Leaving, Some(_)) => (format!("{own_label}-moved"), Some(own_label)),
            (Fate::Blocked, Some(partner)) => (
                names::of_relay(self.first_name + partner).0,
                Some(own_label),
            ),
            (_, Some(_) | None) => (own_label, None),
        };
        let plan_id = match self.rng.random_range(0..10) {
            0 => PlanId::Growth,
            1 | 2 => PlanId::Basic,
            _ => PlanId::Free,
        };
        let new = NewRelay {
            tenant_pubkey: self.tenants[plan.tenant].clone(),
            zooid_domain: self.targets[plan.target].clone(),
            settings: RelaySettings {
                info_name: name,
                info_description: DESCRIPTIONS[0].to_owned(),
                policy_public_read: self.rng.random(),
                ..RelaySettings::defaults(label.parse()?, plan_id)
            },
        };
        let mut draft = draft(&self.context, new);
        draft.relay.generation = Generation::try_from(plan.generation)?;
        draft.relay.updated_at = plan.edited_at / 1000;
        if plan.fate == Fate::Synced && self.rng.random_ratio(1, 30) {
            draft.relay.status = RelayStatus::Inactive;
        }
        self.members.push(Member {
            desired: DesiredRelay::from(&draft.relay),
            earlier: earlier.map(|label| label.parse()).transpose()?,
        });
        Ok(draft)
    }

    /// What zooid accepted of a relay that was accepted: as it is, or as it was before its last edit.
    pub fn accepted(&self, place: usize) -> String {
        let Member { desired, earlier } = &self.members[place];
        let mut accepted = desired.clone();
        if self.relays[place].fate != Fate::Synced {
            DESCRIPTIONS[1].clone_into(&mut accepted.settings.info_description);
        }
        if let Some(label) = earlier {
            accepted.settings.subdomain = label.clone();
        }
        self.preview.record(&accepted).to_string()
    }
}

/// The worker that made an attempt of a relay; one that died was another.
pub fn worker(place: usize, is_lost: bool) -> &'static str {
    let mut workers = WORKERS.iter().filter(|(_, died)| *died == is_lost);
    let among = workers.clone().count();
    workers.nth(place % among).map_or("", |(id, _)| id)
}

/// A moment from unix milliseconds.
pub fn moment(at: i64) -> anyhow::Result<DateTime<Utc>> {
    DateTime::from_timestamp_millis(at).context("tell a time")
}

fn pubkey(rng: &mut StdRng) -> anyhow::Result<Pubkey> {
    // Nearly every number is a key.
    loop {
        let bytes: [u8; 32] = rng.random();
        if let Ok(secret) = SecretKey::from_slice(&bytes) {
            return Ok(Keys::new(secret).public_key().try_into()?);
        }
    }
}

async fn add_tenants(db: &Db, context: &Context, tenants: &[Pubkey]) -> anyhow::Result<()> {
    let mut done = 0;
    for batch in tenants.chunks(BATCH) {
        let (step, batch, context) = (batch.len(), batch.to_vec(), context.clone());
        db.write(async move |tx: &mut WriteTx| -> Result<(), CommandError> {
            for pubkey in batch {
                let new = NewTenant {
                    pubkey,
                    return_url: None,
                };
                tenant::create(tx, &context, new).await?;
            }
            Ok(())
        })
        .await?;
        done += step;
        progress("tenants", done, step, tenants.len());
    }
    Ok(())
}

async fn add_targets_and_workers(db: &Db, now: DateTime<Utc>) -> anyhow::Result<()> {
    db.write(async move |tx: &mut WriteTx| -> Result<(), CommandError> {
        let (now, began) = (now.timestamp_millis(), now.timestamp_millis() - HISTORY);
        for (place, (name, _)) in TARGETS.into_iter().enumerate() {
            let is_down = place == DOWN;
            sqlx::query(
                "INSERT INTO target (name, url, circuit_state, circuit_since, circuit_reason, failures, several_relays,
                                     probe_failures, next_probe_at, probed_at, probe_error)
                 VALUES ($1, 'http://' || $1 || ':3334', $2, $3, $4, $5, $6, $5, $7, $8, $4)
                 ON CONFLICT (name) DO NOTHING",
            )
            .bind(name)
            .bind(if is_down { "open" } else { "closed" })
            .bind(if is_down { now - DOWN_FOR } else { began })
            .bind(if is_down {
                causes::DOWN.message.replace("{verb}", "GET")
            } else {
                String::new()
            })
            .bind(if is_down { 5 } else { 0 })
            .bind(is_down)
            .bind(is_down.then_some(now + 40_000))
            .bind(is_down.then_some(now - 20_000))
            .execute(&mut *tx)
            .await?;
        }
        for (id, died) in WORKERS {
            sqlx::query(
                "INSERT INTO Workers (id, worker_type, storage_name, layers, last_seen, started_at)
                 VALUES ($1, $2, 'caravel', 'SyncLayer', $3 / 1000, $4 / 1000)
                 ON CONFLICT (id) DO NOTHING;
                 INSERT INTO worker_heartbeat (worker_id, counter, beat_at, started_at, stopped_at, dead_at, pid, slots)
                 VALUES ($1, 1, $3, $4, $5, $6, 1, 16)
                 ON CONFLICT (worker_id) DO NOTHING",
            )
            .bind(id)
            .bind(JOB_TYPE)
            .bind(now)
            .bind(began)
            .bind((!died).then_some(now))
            .bind(died.then_some(now))
            .execute(&mut *tx)
            .await?;
        }
        Ok(())
    })
    .await?;
    Ok(())
}
