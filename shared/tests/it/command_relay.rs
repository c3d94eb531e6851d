//! Creating and changing relays: what each change costs in generations, activities and jobs, and how changes merge.

use futures::future::join_all;
use serde_json::{Value, json};
use shared::{
    command::{CommandError, Trace},
    domain::{CustomDomain, RelayStatus, SyncState},
};

use crate::fixture::{DOMAIN, Fixture, START, Traces, new_relay, owner, stranger};

#[tokio::test]
async fn a_created_relay_is_answered_as_readers_find_it() {
    let (fixture, created) = Fixture::with_relay().await;

    let found = fixture.query.get_relay(&created.id).await.unwrap();

    assert_eq!(found, created);
    assert_eq!(created.status, RelayStatus::Active);
    assert_eq!(
        (created.sync_state, created.next_attempt_at),
        (SyncState::Pending, Some(START))
    );
    assert_eq!(
        (
            created.generation.get(),
            created.synced_generation,
            created.synced
        ),
        (1, 0, false)
    );
    assert_eq!((created.created_at, created.updated_at), (START, START));
    assert_eq!(created.schema.as_str(), format!("mine_{}", created.id));
}

#[tokio::test]
async fn a_relay_cannot_be_created_for_nobody() {
    let fixture = Fixture::with_tenant().await;

    let error = fixture
        .command
        .create_relay(Trace::none(), new_relay(stranger(), "mine"))
        .await
        .unwrap_err();

    assert!(matches!(error, CommandError::TenantUnknown(pubkey) if pubkey == stranger()));
    assert_eq!(fixture.number("SELECT count(*) FROM Jobs").await, 0);
}

#[tokio::test]
async fn a_race_for_a_subdomain_has_exactly_one_winner() {
    let fixture = Fixture::with_tenant().await;

    let results = join_all((0..8).map(|_| {
        fixture
            .command
            .create_relay(Trace::none(), new_relay(owner(), "mine"))
    }))
    .await;

    let (winners, losers): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
    assert_eq!((winners.len(), losers.len()), (1, 7));
    for loser in losers {
        assert!(matches!(
            loser.unwrap_err(),
            CommandError::AlreadyExists { entity: "relay", field: "subdomain", value } if value == "mine"
        ));
    }
    assert_eq!(
        fixture.traces().await,
        Traces {
            activities: 2,
            waiting_jobs: 1
        }
    );
}

#[tokio::test]
async fn the_same_subdomain_is_free_under_another_domain() {
    let (fixture, _mine) = Fixture::with_relay().await;
    let mut new = new_relay(owner(), "mine");
    new.zooid_domain = "rooms.example.com".parse().unwrap();

    assert!(
        fixture
            .command
            .create_relay(Trace::none(), new)
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn a_custom_domain_is_one_relays_alone() {
    let (fixture, mine) = Fixture::with_relay().await;
    let other = fixture.create("other").await;
    let body = json!({"custom_domain": "chat.example.org"});
    fixture.update(&mine, body.clone()).await.unwrap();

    let error = fixture.update(&other, body.clone()).await.unwrap_err();

    assert!(matches!(
        error,
        CommandError::AlreadyExists { entity: "relay", field: "custom_domain", value } if value == "chat.example.org"
    ));
    fixture
        .update(&mine, json!({"custom_domain": ""}))
        .await
        .unwrap();
    let other = fixture.update(&other, body).await.unwrap();
    assert_eq!(
        other
            .settings
            .custom_domain
            .as_ref()
            .map(CustomDomain::as_str),
        Some("chat.example.org")
    );
}

/// What an update of an active relay on the basic plan costs.
struct Cost {
    body: Value,
    generations: i64,
    activities: i64,
    jobs: i64,
}

#[tokio::test]
async fn an_update_costs_a_sync_only_when_zooid_is_told_what_changed() {
    let told = |body| Cost {
        body,
        generations: 1,
        activities: 1,
        jobs: 1,
    };
    let kept_from_zooid = |body| Cost {
        body,
        generations: 0,
        activities: 1,
        jobs: 0,
    };
    let nothing = |body| Cost {
        body,
        generations: 0,
        activities: 0,
        jobs: 0,
    };
    let costs = [
        told(json!({"subdomain": "new"})),
        told(json!({"info_name": "New"})),
        told(json!({"info_icon": "https://example.com/icon.png"})),
        told(json!({"info_description": "New"})),
        told(json!({"policy_public_read": 1})),
        told(json!({"policy_public_write": 1})),
        told(json!({"policy_public_join": 1})),
        told(json!({"policy_strip_signatures": 1})),
        told(json!({"groups_enabled": 0})),
        told(json!({"management_enabled": 0})),
        told(json!({"members_can_invite": 0})),
        told(json!({"push_enabled": 0})),
        told(json!({"blossom_enabled": 0})),
        told(json!({"livekit_enabled": 0})),
        told(json!({"plan_id": "free", "blossom_enabled": 0, "livekit_enabled": 0})),
        kept_from_zooid(json!({"plan_id": "growth"})),
        kept_from_zooid(json!({"custom_domain": "chat.example.org"})),
        nothing(json!({})),
        nothing(json!({"zooid_domain": DOMAIN})),
        nothing(
            json!({"subdomain": "mine", "plan_id": "basic", "push_enabled": 1, "custom_domain": ""}),
        ),
    ];
    for cost in costs {
        let (fixture, relay) = Fixture::with_relay().await;
        fixture.drain().await;
        let before = fixture.traces().await;

        let updated = fixture.update(&relay, cost.body.clone()).await.unwrap();

        let after = fixture.traces().await;
        assert_eq!(
            updated.generation.get() - relay.generation.get(),
            cost.generations,
            "{}",
            cost.body
        );
        assert_eq!(
            after.activities - before.activities,
            cost.activities,
            "{}",
            cost.body
        );
        assert_eq!(
            after.waiting_jobs - before.waiting_jobs,
            cost.jobs,
            "{}",
            cost.body
        );
        assert_eq!(fixture.query.get_relay(&relay.id).await.unwrap(), updated);
        let body = serde_json::to_value(&updated).unwrap();
        for (field, value) in cost.body.as_object().unwrap() {
            assert_eq!(&body[field], value);
        }
    }
}

#[tokio::test]
async fn changes_in_flight_at_once_are_all_kept() {
    let (fixture, relay) = Fixture::with_relay().await;
    let toggles = [
        json!({"policy_public_read": 1}),
        json!({"policy_public_write": 1}),
        json!({"policy_public_join": 1}),
        json!({"groups_enabled": 0}),
        json!({"push_enabled": 0}),
        json!({"info_name": "New"}),
    ];

    let results = join_all(
        toggles
            .iter()
            .map(|toggle| fixture.update(&relay, toggle.clone())),
    )
    .await;

    assert!(results.iter().all(Result::is_ok));
    let merged = fixture.query.get_relay(&relay.id).await.unwrap();
    let body = serde_json::to_value(&merged).unwrap();
    for toggle in &toggles {
        for (field, value) in toggle.as_object().unwrap() {
            assert_eq!(&body[field], value);
        }
    }
    assert_eq!(merged.generation.get(), 7);
    assert_eq!(fixture.traces().await.waiting_jobs, 1);
}

#[tokio::test]
async fn an_update_writes_the_columns_it_names_and_no_other() {
    let (fixture, relay) = Fixture::with_relay().await;
    fixture.sql("CREATE TABLE written (name TEXT) STRICT").await;
    fixture
        .sql("CREATE TRIGGER watch AFTER UPDATE OF subdomain, plan_id, push_enabled, status ON relay BEGIN INSERT INTO written VALUES ('other'); END")
        .await;

    fixture
        .update(&relay, json!({"info_name": "New"}))
        .await
        .unwrap();

    assert_eq!(fixture.number("SELECT count(*) FROM written").await, 0);
}

#[tokio::test]
async fn a_rule_that_needs_the_present_state_is_checked_inside_the_write() {
    let (fixture, relay) = Fixture::with_relay().await;
    let before = fixture.traces().await;

    let downgrade = fixture.update(&relay, json!({"plan_id": "free"})).await;
    let elsewhere = fixture
        .update(&relay, json!({"zooid_domain": "elsewhere.example.com"}))
        .await;

    assert!(matches!(downgrade, Err(CommandError::Rule(rule)) if rule.code == "plan-feature"));
    assert!(
        matches!(elsewhere, Err(CommandError::Rule(rule)) if rule.code == "zooid-domain-immutable")
    );
    assert_eq!(fixture.traces().await, before);
}

#[tokio::test]
async fn another_custom_domain_is_unverified_and_a_verified_ones_loss_is_told_to_zooid() {
    let (fixture, relay) = Fixture::with_relay().await;
    fixture
        .update(&relay, json!({"custom_domain": "chat.example.org"}))
        .await
        .unwrap();
    fixture
        .sql("UPDATE relay SET custom_domain_verified = 1")
        .await;
    let verified = fixture.query.get_relay(&relay.id).await.unwrap();

    let same = fixture
        .update(
            &relay,
            json!({"custom_domain": "chat.example.org", "info_name": "New"}),
        )
        .await
        .unwrap();
    let other = fixture
        .update(&relay, json!({"custom_domain": "talk.example.org"}))
        .await
        .unwrap();

    assert!(same.custom_domain_verified);
    assert!(!other.custom_domain_verified);
    assert_eq!(other.generation.get(), verified.generation.get() + 2);
}

#[tokio::test]
async fn a_relay_that_does_not_exist_cannot_be_changed() {
    let (fixture, relay) = Fixture::with_relay().await;
    let unknown = shared::domain::Relay {
        id: "01j00000000000000000000000".parse().unwrap(),
        ..relay
    };

    let error = fixture
        .update(&unknown, json!({"info_name": "New"}))
        .await
        .unwrap_err();

    assert!(matches!(error, CommandError::RelayUnknown(id) if id == unknown.id));
}

#[tokio::test]
async fn an_edit_moves_updated_at_and_leaves_created_at() {
    let (fixture, relay) = Fixture::with_relay().await;
    fixture.clock.advance(std::time::Duration::from_mins(1));

    let updated = fixture
        .update(&relay, json!({"info_name": "New"}))
        .await
        .unwrap();

    assert_eq!(
        (updated.created_at, updated.updated_at),
        (START, START + 60)
    );
    assert_eq!(updated.next_attempt_at, Some(START + 60));
}
