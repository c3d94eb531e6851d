//! The activity log as it is followed, looked back at, and shown for one relay.

use std::time::Duration;

use serde_json::json;
use shared::{
    domain::{Activity, ActivityType},
    repositories::{Direction, Pagination, activity::ActivityFilter},
};

use crate::fixture::{Fixture, START};

fn sequence(activities: &[Activity]) -> Vec<i64> {
    activities.iter().map(|activity| activity.seq).collect()
}

/// Five activities, a minute apart: a tenant, the relays `mine` and `other`, and two edits of `mine`.
async fn five_activities() -> (Fixture, shared::domain::Relay) {
    let fixture = Fixture::with_tenant().await;
    fixture.clock.advance(Duration::from_mins(1));
    let mine = fixture.create("mine").await;
    fixture.clock.advance(Duration::from_mins(1));
    fixture.create("other").await;
    for name in ["A", "B"] {
        fixture.clock.advance(Duration::from_mins(1));
        fixture
            .update(&mine, json!({"info_name": name}))
            .await
            .unwrap();
    }
    (fixture, mine)
}

#[tokio::test]
async fn a_follower_goes_on_where_it_stopped() {
    let (fixture, _) = five_activities().await;

    let first = fixture.query.list_activity_after(0, 3).await.unwrap();
    let rest = fixture
        .query
        .list_activity_after(first[2].seq, 10)
        .await
        .unwrap();

    assert_eq!(sequence(&first), [1, 2, 3]);
    assert_eq!(sequence(&rest), [4, 5]);
    assert!(
        fixture
            .query
            .list_activity_after(5, 10)
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn looking_back_includes_the_second_it_begins_with() {
    let (fixture, _) = five_activities().await;
    let newest = fixture.query.max_activity_at().await.unwrap();

    assert_eq!(newest, Some(START + 240));
    assert_eq!(
        sequence(&fixture.query.list_activity(START + 180, 10).await.unwrap()),
        [4, 5]
    );
    assert_eq!(
        sequence(&fixture.query.list_activity(START + 181, 10).await.unwrap()),
        [5]
    );
    assert_eq!(
        sequence(&fixture.query.list_activity(0, 2).await.unwrap()),
        [1, 2]
    );
}

#[tokio::test]
async fn an_empty_log_has_no_newest_activity() {
    let fixture = Fixture::new().await;

    assert_eq!(fixture.query.max_activity_at().await.unwrap(), None);
    assert!(fixture.query.list_activity(0, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_relays_activities_are_its_own_newest_first_page_by_page() {
    let (fixture, mine) = five_activities().await;

    let all = fixture
        .query
        .list_activity_for_relay(&ActivityFilter::of(mine.id.clone()), &Pagination::all())
        .await
        .unwrap();
    let page = Pagination {
        after: Some(all[0].seq),
        limit: Some(1),
        direction: Direction::Forward,
    };
    let second_page = fixture
        .query
        .list_activity_for_relay(&ActivityFilter::of(mine.id.clone()), &page)
        .await
        .unwrap();

    assert_eq!(sequence(&all), [5, 4, 2]);
    assert_eq!(
        all.iter()
            .map(|activity| activity.activity_type)
            .collect::<Vec<_>>(),
        [
            ActivityType::UpdateRelay,
            ActivityType::UpdateRelay,
            ActivityType::CreateRelay
        ]
    );
    assert!(
        all.iter()
            .all(|activity| activity.resource_id == mine.id.as_str())
    );
    assert_eq!(sequence(&second_page), [4]);
}
