//! Lists of tenants and relays: order, pages and filters.

use std::time::Duration;

use shared::{
    command::Trace,
    domain::{Relay, RelayStatus, SyncState},
    query::QueryError,
    repositories::{
        Direction, Pagination,
        relay::RelayFilter,
        tenant::{TenantCursor, TenantFilter},
    },
};

use crate::fixture::{Fixture, new_relay, owner, stranger};

fn subdomains(relays: &[Relay]) -> Vec<&str> {
    relays
        .iter()
        .map(|relay| relay.settings.subdomain.as_str())
        .collect()
}

/// Relays `a` to `d`, created in this order; `b` is a stranger's, `c` is off.
async fn four_relays() -> Fixture {
    let fixture = Fixture::with_tenant().await;
    fixture.sign_up(stranger()).await;
    for (name, tenant) in [
        ("a", owner()),
        ("b", stranger()),
        ("c", owner()),
        ("d", owner()),
    ] {
        fixture.clock.advance(Duration::from_millis(1));
        let relay = fixture
            .command
            .create_relay(Trace::none(), new_relay(tenant, name))
            .await
            .unwrap();
        if name == "c" {
            fixture
                .command
                .deactivate_relay(Trace::none(), relay.id)
                .await
                .unwrap();
        }
    }
    fixture
}

#[tokio::test]
async fn relays_come_in_the_order_of_their_creation_page_by_page() {
    let fixture = four_relays().await;
    let filter = RelayFilter::default();

    let all = fixture
        .query
        .list_relays(&filter, &Pagination::all())
        .await
        .unwrap();
    let first = fixture
        .query
        .list_relays(&filter, &Pagination::first(3))
        .await
        .unwrap();
    let page = Pagination {
        after: Some(first[2].id.clone()),
        limit: Some(3),
        direction: Direction::Forward,
    };
    let second = fixture.query.list_relays(&filter, &page).await.unwrap();

    assert_eq!(subdomains(&all), ["a", "b", "c", "d"]);
    assert_eq!(subdomains(&first), ["a", "b", "c"]);
    assert_eq!(subdomains(&second), ["d"]);
}

#[tokio::test]
async fn relays_are_filtered_by_every_condition_given() {
    let fixture = four_relays().await;
    let any = RelayFilter::default;
    for (filter, expected) in [
        (
            RelayFilter {
                tenant: Some(owner()),
                ..any()
            },
            vec!["a", "c", "d"],
        ),
        (
            RelayFilter {
                status: Some(RelayStatus::Inactive),
                ..any()
            },
            vec!["c"],
        ),
        (
            RelayFilter {
                zooid_domain: Some("spaces.example.com".parse().unwrap()),
                ..any()
            },
            vec!["a", "b", "c", "d"],
        ),
        (
            RelayFilter {
                zooid_domain: Some("elsewhere.example.com".parse().unwrap()),
                ..any()
            },
            vec![],
        ),
        (
            RelayFilter {
                sync_state: Some(SyncState::Pending),
                ..any()
            },
            vec!["a", "b", "c", "d"],
        ),
        (
            RelayFilter {
                sync_state: Some(SyncState::Failed),
                ..any()
            },
            vec![],
        ),
        (
            RelayFilter {
                tenant: Some(stranger()),
                status: Some(RelayStatus::Inactive),
                ..any()
            },
            vec![],
        ),
        (
            RelayFilter {
                tenant: Some(owner()),
                status: Some(RelayStatus::Active),
                ..any()
            },
            vec!["a", "d"],
        ),
    ] {
        let found = fixture
            .query
            .list_relays(&filter, &Pagination::all())
            .await
            .unwrap();

        assert_eq!(subdomains(&found), expected, "{filter:?}");
    }
}

#[tokio::test]
async fn a_tenants_relays_are_that_tenants_alone() {
    let fixture = four_relays().await;

    let owned = fixture
        .query
        .list_relays_for_tenant(&owner())
        .await
        .unwrap();
    let strangers = fixture
        .query
        .list_relays_for_tenant(&stranger())
        .await
        .unwrap();

    assert_eq!(subdomains(&owned), ["a", "c", "d"]);
    assert_eq!(subdomains(&strangers), ["b"]);
}

#[tokio::test]
async fn tenants_come_oldest_first_page_by_page() {
    let fixture = Fixture::new().await;
    let first = fixture.sign_up(owner()).await;
    fixture.clock.advance(Duration::from_mins(1));
    let second = fixture.sign_up(stranger()).await;

    let all = fixture
        .query
        .list_tenants(&TenantFilter::default(), &Pagination::all())
        .await
        .unwrap();
    let page = Pagination {
        after: Some(TenantCursor {
            created_at: first.created_at,
            pubkey: first.pubkey.clone(),
        }),
        limit: Some(5),
        direction: Direction::Forward,
    };
    let rest = fixture
        .query
        .list_tenants(&TenantFilter::default(), &page)
        .await
        .unwrap();

    assert_eq!(all, [first.clone(), second.clone()]);
    assert_eq!(
        fixture
            .query
            .list_tenants(&TenantFilter::default(), &Pagination::first(1))
            .await
            .unwrap(),
        [first]
    );
    assert_eq!(rest, [second]);
}

#[tokio::test]
async fn what_is_not_there_is_missed_by_name() {
    let fixture = Fixture::new().await;
    let id = "01j00000000000000000000000".parse().unwrap();

    let relay = fixture.query.get_relay(&id).await.unwrap_err();
    let tenant = fixture.query.get_tenant(&owner()).await.unwrap_err();

    assert!(
        matches!(relay, QueryError::NotFound { entity: "relay", id } if id == "01j00000000000000000000000")
    );
    assert!(
        matches!(tenant, QueryError::NotFound { entity: "tenant", id } if id == owner().as_hex())
    );
}

#[tokio::test]
async fn plans_are_listed_cheapest_first() {
    let fixture = Fixture::new().await;

    let amounts: Vec<i64> = fixture
        .query
        .list_plans()
        .iter()
        .map(|plan| plan.amount)
        .collect();

    assert!(amounts.is_sorted());
    assert_eq!(amounts.len(), 3);
}
