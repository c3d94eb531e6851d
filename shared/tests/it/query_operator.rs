//! What operators read from a database with a history: pages, searches, and what stays bounded.

use std::collections::BTreeSet;

use shared::{
    domain::{AttemptOutcome, SyncState},
    query::Query,
    repositories::operator::{
        attempt_list::AttemptFilter,
        sync_list::{SyncCursor, SyncFilter, SyncOrder, SyncPage},
    },
};

use crate::fixture::Fixture;

/// Copies of the fixture's relay, in turn pending, retrying with a failure of group 1, and failed with one of group 2; each
/// but the pending ones has had an attempt.
const FLEET: [&str; 7] = [
    "INSERT INTO failure_group (fingerprint, target, kind, pattern, message, first_seen_at, last_seen_at)
     VALUES ('a', 'spaces.example.com', 'unreachable', 'cannot reach <host>', 'cannot reach zooid', 1, 1),
            ('b', 'spaces.example.com', 'invalid', 'refused <name>', 'refused the icon', 1, 1)",
    "WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 299)
     INSERT INTO relay (id, tenant_pubkey, subdomain, zooid_domain, schema, secret, plan_id, policy_public_read,
                        policy_public_write, policy_public_join, policy_strip_signatures, groups_enabled, management_enabled,
                        members_can_invite, push_enabled, blossom_enabled, livekit_enabled, created_at, updated_at)
     SELECT printf('01j%023d', n), tenant_pubkey, printf('relay-%d', n), zooid_domain, printf('s%d', n), secret, plan_id, 0, 0,
            0, 0, 1, 1, 1, 1, 0, 0, 0, 0
     FROM number CROSS JOIN (SELECT * FROM relay LIMIT 1)",
    "INSERT INTO sync_attempt (relay_id, number, job_id, generation, worker_id, target, started_at)
     SELECT id, 1, '01J' || upper(substr(id, 4)), 1, 'w', zooid_domain, 1000 * rowid FROM relay WHERE rowid % 3 <> 0 ORDER BY rowid % 7, id",
    "UPDATE sync_attempt SET finished_at = started_at + 5, outcome = 'failed', kind = 'unreachable', failure_group_id = 1,
                             message = 'cannot reach zooid'",
    "UPDATE relay_sync SET failure_kind = 'unreachable', sync_error = 'x', failure_group_id = 1, failure_streak = 1
     WHERE relay_id IN (SELECT id FROM relay WHERE rowid % 3 = 1)",
    "UPDATE relay_sync SET failure_kind = 'invalid', sync_error = 'x', failure_group_id = 2, failed_generation = 1
     WHERE relay_id IN (SELECT id FROM relay WHERE rowid % 3 = 2)",
    "UPDATE Jobs SET status = 'Done', idempotency_key = NULL",
];

async fn fleet() -> Fixture {
    let (fixture, _) = Fixture::with_relay().await;
    for statement in FLEET {
        fixture.sql(statement).await;
    }
    fixture
}

/// The ids of all pages, and how many there were of each length; `between` happens after the first page.
async fn pages(
    query: &Query,
    filter: &SyncFilter,
    order: SyncOrder,
    limit: u32,
    between: impl AsyncFnOnce(),
) -> Vec<String> {
    let mut between = Some(between);
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = SyncPage {
            order,
            after,
            limit,
        };
        let found = query.list_syncs(filter, &page).await.unwrap();
        seen.extend(found.items.iter().map(|sync| sync.relay_id.to_string()));
        let Some(next) = found.next else {
            return seen;
        };
        after = Some(SyncCursor::parse(&next, order).unwrap());
        if let Some(between) = between.take() {
            between().await;
        }
    }
}

fn filters() -> Vec<(SyncFilter, usize)> {
    let by = |change: fn(&mut SyncFilter), expected| {
        let mut filter = SyncFilter::default();
        change(&mut filter);
        (filter, expected)
    };
    vec![
        by(|_| {}, 300),
        by(|filter| filter.states = vec![SyncState::Failed], 100),
        by(
            |filter| filter.states = vec![SyncState::Failed, SyncState::Pending],
            200,
        ),
        by(|filter| filter.groups = vec![1], 100),
        by(|filter| filter.groups = vec![1, 2], 200),
        by(|filter| filter.q = Some("relay-1".to_owned()), 111),
        by(|filter| filter.q = Some("cannot REACH".to_owned()), 100),
        by(|filter| filter.q = Some("re".to_owned()), 300),
    ]
}

#[tokio::test]
async fn pages_hold_every_relay_once_in_each_order() {
    let fixture = fleet().await;
    for (filter, expected) in filters() {
        let mut sets = Vec::new();
        for order in [SyncOrder::News, SyncOrder::Created] {
            let seen = pages(&fixture.query, &filter, order, 17, async || {}).await;
            assert_eq!(seen.len(), expected, "{filter:?} {order:?}");
            let set: BTreeSet<String> = seen.into_iter().collect();
            assert_eq!(set.len(), expected, "{filter:?} {order:?}");
            sets.push(set);
        }
        assert_eq!(sets[0], sets[1], "{filter:?}");
    }
}

#[tokio::test]
async fn pages_neither_skip_nor_repeat_while_others_change() {
    let fixture = fleet().await;
    let all = SyncFilter::default();
    let before = pages(&fixture.query, &all, SyncOrder::News, 17, async || {}).await;

    // One that was shown fails anew and moves up; one that was not is given up where it stands.
    let (shown, waiting) = (before[0].clone(), before[40].clone());
    let seen = pages(&fixture.query, &all, SyncOrder::News, 17, async || {
        let mut connection = fixture.second_connection().await;
        for (statement, relay) in [
            (
                "INSERT INTO sync_attempt (relay_id, number, job_id, generation, worker_id, started_at)
                 VALUES ($1, 2, '01J9ZX3V8QJ5S3R5T3N0V2K4M6', 1, 'w', 999999)",
                &shown,
            ),
            (
                "UPDATE relay_sync SET failed_generation = 1 WHERE relay_id = $1",
                &waiting,
            ),
        ] {
            sqlx::query(statement)
                .bind(relay)
                .execute(&mut connection)
                .await
                .unwrap();
        }
    })
    .await;

    assert_eq!(seen, before);
}

#[tokio::test]
async fn the_newest_attempt_comes_first_and_relays_without_one_last() {
    let fixture = fleet().await;
    let page = SyncPage {
        limit: 200,
        ..SyncPage::default()
    };

    let first = fixture
        .query
        .list_syncs(&SyncFilter::default(), &page)
        .await
        .unwrap();

    let attempts: Vec<i64> = first
        .items
        .iter()
        .map(|sync| sync.last_attempt.as_ref().unwrap().id.get())
        .collect();
    assert_eq!(attempts, (1..=200).rev().collect::<Vec<_>>());
}

#[tokio::test]
async fn a_rare_relay_among_very_many_is_found_over_short_pages() {
    let fixture = fleet().await;
    fixture
        .sql(
            "WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 10050)
             INSERT INTO sync_attempt (relay_id, number, job_id, generation, worker_id, outcome, started_at, finished_at)
             SELECT '01j' || printf('%023d', 1), n + 1, printf('01J%023d', 0), 1, 'w', 'accepted', 2, 3 FROM number",
        )
        .await;
    let filter = AttemptFilter {
        outcomes: vec![AttemptOutcome::Failed],
        ..AttemptFilter::default()
    };

    let first = fixture
        .query
        .list_attempts(&filter, None, 50)
        .await
        .unwrap();
    let after = first.next.as_deref().unwrap().parse().unwrap();
    let second = fixture
        .query
        .list_attempts(&filter, Some(after), 50)
        .await
        .unwrap();

    assert!(first.items.is_empty());
    assert_eq!(second.items.len(), 50);
}
