//! What fifty thousand held jobs of one target cost the relays of another.

use std::time::{Duration, Instant};

use futures::{StreamExt as _, stream};
use shared::{
    clock::{Clock as _, SystemClock},
    command::Trace,
    command::operator::{ByOperator, TargetAction},
    db::Role,
    domain::{Actor, NewRelay, PlanId, RelaySettings, ZooidDomain},
    queue,
};
use tokio_util::sync::CancellationToken;

use crate::{
    fixture::{self, Fixture},
    noop_worker,
    stats::Percentiles,
};

const HELD: usize = 50_000;
const SAMPLES: usize = 300;

pub async fn run() {
    let fixture = Fixture::new().await;
    let worker_db = fixture::open(fixture.database(), Role::Background).await;
    let stop = CancellationToken::new();
    let target: ZooidDomain = "held.example.com".parse().unwrap();
    let targets = vec![fixture::domain(), target.clone()];
    let worker = noop_worker::start_for(worker_db, targets.clone(), 64, stop.clone()).await;
    let (alone_pickup, alone_look) = measure(&fixture, &targets, "a").await;

    create_one(&fixture, &target, "first").await;
    fixture.all_synced().await;
    let by = ByOperator {
        actor: Actor::Shell,
        trace: Trace::none(),
    };
    fixture
        .command
        .act_on_target(by, target.clone(), TargetAction::Pause)
        .await
        .unwrap();
    stream::iter(0..HELD)
        .for_each_concurrent(128, async |number| {
            create_one(&fixture, &target, &format!("h{number}")).await;
        })
        .await;
    let (held_pickup, held_look) = measure(&fixture, &targets, "b").await;
    stop.cancel();
    worker.ended().await.unwrap();

    for (what, alone, held) in [
        ("a look for due jobs", alone_look, held_look),
        (
            "create to accepted, claim and outcome included",
            alone_pickup,
            held_pickup,
        ),
    ] {
        println!(
            "{what}: p50 {:.2} ms beside {HELD} held jobs, {:.2} ms without ({:.2} times); p99 {:.2} ms and {:.2} ms (a claim wanted: under 2)",
            held.at(50),
            alone.at(50),
            held.at(50) / alone.at(50),
            held.at(99),
            alone.at(99),
        );
    }
}

/// How long relays of the healthy target take, and how long a look for due jobs takes.
async fn measure(
    fixture: &Fixture,
    targets: &[ZooidDomain],
    prefix: &str,
) -> (Percentiles, Percentiles) {
    let (mut pickups, mut looks) = (Vec::new(), Vec::new());
    for number in 0..SAMPLES {
        let relay = fixture.create(&format!("{prefix}{number}")).await;
        let committed = Instant::now();
        let id = relay.id.as_str();
        while !is_synced(fixture, id).await {
            assert!(
                committed.elapsed() < Duration::from_secs(10),
                "never accepted"
            );
        }
        pickups.push(committed.elapsed());
        let began = Instant::now();
        queue::oldest_due(&fixture.db, SystemClock.now(), targets)
            .await
            .unwrap();
        looks.push(began.elapsed());
    }
    (Percentiles::of(pickups), Percentiles::of(looks))
}

async fn is_synced(fixture: &Fixture, relay: &str) -> bool {
    sqlx::query_scalar(
        "SELECT synced_generation = desired_generation FROM relay_sync WHERE relay_id = $1",
    )
    .bind(relay)
    .fetch_one(fixture.db.readers())
    .await
    .unwrap()
}

async fn create_one(fixture: &Fixture, target: &ZooidDomain, subdomain: &str) {
    let new = NewRelay {
        tenant_pubkey: fixture.owner.clone(),
        zooid_domain: target.clone(),
        settings: RelaySettings::defaults(subdomain.parse().unwrap(), PlanId::Free),
    };
    fixture
        .command
        .create_relay(Trace::none(), new)
        .await
        .unwrap();
}
