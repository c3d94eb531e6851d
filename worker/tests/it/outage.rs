//! A zooid that is down for ten minutes while thousands of relays wait for it.

use futures::{StreamExt as _, stream};
use shared::{clock::Clock as _, domain::PlanId};
use zooid_sim::{Fault, Verb};

use crate::installation::{EU, Installation};

const RELAYS: usize = 5_000;
const SLOTS: u64 = 8;
/// Failures that open a circuit: one less than these, and a full set of calls under way, may still go out.
const FAILURES_TO_OPEN: u64 = 5;
/// Probes in ten minutes: after 5, 10, 20 and 40 s, and then every minute.
const PROBES: u64 = 4 + 9;
const SYNCED: &str = "SELECT CAST(count(*) AS TEXT) FROM relay_sync WHERE state = 'synced'";
const CIRCUIT: &str = "SELECT circuit_state FROM target WHERE name = 'eu.example.com'";
const NEXT_PROBE: &str =
    "SELECT CAST(next_probe_at AS TEXT) FROM target WHERE name = 'eu.example.com'";
const PROBED: &str =
    "SELECT CAST(coalesce(probed_at, 0) AS TEXT) FROM target WHERE name = 'eu.example.com'";

/// Lets ten minutes pass. Each probe that falls due is made and recorded before time goes on, however slow the machine is.
async fn pass_ten_minutes(installation: &Installation) {
    let end = installation.clock.now().timestamp_millis() + 600_000;
    loop {
        let probed = installation.text(PROBED).await;
        let due: i64 = installation.text(NEXT_PROBE).await.parse().unwrap();
        let left = due.min(end) - installation.clock.now().timestamp_millis();
        installation
            .pass_in_leaps(u32::try_from(left / 1000 + 1).unwrap_or_default())
            .await;
        if due > end {
            return;
        }
        installation.until_not(&probed, PROBED).await;
    }
}

#[tokio::test]
async fn an_outage_of_ten_minutes_costs_a_call_a_probe_and_no_attempt() {
    let installation = Installation::new().await;
    installation.eu.inject(Fault::status(502)).unwrap();
    stream::iter(0..RELAYS)
        .for_each_concurrent(64, async |number| {
            let name = format!("r{number}");
            installation.create(EU, &name, PlanId::Free).await;
        })
        .await;

    let worker = installation.worker(&[("WORKER_CONCURRENCY", "8")]).await;
    installation.until("open", CIRCUIT).await;
    pass_ten_minutes(&installation).await;

    let calls = installation.eu.totals().calls;
    let probes = calls.get(&Verb::Members).copied().unwrap_or_default();
    let syncs = calls.values().sum::<u64>() - probes;
    assert!(
        syncs < FAILURES_TO_OPEN + SLOTS,
        "{syncs} calls although the circuit is open"
    );
    assert!((PROBES / 2..=PROBES).contains(&probes), "{probes} probes");
    let spent = "SELECT CAST(sum(attempts) AS TEXT) FROM Jobs";
    assert_eq!(installation.text(spent).await, "0");

    installation.eu.clear_faults();
    installation.eu.forget_calls();
    installation.pass(60).await;
    installation
        .until_at_last(&RELAYS.to_string(), SYNCED)
        .await;

    let most = installation.eu.max_in_flight() as u64;
    assert!(
        most <= SLOTS + 1,
        "{most} calls at a time, a probe among them"
    );
    let given_up = "SELECT CAST(count(*) AS TEXT) FROM Jobs WHERE status = 'Killed'";
    assert_eq!(installation.text(given_up).await, "0");
    worker.stop().await;
}
