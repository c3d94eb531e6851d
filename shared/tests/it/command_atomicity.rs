//! A change, its activity and its job are one: all there, or none.

use std::sync::Arc;

use serde_json::json;
use shared::{
    command::{CommandError, Trace, relay},
    db::WriteTx,
    domain::ActivityType,
    repositories::activity::ActivityFilter,
};

use crate::fixture::{Fixture, Traces, new_relay, owner, patch};

#[tokio::test]
async fn a_rolled_back_create_leaves_no_relay_no_activity_and_no_job() {
    let fixture = Fixture::with_tenant().await;
    let before = fixture.traces().await;
    let context = Arc::new(fixture.context.clone());
    let mut announced = fixture.command.notify.subscribe();

    let result = fixture
        .db
        .write(async move |tx: &mut WriteTx| {
            let draft = relay::draft(&context, new_relay(owner(), "mine"));
            relay::create(tx, &context, &Trace::none(), draft).await?;
            Err::<(), _>(CommandError::Database(sqlx::Error::RowNotFound))
        })
        .await;

    assert!(result.is_err());
    assert_eq!(fixture.traces().await, before);
    assert_eq!(fixture.number("SELECT count(*) FROM relay").await, 0);
    assert_eq!(fixture.number("SELECT count(*) FROM relay_sync").await, 0);
    assert!(announced.try_recv().is_err());
}

#[tokio::test]
async fn a_committed_create_leaves_the_relay_its_activity_and_its_job() {
    let fixture = Fixture::with_tenant().await;

    let relay = fixture.create("mine").await;

    let mut second = fixture.second_connection().await;
    let (id, key, priority, max_attempts, metadata): (String, String, i64, i64, String) =
        sqlx::query_as(
            "SELECT relay.id, Jobs.idempotency_key, Jobs.priority, Jobs.max_attempts, Jobs.metadata
             FROM relay
             INNER JOIN Jobs ON Jobs.idempotency_key = relay.id
             WHERE Jobs.job_type = 'sync_relay'
               AND Jobs.status = 'Pending'",
        )
        .fetch_one(&mut second)
        .await
        .unwrap();
    assert_eq!(
        (id.as_str(), key.as_str()),
        (relay.id.as_str(), relay.id.as_str())
    );
    assert_eq!((priority, max_attempts), (20, 25));
    let metadata: serde_json::Value = serde_json::from_str(&metadata).unwrap();
    assert_eq!(metadata["trace"], "trace-create");
    assert_eq!(metadata["target"], "spaces.example.com");
    let logged = fixture
        .query
        .list_activity_for_relay(
            &ActivityFilter::of(relay.id.clone()),
            &shared::repositories::Pagination::all(),
        )
        .await
        .unwrap();
    assert_eq!(logged[0].activity_type, ActivityType::CreateRelay);
}

#[tokio::test]
async fn a_rolled_back_update_leaves_the_relay_and_its_queue_as_they_were() {
    let (fixture, before) = Fixture::with_relay().await;
    fixture.drain().await;
    let before_traces = fixture.traces().await;
    let context = Arc::new(fixture.context.clone());
    let id = before.id.clone();

    let result = fixture
        .db
        .write(async move |tx: &mut WriteTx| {
            let patch = patch(&json!({"info_name": "New"}));
            let updated = relay::update(tx, &context, &Trace::none(), &id, &patch).await?;
            assert_eq!(updated.settings.info_name, "New");
            Err::<(), _>(CommandError::RelayUnknown(id))
        })
        .await;

    assert!(matches!(result, Err(CommandError::RelayUnknown(_))));
    assert_eq!(fixture.traces().await, before_traces);
    let after = fixture.query.get_relay(&before.id).await.unwrap();
    assert_eq!(
        (after.settings, after.generation),
        (before.settings, before.generation)
    );
}

#[tokio::test]
async fn an_update_that_the_database_refuses_leaves_nothing_behind() {
    let (fixture, mine) = Fixture::with_relay().await;
    fixture.create("taken").await;
    fixture.drain().await;
    let before = fixture.traces().await;

    let error = fixture
        .update(&mine, json!({"subdomain": "taken", "info_name": "New"}))
        .await
        .unwrap_err();

    assert!(matches!(
        error,
        CommandError::AlreadyExists { entity: "relay", field: "subdomain", value } if value == "taken"
    ));
    assert_eq!(fixture.traces().await, before);
    let after = fixture.query.get_relay(&mine.id).await.unwrap();
    assert_eq!(after.settings, mine.settings);
}

#[tokio::test]
async fn two_commands_in_one_write_are_one_change() {
    let (fixture, relay) = Fixture::with_relay().await;
    fixture.drain().await;
    let context = Arc::new(fixture.context.clone());
    let id = relay.id.clone();

    fixture
        .db
        .write(async move |tx: &mut WriteTx| {
            for body in [json!({"info_name": "A"}), json!({"push_enabled": 0})] {
                relay::update(tx, &context, &Trace::none(), &id, &patch(&body)).await?;
            }
            Ok::<_, CommandError>(())
        })
        .await
        .unwrap();

    assert_eq!(
        fixture.traces().await,
        Traces {
            activities: 4,
            waiting_jobs: 1
        }
    );
    let after = fixture.query.get_relay(&relay.id).await.unwrap();
    assert_eq!(after.generation.get(), 3);
}

#[tokio::test]
async fn activities_are_announced_in_the_order_of_the_log() {
    let fixture = Fixture::new().await;
    let mut announced = fixture.command.notify.subscribe();

    fixture.sign_up(owner()).await;
    let relay = fixture.create("mine").await;
    fixture
        .update(&relay, json!({"info_name": "New"}))
        .await
        .unwrap();
    fixture
        .command
        .deactivate_relay(Trace::none(), relay.id.clone())
        .await
        .unwrap();

    let logged = fixture.query.list_activity_after(0, 100).await.unwrap();
    let mut heard = Vec::new();
    while let Ok(activity) = announced.try_recv() {
        heard.push(activity);
    }
    assert_eq!(heard, logged);
    assert_eq!(
        heard
            .iter()
            .map(|activity| activity.activity_type)
            .collect::<Vec<_>>(),
        [
            ActivityType::CreateTenant,
            ActivityType::CreateRelay,
            ActivityType::UpdateRelay,
            ActivityType::DeactivateRelay,
        ]
    );
}
