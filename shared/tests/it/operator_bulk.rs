//! What operators do to all relays that match: previewed, and then carried out once.

use std::{collections::BTreeSet, time::Duration};

use serde_json::json;
use shared::{
    command::{
        CommandError,
        operator::{Acted, BulkPreview},
    },
    domain::{BulkFilter, BulkInput, FailureKind, PreviewInput, RelayAction, SyncState},
};

use crate::{
    fixture::{DOMAIN, Fixture, START, owner},
    operator_relay::{by_admin, record},
};

/// 2000 relays `s1`, `s2` … that were given up: the first 1200 refused, the next 500 in conflict, the last 300 by an error
/// of the server; the kinds are failure groups 1, 2 and 3.
async fn two_thousand() -> Fixture {
    let (fixture, _) = Fixture::with_relay().await;
    for statement in [
        "WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
         INSERT INTO relay (id, tenant_pubkey, subdomain, zooid_domain, schema, secret, plan_id, policy_public_read,
                            policy_public_write, policy_public_join, policy_strip_signatures, groups_enabled,
                            management_enabled, members_can_invite, push_enabled, blossom_enabled, livekit_enabled,
                            created_at, updated_at)
         SELECT printf('%026d', i), tenant_pubkey, 's' || i, zooid_domain, 's_' || i, secret, 'free', 0, 0, 0, 0, 0, 0, 0, 0,
                0, 0, 1, 1
         FROM n, relay
         WHERE relay.subdomain = 'mine'",
        "INSERT INTO failure_group (id, fingerprint, target, kind, pattern, message, first_seen_at, last_seen_at)
         VALUES (1, 'a', 'spaces.example.com', 'invalid', '', 'Bad settings', 1, 1),
                (2, 'b', 'spaces.example.com', 'conflict', '', 'schema is already in use', 1, 1),
                (3, 'c', 'spaces.example.com', 'server_error', '', 'boom', 1, 1)",
        "UPDATE relay_sync
         SET failed_generation = 1,
             sync_error = 'Refused.',
             failure_kind = CASE WHEN relay_id <= printf('%026d', 1200) THEN 'invalid'
                                 WHEN relay_id <= printf('%026d', 1700) THEN 'conflict' ELSE 'server_error' END,
             failure_group_id = CASE WHEN relay_id <= printf('%026d', 1200) THEN 1
                                     WHEN relay_id <= printf('%026d', 1700) THEN 2 ELSE 3 END
         WHERE relay_id IN (SELECT id FROM relay WHERE subdomain <> 'mine')",
        "UPDATE Jobs SET status = 'Done', idempotency_key = NULL",
        "UPDATE relay_sync SET synced_generation = 1, synced_at = 1, accepted = '{}' WHERE failed_generation IS NULL",
    ] {
        fixture.sql(statement).await;
    }
    fixture
}

fn conflicts() -> PreviewInput {
    PreviewInput {
        action: RelayAction::Retry,
        filter: BulkFilter {
            kind: BTreeSet::from([FailureKind::Conflict]),
            ..BulkFilter::default()
        },
    }
}

async fn preview(fixture: &Fixture, request: &PreviewInput) -> BulkPreview {
    fixture.command.preview_bulk(request.clone()).await.unwrap()
}

async fn run(
    fixture: &Fixture,
    previewed: &PreviewInput,
    token: &str,
    expected: u64,
) -> Result<Acted, CommandError> {
    let request = BulkInput {
        previewed: previewed.clone(),
        token: token.to_owned(),
        expected,
    };
    fixture.command.run_bulk(by_admin(), request).await
}

const WAITING: &str = "SELECT count(*) FROM Jobs WHERE status = 'Pending'";

#[tokio::test]
async fn one_kind_out_of_three_is_retried_in_one_write_and_in_the_background() {
    let fixture = two_thousand().await;
    let request = conflicts();

    let seen = preview(&fixture, &request).await;
    assert_eq!((seen.affected, seen.sample.len()), (500, 5));
    assert_eq!(fixture.number(WAITING).await, 0);
    let acted = run(&fixture, &request, &seen.token, seen.affected)
        .await
        .unwrap();

    assert_eq!(acted.affected, 500);
    let right = "SELECT count(*) FROM Jobs INNER JOIN relay_sync ON relay_sync.relay_id = Jobs.idempotency_key
                 WHERE failure_kind = 'conflict' AND status = 'Pending' AND priority = 0 AND run_at = 1800000000
                   AND max_attempts = 25 AND state = 'pending' AND failed_generation IS NULL";
    assert_eq!(fixture.number(right).await, 500);
    assert_eq!(fixture.number(WAITING).await, 500);
    let given_up = "SELECT sum(relays) FROM relay_count WHERE state = 'failed'";
    assert_eq!(fixture.number(given_up).await, 1500);
    assert_eq!(
        record(&fixture).await,
        [(
            owner().to_string(),
            "retry".to_owned(),
            "relays".to_owned(),
            String::new(),
            500,
            json!({
                "filter": {"kind": ["conflict"]},
                "expected": 500,
                "token": seen.token,
                "trace": "trace-act",
            }),
        )]
    );
}

#[tokio::test]
async fn a_token_is_good_for_one_run_and_answers_the_first_result_ever_after() {
    let fixture = two_thousand().await;
    let request = conflicts();
    let seen = preview(&fixture, &request).await;

    let (one, other) = tokio::join!(
        run(&fixture, &request, &seen.token, 500),
        run(&fixture, &request, &seen.token, 500)
    );
    fixture.drain().await;
    fixture.clock.advance(Duration::from_hours(48));
    let late = run(&fixture, &request, &seen.token, 500).await.unwrap();

    let one = one.unwrap();
    assert_eq!(one.affected, 500);
    assert_eq!(one, other.unwrap());
    assert_eq!(one, late);
    assert_eq!(fixture.number(WAITING).await, 0);
    assert_eq!(record(&fixture).await.len(), 1);
}

#[tokio::test]
async fn a_token_of_another_request_or_of_long_ago_is_refused() {
    let fixture = two_thousand().await;
    let request = conflicts();
    let seen = preview(&fixture, &request).await;
    let cancel = PreviewInput {
        action: RelayAction::Cancel,
        ..request.clone()
    };
    let everything = PreviewInput {
        filter: BulkFilter::default(),
        ..request.clone()
    };
    let later = format!("9{}", seen.token);
    let signed = seen.token.replacen("18", "+18", 1);

    for (request, token) in [
        (&cancel, &seen.token),
        (&everything, &seen.token),
        (&request, &later),
        (&request, &signed),
        (&request, &"1.2".to_owned()),
        (&request, &String::new()),
    ] {
        let refused = run(&fixture, request, token, 500).await;
        assert!(
            matches!(refused, Err(CommandError::BulkTokenInvalid)),
            "{request:?} {token}"
        );
    }
    fixture.clock.advance(Duration::from_secs(60 * 60 + 1));
    let refused = run(&fixture, &request, &seen.token, 500).await;
    assert!(matches!(refused, Err(CommandError::BulkTokenInvalid)));
    assert_eq!(fixture.number(WAITING).await, 0);
}

#[tokio::test]
async fn far_more_relays_than_were_seen_are_refused_with_their_number() {
    let fixture = two_thousand().await;
    let request = conflicts();
    let seen = preview(&fixture, &request).await;

    for expected in [0, 440, 560] {
        let refused = run(&fixture, &request, &seen.token, expected).await;
        assert!(
            matches!(refused, Err(CommandError::BulkChanged { affected: 500 })),
            "{expected}"
        );
    }
    assert_eq!(fixture.number(WAITING).await, 0);

    let few_more = run(&fixture, &request, &seen.token, 460).await.unwrap();
    assert_eq!(few_more.affected, 500);
}

#[tokio::test]
async fn a_bulk_moves_what_waits_forward_and_never_down_the_line() {
    let (fixture, _) = Fixture::with_relay().await;
    fixture
        .sql("UPDATE Jobs SET attempts = 7, priority = 10, run_at = run_at + 600")
        .await;
    let request = PreviewInput {
        action: RelayAction::Retry,
        filter: BulkFilter::default(),
    };
    let seen = preview(&fixture, &request).await;

    run(&fixture, &request, &seen.token, 1).await.unwrap();

    let moved =
        "SELECT count(*) FROM Jobs WHERE attempts = 0 AND priority = 10 AND run_at = 1800000000";
    assert_eq!(fixture.number(moved).await, 1);
}

#[tokio::test]
async fn a_bulk_that_touches_nothing_leaves_no_line() {
    let fixture = two_thousand().await;
    let request = PreviewInput {
        action: RelayAction::Release,
        filter: BulkFilter::default(),
    };
    let seen = preview(&fixture, &request).await;

    let acted = run(&fixture, &request, &seen.token, 0).await.unwrap();

    assert_eq!(acted, Acted::default());
    assert!(record(&fixture).await.is_empty());
}

#[tokio::test]
async fn every_action_touches_all_that_it_would_change_and_no_other() {
    use RelayAction::{Cancel, Pause, Release, Resume, Retry, Sync};
    let fixture = two_thousand().await;
    // In this order: each begins with what the one before left.
    for (action, touched, waiting) in [
        (Cancel, 0, 0),
        (Pause, 2001, 0),
        (Pause, 0, 0),
        // Given up: nothing to enqueue.
        (Resume, 2001, 0),
        (Retry, 2000, 2000),
        (Retry, 0, 2000),
        // The others wait already.
        (Sync, 1, 2001),
        (Cancel, 2001, 0),
        (Sync, 2001, 2001),
        (Release, 0, 2001),
    ] {
        let request = PreviewInput {
            action,
            filter: BulkFilter::default(),
        };
        let seen = preview(&fixture, &request).await;
        let acted = run(&fixture, &request, &seen.token, seen.affected)
            .await
            .unwrap();

        assert_eq!(
            (seen.affected, acted.affected),
            (touched, touched),
            "{action}"
        );
        assert_eq!(fixture.number(WAITING).await, waiting, "{action}");
    }
}

#[tokio::test]
async fn a_filter_finds_what_people_see() {
    let fixture = two_thousand().await;
    for statement in [
        "INSERT INTO sync_attempt (relay_id, number, job_id, generation, worker_id, started_at)
         VALUES (printf('%026d', 7), 1, 'j', 1, 'w', 5000)",
        // One waits, and its target is paused.
        "UPDATE relay_sync SET failed_generation = NULL WHERE relay_id = printf('%026d', 9)",
        "INSERT INTO target (name, circuit_since, paused_at) VALUES ('spaces.example.com', 1, 1)",
        "UPDATE relay SET custom_domain = 'chat.acme.com' WHERE subdomain = 's11'",
    ] {
        fixture.sql(statement).await;
    }
    let mine = fixture
        .query
        .list_relays_for_tenant(&owner())
        .await
        .unwrap()
        .pop()
        .unwrap();
    let job = fixture.text("SELECT id FROM Jobs").await;
    let states = |state| BulkFilter {
        state: BTreeSet::from([state]),
        ..BulkFilter::default()
    };
    let search = |q: &str| BulkFilter {
        q: Some(q.to_owned()),
        ..BulkFilter::default()
    };
    let cases = [
        (states(SyncState::Failed), 1999),
        (states(SyncState::Held), 1),
        (states(SyncState::Pending), 0),
        (states(SyncState::Synced), 1),
        (
            BulkFilter {
                group: BTreeSet::from([1, 3]),
                ..BulkFilter::default()
            },
            1500,
        ),
        (
            BulkFilter {
                target: BTreeSet::from([DOMAIN.parse().unwrap()]),
                ..BulkFilter::default()
            },
            2001,
        ),
        (
            BulkFilter {
                since: Some(5000),
                until: Some(5001),
                ..BulkFilter::default()
            },
            1,
        ),
        (
            BulkFilter {
                until: Some(5000),
                ..BulkFilter::default()
            },
            0,
        ),
        (BulkFilter::of([mine.id.clone()]), 1),
        (BulkFilter::of([]), 0),
        (search("s199"), 11),
        (search(&format!("S1999.{DOMAIN}")), 1),
        (search("chat.acme"), 1),
        (search(mine.id.as_str()), 1),
        (search(&mine.id.as_str()[..6]), 1),
        (search("000"), 0),
        (search("0000000000000000000000199"), 10),
        (search(owner().as_hex()), 2001),
        (search(&owner().to_npub()), 2001),
        (search(&job), 1),
        (search("ALREADY in use"), 500),
        (search("100%"), 0),
    ];
    for (filter, found) in cases {
        let request = PreviewInput {
            action: RelayAction::Pause,
            filter,
        };

        let seen = preview(&fixture, &request).await;

        assert_eq!(seen.affected, found, "{request:?}");
    }
    assert_eq!(mine.created_at, START);
}
