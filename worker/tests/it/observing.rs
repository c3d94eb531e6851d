//! Whether relays are seen to answer as zooid accepted them, and what happens when they do not.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use shared::domain::PlanId;
use zooid_sim::{Effect, Fault, Phase, Verb, ZooidSim};

use crate::installation::{EU, Installation, US};

const VERIFY: (&str, &str) = ("ZOOID_VERIFY", "nip11");
/// Between two looks, in seconds.
const PERIOD: u32 = 15 * 60;

const SYNCED: &str = "SELECT CAST(count(*) AS TEXT) FROM relay_sync WHERE state = 'synced'";
/// Relays that were seen in effect at their newest generation.
const LIVE: &str = "SELECT CAST(count(*) AS TEXT)
    FROM relay_observation
    INNER JOIN relay ON relay.id = relay_observation.relay_id
    WHERE live_generation = generation AND drift_since IS NULL";
const HEALS: &str = "SELECT CAST(coalesce(sum(heals), 0) AS TEXT) FROM relay_observation";
const GENERATIONS: &str = "SELECT CAST(sum(generation) AS TEXT) FROM relay";

fn looks(zooid: &ZooidSim) -> u64 {
    *zooid.totals().calls.get(&Verb::Nip11).unwrap_or(&0)
}

/// Lets the time pass until the next check is due, and slowly at its end, as calls take time of their own.
async fn until_check(installation: &Installation) {
    installation.pass_in_leaps(PERIOD - 5).await;
    installation.pass(5).await;
}

fn patch(value: Value) -> Map<String, Value> {
    serde_json::from_value(value).unwrap()
}

fn shows(status: u16, body: &str) -> Fault {
    let answer = Effect::Answer {
        status,
        headers: BTreeMap::new(),
        body: body.to_owned(),
        phase: Phase::Before,
    };
    Fault::new(answer).on_verb(Verb::Nip11)
}

#[tokio::test]
async fn a_relay_is_live_once_it_answers_as_it_was_accepted() {
    let installation = Installation::new().await;
    let not_yet = shows(404, "Not Found\n").for_calls(3);
    installation.eu.inject(not_yet).unwrap();
    let worker = installation.worker(&[VERIFY]).await;

    installation.create(EU, "bakery", PlanId::Free).await;
    installation.until("1", LIVE).await;

    assert_eq!(looks(&installation.eu), 4);
    assert_eq!(installation.text(HEALS).await, "0");
    let late = "SELECT CASE
            WHEN live_at < synced_at THEN 'before'
            WHEN live_at > synced_at + 10000 THEN 'late'
            ELSE 'in time'
        END
        FROM relay_observation INNER JOIN relay_sync USING (relay_id)";
    assert_eq!(installation.text(late).await, "in time");
    worker.stop().await;
}

#[tokio::test]
async fn a_relay_that_answers_late_holds_no_sync_up() {
    let installation = Installation::new().await;
    let hang = Effect::Hang {
        cap_ms: 60_000,
        phase: Phase::Before,
    };
    let fault = Fault::new(hang).on_verb(Verb::Nip11);
    installation.eu.inject(fault).unwrap();
    let worker = installation
        .worker(&[VERIFY, ("WORKER_CONCURRENCY", "1")])
        .await;

    for subdomain in ["first", "second", "third"] {
        installation.create(EU, subdomain, PlanId::Free).await;
    }
    installation.until("3", SYNCED).await;

    assert_eq!(installation.text(LIVE).await, "0");
    worker.stop().await;
}

#[tokio::test]
async fn a_relay_that_was_changed_behind_our_back_is_shown_and_sent_again() {
    let installation = Installation::new().await;
    let worker = installation.worker(&[VERIFY]).await;
    let relay = installation.create(EU, "bakery", PlanId::Free).await;
    installation.until("1", LIVE).await;
    let id = relay.id.as_str();

    let renamed = patch(json!({"info": {"name": "Butcher"}}));
    installation.eu.patch_file(id, renamed).unwrap();
    // Meanwhile the job waits, so that what is shown can be seen.
    installation
        .sql("UPDATE queue SET paused_at = 1 WHERE name = 'sync_relay'")
        .await;
    until_check(&installation).await;
    installation.until("1", HEALS).await;
    assert_eq!(
        installation
            .text("SELECT drift || ' ' || json_extract(observed, '$.name') FROM relay_observation")
            .await,
        r#"["name"] Butcher"#
    );
    assert_eq!(
        installation
            .text("SELECT CAST(priority AS TEXT) FROM Jobs WHERE status = 'Pending'")
            .await,
        "0"
    );
    installation
        .sql("UPDATE queue SET paused_at = NULL WHERE name = 'sync_relay'")
        .await;
    installation.until("1", LIVE).await;

    assert_eq!(installation.eu.config(id).unwrap().info.name, "");
    assert_eq!(installation.text(GENERATIONS).await, "2");
    worker.stop().await;
}

#[tokio::test]
async fn a_relay_that_zooid_lost_comes_back_with_its_identity() {
    let installation = Installation::new().await;
    let worker = installation.worker(&[VERIFY]).await;
    let relay = installation.create(EU, "bakery", PlanId::Free).await;
    installation.until("1", LIVE).await;
    let id = relay.id.as_str();
    let secret = installation.eu.config(id).unwrap().secret;

    installation.eu.remove_file(id).unwrap();
    until_check(&installation).await;
    installation.until("1", HEALS).await;
    installation.until("1", LIVE).await;

    assert_eq!(installation.eu.config(id).unwrap().secret, secret);
    worker.stop().await;
}

#[tokio::test]
async fn a_relay_with_another_key_gets_its_own_back() {
    let installation = Installation::new().await;
    let worker = installation.worker(&[VERIFY]).await;
    let relay = installation.create(EU, "bakery", PlanId::Free).await;
    installation.until("1", LIVE).await;
    let id = relay.id.as_str();
    let secret = installation.eu.config(id).unwrap().secret;

    let another = patch(json!({"secret": "7".repeat(64)}));
    installation.eu.patch_file(id, another).unwrap();
    until_check(&installation).await;
    installation.until("1", HEALS).await;
    installation.until("1", LIVE).await;

    assert_eq!(installation.eu.config(id).unwrap().secret, secret);
    let verbs: Vec<Verb> = installation
        .eu
        .calls(id)
        .iter()
        .map(|call| call.verb)
        .collect();
    assert_eq!(verbs, [Verb::Post, Verb::Put]);
    worker.stop().await;
}

#[tokio::test]
async fn a_drift_that_stays_is_sent_again_once_a_period_and_looked_at_no_more_than_that() {
    let installation = Installation::new().await;
    installation
        .eu
        .inject(shows(200, r#"{"name": "somebody else's"}"#))
        .unwrap();
    let worker = installation.worker(&[VERIFY]).await;
    let relay = installation.create(EU, "bakery", PlanId::Free).await;

    // After the first acceptance, and at each check.
    for (heals, generation) in [("1", "2"), ("2", "3")] {
        installation.until(heals, HEALS).await;
        installation
            .until(
                generation,
                "SELECT CAST(observed_generation AS TEXT) FROM relay_observation",
            )
            .await;
        assert_eq!(installation.text(HEALS).await, heals);
        until_check(&installation).await;
    }

    assert_eq!(installation.text(LIVE).await, "0");
    let writes = installation.eu.calls(relay.id.as_str()).len();
    assert!((3..=4).contains(&writes), "{writes} writes");
    // Five or six looks, each of ten seconds.
    let looks = looks(&installation.eu);
    assert!(looks <= 6 * 11, "{looks} looks");
    worker.stop().await;
}

#[tokio::test]
async fn a_target_that_is_down_is_no_drift() {
    let installation = Installation::new().await;
    let worker = installation.worker(&[VERIFY]).await;
    installation.create(EU, "bakery", PlanId::Free).await;
    installation.create(US, "bakery", PlanId::Free).await;
    installation.until("2", LIVE).await;

    installation.eu.down().await;
    installation.us.inject(shows(502, "")).unwrap();
    until_check(&installation).await;
    // Longer ahead than a lease: nothing was learned, and both are left for a minute.
    installation
        .until(
            "2",
            "SELECT CAST(count(*) AS TEXT) FROM relay_observation WHERE due_at > observed_at + 930000",
        )
        .await;

    assert_eq!(installation.text(LIVE).await, "2");
    assert_eq!(installation.text(GENERATIONS).await, "2");
    installation.eu.up().await.unwrap();
    installation.us.clear_faults();
    let seen_again =
        "SELECT CAST(count(*) AS TEXT) FROM relay_observation WHERE observed_at > live_at";
    installation.until_at_last("2", seen_again).await;
    assert_eq!(installation.text(HEALS).await, "0");
    worker.stop().await;
}

#[tokio::test]
async fn of_two_workers_one_looks() {
    let installation = Installation::new().await;
    let workers = [
        installation.worker(&[VERIFY]).await,
        installation.worker(&[VERIFY]).await,
    ];

    installation.create(EU, "bakery", PlanId::Free).await;
    installation.until("1", LIVE).await;
    installation.pass(60).await;

    assert_eq!(looks(&installation.eu), 1);
    for worker in workers {
        worker.stop().await;
    }
}

#[tokio::test]
async fn nobody_looks_unless_asked_to_and_then_at_all_there_is() {
    let installation = Installation::new().await;
    let worker = installation.worker(&[]).await;
    installation.create(EU, "bakery", PlanId::Free).await;
    installation.create(US, "butcher", PlanId::Free).await;
    installation.until("2", SYNCED).await;
    installation.pass(5).await;
    let watched = "SELECT CAST(count(*) AS TEXT) FROM relay_observation";
    assert_eq!(installation.text(watched).await, "0");
    assert_eq!(looks(&installation.eu) + looks(&installation.us), 0);
    worker.stop().await;

    let worker = installation.worker(&[VERIFY]).await;
    installation.until("2", watched).await;
    // First looks are spread over a period; whoever was looked at first is not due again before the other one was.
    for _ in 0..PERIOD {
        if installation.text(LIVE).await == "2" {
            break;
        }
        // Slowly, so that no look outlasts its lease.
        installation.pass(1).await;
    }
    installation.until("2", LIVE).await;

    assert_eq!(looks(&installation.eu) + looks(&installation.us), 2);
    worker.stop().await;
}
