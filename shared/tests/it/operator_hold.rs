//! What operators do to a target and to the queue, and reconciling by hand.

use serde_json::json;
use shared::{
    command::{
        CommandError,
        operator::{Acted, QueueAction, TargetAction},
    },
    domain::{ReconcileInput, SyncState, ZooidDomain},
};

use crate::{
    fixture::{DOMAIN, Fixture, START},
    operator_relay::{by_admin, record},
};

fn target() -> ZooidDomain {
    DOMAIN.parse().unwrap()
}

async fn act(fixture: &Fixture, action: TargetAction) -> Acted {
    let acted = fixture.command.act_on_target(by_admin(), target(), action);
    acted.await.unwrap()
}

#[tokio::test]
async fn a_target_that_no_worker_has_served_yet_can_be_paused_and_resumed() {
    let (fixture, relay) = Fixture::with_relay().await;

    assert_eq!(act(&fixture, TargetAction::Resume).await.affected, 0);
    assert_eq!(act(&fixture, TargetAction::Pause).await.affected, 1);
    assert_eq!(act(&fixture, TargetAction::Pause).await.affected, 0);

    let held = fixture.query.get_relay(&relay.id).await.unwrap();
    assert_eq!(held.sync_state, SyncState::Held);
    let paused_at = "SELECT paused_at FROM target";
    assert_eq!(fixture.number(paused_at).await, START);

    assert_eq!(act(&fixture, TargetAction::Resume).await.affected, 1);

    let free = fixture.query.get_relay(&relay.id).await.unwrap();
    assert_eq!(free.sync_state, SyncState::Pending);
    let actions: Vec<_> = record(&fixture)
        .await
        .into_iter()
        .map(|(_, action, kind, id, affected, _)| (action, kind, id, affected))
        .collect();
    assert_eq!(
        actions,
        ["pause", "resume"].map(|action| (
            action.to_owned(),
            "target".to_owned(),
            DOMAIN.to_owned(),
            1
        ))
    );
}

#[tokio::test]
async fn a_probe_is_asked_for_once_until_it_is_made() {
    let (fixture, _) = Fixture::with_relay().await;
    fixture
        .sql("INSERT INTO target (name, circuit_since, url) VALUES ('spaces.example.com', 5, 'http://zooid')")
        .await;

    assert_eq!(act(&fixture, TargetAction::Probe).await.affected, 1);
    assert_eq!(act(&fixture, TargetAction::Probe).await.affected, 0);

    let requested = "SELECT probe_requested_at FROM target WHERE url = 'http://zooid'";
    assert_eq!(fixture.number(requested).await, START * 1000);
    assert_eq!(record(&fixture).await.len(), 1);
}

#[tokio::test]
async fn a_target_that_nobody_knows_is_none() {
    let (fixture, _) = Fixture::with_relay().await;

    for action in [
        TargetAction::Pause,
        TargetAction::Resume,
        TargetAction::Probe,
    ] {
        let unknown = "rooms.example.com".parse().unwrap();
        let refused = fixture.command.act_on_target(by_admin(), unknown, action);
        assert!(matches!(refused.await, Err(CommandError::TargetUnknown(_))));
    }
    assert_eq!(fixture.number("SELECT count(*) FROM target").await, 0);
}

#[tokio::test]
async fn the_paused_queue_holds_every_relay() {
    let (fixture, relay) = Fixture::with_relay().await;
    let act = async |action| {
        let acted = fixture.command.act_on_queue(by_admin(), action);
        acted.await.unwrap().affected
    };

    assert_eq!(act(QueueAction::Resume).await, 0);
    assert_eq!(act(QueueAction::Pause).await, 1);
    assert_eq!(act(QueueAction::Pause).await, 0);
    let held = fixture.query.get_relay(&relay.id).await.unwrap();
    assert_eq!(held.sync_state, SyncState::Held);

    assert_eq!(act(QueueAction::Resume).await, 1);
    let free = fixture.query.get_relay(&relay.id).await.unwrap();
    assert_eq!(free.sync_state, SyncState::Pending);
    assert_eq!(record(&fixture).await.len(), 2);
}

/// `mine` is in step, `lost` has lost its job, `covered` has one, `paused` and `refused` are left alone.
async fn several() -> Fixture {
    let fixture = Fixture::with_tenant().await;
    for subdomain in ["mine", "lost", "covered", "paused", "refused"] {
        fixture.create(subdomain).await;
    }
    for statement in [
        "DELETE FROM Jobs WHERE idempotency_key NOT IN (SELECT id FROM relay WHERE subdomain = 'covered')",
        "UPDATE relay_sync SET synced_generation = 1, synced_at = 1, accepted = '{}'
         WHERE relay_id IN (SELECT id FROM relay WHERE subdomain = 'mine')",
        "UPDATE relay_sync SET paused_at = 1 WHERE relay_id IN (SELECT id FROM relay WHERE subdomain = 'paused')",
        "UPDATE relay_sync SET failed_generation = 1, failure_kind = 'invalid', sync_error = 'Refused.'
         WHERE relay_id IN (SELECT id FROM relay WHERE subdomain = 'refused')",
    ] {
        fixture.sql(statement).await;
    }
    fixture
}

async fn reconcile(fixture: &Fixture, all: bool, target: Option<&str>) -> u64 {
    let which = ReconcileInput {
        all,
        target: target.map(|target| target.parse().unwrap()),
    };
    let acted = fixture.command.reconcile(by_admin(), which);
    acted.await.unwrap().affected
}

#[tokio::test]
async fn reconcile_enqueues_in_the_background_what_no_job_covers() {
    let fixture = several().await;

    assert_eq!(
        reconcile(&fixture, false, Some("rooms.example.com")).await,
        0
    );
    assert_eq!(reconcile(&fixture, false, Some(DOMAIN)).await, 1);
    assert_eq!(reconcile(&fixture, false, None).await, 0);

    let enqueued = "SELECT count(*) FROM Jobs INNER JOIN relay ON relay.id = Jobs.idempotency_key
                    WHERE relay.subdomain = 'lost' AND Jobs.priority = 0";
    assert_eq!(fixture.number(enqueued).await, 1);
    let recorded = record(&fixture).await;
    assert_eq!(recorded.len(), 1);
    assert_eq!(
        recorded[0].5,
        json!({"all": false, "target": DOMAIN, "trace": "trace-act"})
    );
}

#[tokio::test]
async fn reconcile_of_all_sends_every_relay_once_more_but_the_quarantined() {
    let fixture = several().await;
    fixture
        .sql("UPDATE relay_sync SET quarantined_at = 1 WHERE paused_at IS NOT NULL")
        .await;

    assert_eq!(reconcile(&fixture, true, None).await, 4);

    let waiting = "SELECT count(*) FROM Jobs INNER JOIN relay ON relay.id = Jobs.idempotency_key
                   WHERE relay.generation = 2 AND relay.subdomain <> 'paused'";
    assert_eq!(fixture.number(waiting).await, 4);
    assert_eq!(fixture.number("SELECT count(*) FROM Jobs").await, 4);
    let given_up = "SELECT count(*) FROM relay_sync WHERE state = 'failed'";
    assert_eq!(fixture.number(given_up).await, 0);
}
