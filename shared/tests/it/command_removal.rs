//! Removing relays: what is written at once, what is left for ever, and what is not possible any more.

use serde_json::json;
use shared::{
    command::{AskedBy, CommandError, CreateTerms, Trace, operator::Acted},
    crypto::Sealed,
    domain::{ActivityType, ReconcileInput, Relay, RelayAction, RelayId},
    queue::settings::accepted_relays,
    repositories::{
        Pagination,
        activity::ActivityFilter,
        operator::sync_list::{SyncFilter, SyncPage},
        relay::RelayFilter,
    },
};

use crate::fixture::{Fixture, START, by_billing, new_relay, owner};
use crate::operator_relay::by_admin;

/// zooid has the newest generation, and accepted this.
const IN_STEP: &str = "UPDATE relay_sync SET synced_generation = desired_generation, synced_at = 1, accepted = '{\"host\":\"mine.spaces.example.com\"}'";

async fn remove(fixture: &Fixture, relay: &Relay) -> Acted {
    let removing = fixture.command.remove_relay(by_admin(), relay.id.clone());
    removing.await.unwrap()
}

/// A relay that zooid has, removed, its job enqueued.
async fn removed() -> (Fixture, Relay) {
    let (fixture, relay) = Fixture::with_relay().await;
    fixture.drain().await;
    fixture.sql(IN_STEP).await;
    remove(&fixture, &relay).await;
    (fixture, relay)
}

/// What the database says to a statement that it must refuse.
async fn refusal(fixture: &Fixture, statement: &'static str) -> String {
    let mut connection = fixture.second_connection().await;
    let done = sqlx::query(statement).execute(&mut connection).await;
    done.unwrap_err().to_string()
}

#[tokio::test]
async fn a_removal_is_one_write_with_its_job_its_log_and_who_did_it() {
    let (fixture, relay) = removed().await;

    let now = fixture.query.get_relay(&relay.id).await.unwrap();
    assert_eq!(now.removed_at, Some(START));
    assert_eq!(now.generation, relay.generation.next());
    assert_eq!(now.next_attempt_at, Some(START));
    let page = Pagination::first(1);
    let filter = ActivityFilter::of(relay.id.clone());
    let newest = fixture.query.list_activity_for_relay(&filter, &page);
    assert_eq!(
        newest.await.unwrap()[0].activity_type,
        ActivityType::RemoveRelay
    );
    let recorded = "SELECT action || ' ' || resource_type || ' ' || (resource_id = (SELECT id FROM relay)) || ' ' || actor FROM operator_action";
    assert_eq!(
        fixture.text(recorded).await,
        format!("remove relay 1 {}", owner())
    );
    let priority = fixture.number("SELECT priority FROM Jobs WHERE status = 'Pending'");
    assert_eq!(priority.await, 20);
}

#[tokio::test]
async fn removing_what_was_removed_does_nothing() {
    let (fixture, relay) = removed().await;
    let traces = fixture.traces().await;

    assert_eq!(remove(&fixture, &relay).await, Acted::default());

    assert_eq!(fixture.traces().await, traces);
    let actions = fixture.number("SELECT count(*) FROM operator_action").await;
    assert_eq!(actions, 1);
}

#[tokio::test]
async fn the_secret_is_wiped_and_what_stands_in_its_place_can_be_sealed_anew() {
    let (fixture, relay) = Fixture::with_relay().await;
    let before = fixture.text("SELECT secret FROM relay").await;

    remove(&fixture, &relay).await;

    let after = fixture.text("SELECT secret FROM relay").await;
    assert_ne!(after, before);
    let sealed = Sealed::parse(after).unwrap();
    let opened = fixture.sealer.open(&sealed, relay.id.as_str()).unwrap();
    assert!(opened.is_empty());
}

#[tokio::test]
async fn a_removed_relay_does_not_change_any_more() {
    let (fixture, relay) = removed().await;
    let command = &fixture.command;
    let (trace, id) = (Trace::none, || relay.id.clone());

    let refused = [
        fixture.update(&relay, json!({"info_name": "Back"})).await,
        command.deactivate_relay(trace(), id()).await,
        command.mark_relay_delinquent(by_billing(), id()).await,
        command.settle_relay(by_billing(), id()).await,
        command.activate_relay(trace(), id(), AskedBy::Admin).await,
        command
            .set_relay_subscription_item(by_billing(), id(), "si_1".to_owned())
            .await,
    ];

    for refused in refused {
        assert!(matches!(refused, Err(CommandError::RelayRemoved(of)) if of == relay.id));
    }
    let taken_back = refusal(&fixture, "UPDATE relay SET removed_at = NULL").await;
    assert!(taken_back.contains("stays removed"), "{taken_back}");
}

#[tokio::test]
async fn a_removed_relay_is_listed_only_for_who_asks_for_removed_ones_and_counts_for_no_limit() {
    let (fixture, relay) = removed().await;
    let other = fixture.create("other").await;

    let of_tenant = fixture
        .query
        .list_relays_for_tenant(&owner())
        .await
        .unwrap();
    let filter = RelayFilter {
        removed: true,
        ..RelayFilter::default()
    };
    let page = Pagination::all();
    let tombstones = fixture.query.list_relays(&filter, &page).await.unwrap();

    assert_eq!(ids(&of_tenant), [&other.id]);
    assert_eq!(ids(&tombstones), [&relay.id]);
    let terms = CreateTerms {
        max_relays: Some(2),
        request: None,
    };
    let new = new_relay(owner(), "third");
    let third = fixture.command.request_relay(Trace::none(), new, terms);
    assert!(third.await.is_ok());
}

fn ids(relays: &[Relay]) -> Vec<&RelayId> {
    relays.iter().map(|relay| &relay.id).collect()
}

#[tokio::test]
async fn its_names_are_free_once_it_is_gone_and_its_schema_never() {
    let (fixture, relay) = removed().await;
    let again = async || {
        let new = new_relay(owner(), "mine");
        fixture.command.create_relay(Trace::none(), new).await
    };
    assert!(matches!(
        again().await,
        Err(CommandError::AlreadyExists {
            field: "subdomain",
            ..
        })
    ));

    fixture
        .sql("UPDATE relay SET gone_at = 1 WHERE removed_at IS NOT NULL")
        .await;

    let next = again().await.unwrap();
    assert_ne!((&next.id, &next.schema), (&relay.id, &relay.schema));
    fixture.sql("DROP TRIGGER relay_schema_is_fixed").await;
    let reused = "UPDATE relay
                  SET schema = (SELECT schema FROM relay WHERE gone_at IS NOT NULL)
                  WHERE gone_at IS NULL";
    let reused = refusal(&fixture, reused).await;
    assert!(reused.contains("relay.schema"), "{reused}");
    let deleted = refusal(&fixture, "DELETE FROM relay WHERE gone_at IS NOT NULL").await;
    assert!(deleted.contains("FOREIGN KEY"), "{deleted}");
}

#[tokio::test]
async fn tombstones_are_in_no_count_no_list_and_no_bulk_but_are_found_by_id() {
    let (fixture, relay) = removed().await;
    fixture.drain().await;
    fixture
        .sql("UPDATE relay_sync SET synced_generation = desired_generation, accepted = '{\"absent\":true}'")
        .await;
    fixture.sql("UPDATE relay SET gone_at = 1").await;

    let shown = "SELECT coalesce(sum(relays), 0) FROM standing_count";
    assert_eq!(fixture.number(shown).await, 0);
    let list = |q: Option<&str>| {
        let filter = SyncFilter {
            q: q.map(str::to_owned),
            ..SyncFilter::default()
        };
        let page = SyncPage {
            limit: 10,
            ..SyncPage::default()
        };
        let query = &fixture.query;
        async move { query.list_syncs(&filter, &page).await.unwrap().items }
    };
    assert!(list(None).await.is_empty());
    assert!(list(Some("mine")).await.is_empty());
    let found = list(Some(relay.id.as_str())).await;
    assert_eq!(found[0].removed_at, Some(START));
    let paused =
        fixture
            .command
            .act_on_relay(by_admin(), relay.id.clone(), RelayAction::Pause, None);
    assert_eq!(paused.await.unwrap(), Acted::default());
    // Whoever restores zooid's files gets them removed again.
    let all = ReconcileInput {
        all: true,
        target: None,
    };
    let reconciled = fixture.command.reconcile(by_admin(), all).await.unwrap();
    assert_eq!(reconciled.affected, 1);
}

#[tokio::test]
async fn changed_settings_of_the_installation_do_not_concern_a_removed_relay() {
    let (fixture, _) = removed().await;
    fixture.drain().await;
    fixture.sql(IN_STEP).await;

    let told = accepted_relays(fixture.db.readers(), None).await.unwrap();

    assert!(told.is_empty());
}
