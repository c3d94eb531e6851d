//! A relay that brings its workers down takes nobody else with it.

use std::time::Duration;

use zooid_sim::{Effect, Fault, Phase};

use crate::installation::{Installation, create_relays, number, until_in_step};
use crate::wait::soon;

const QUARANTINED: &str = "SELECT count(*) FROM relay_sync WHERE quarantined_at IS NOT NULL";

#[tokio::test]
async fn a_relay_that_kills_its_workers_is_quarantined_and_its_neighbours_are_not() {
    let installation = Installation::new()
        .await
        .with("WORKER_LEASE_SECONDS", "2")
        .with("ZOOID_TIMEOUT_MS", "1500")
        .with("SYNC_BACKOFF_CAP_SECONDS", "2");
    let db = installation.db().await;
    let relays = create_relays(&installation, &db, 12).await;
    let poison = relays[5].id.as_str();
    let slow = Effect::Delay {
        ms: 300,
        phase: Phase::Before,
    };
    installation.sim.inject(Fault::new(slow)).unwrap();
    let doomed = || installation.doomed_worker("sync.before_send", "kill", poison);
    let mut workers = [doomed(), doomed(), doomed()];

    // A supervisor starts each worker again.
    let mut deaths = 0;
    soon("the quarantine", async {
        let mut look = tokio::time::interval(Duration::from_millis(10));
        while number(&db, QUARANTINED).await == 0 {
            for worker in &mut workers {
                if worker.has_ended() {
                    deaths += 1;
                    *worker = doomed();
                }
            }
            look.tick().await;
        }
    })
    .await;
    until_in_step(&db, 11).await;

    let quarantined = "SELECT relay_id FROM relay_sync WHERE quarantined_at IS NOT NULL";
    let quarantined: Vec<String> = sqlx::query_scalar(quarantined)
        .fetch_all(db.readers())
        .await
        .unwrap();
    assert_eq!(quarantined, [poison]);
    assert_eq!(deaths, 3);
    assert!(installation.sim.calls(poison).is_empty());
}
