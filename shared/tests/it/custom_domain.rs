//! Custom domains: what each look-up makes of a relay, and who may make it.

use std::time::Duration;

use futures::future::join_all;
use serde_json::{Value, json};
use shared::{
    command::{CommandError, LookedUp, Trace},
    crypto::Sealer,
    domain::{DesiredRelay, DomainFinding, Relay},
    query::operator::{CustomDomainReport, Viewpoint},
    repositories::relay_domain::DueDomain,
    zooid::Preview,
};

use crate::fixture::{Fixture, START, patch};

const EVERY: Duration = Duration::from_mins(1);
const LEASE: Duration = Duration::from_secs(40);
const HOUR: Duration = Duration::from_hours(1);

/// A relay in step, with a custom domain that has not been looked up.
async fn with_domain() -> (Fixture, Relay) {
    let (fixture, relay) = Fixture::with_relay().await;
    let relay = fixture
        .update(&relay, json!({"custom_domain": "chat.example.org"}))
        .await
        .unwrap();
    fixture.drain().await;
    (fixture, relay)
}

fn wrong() -> DomainFinding {
    DomainFinding::Fails("It leads elsewhere.".to_owned())
}

async fn take(fixture: &Fixture) -> Vec<DueDomain> {
    fixture.command.take_due_domains(LEASE, 10).await.unwrap()
}

/// Looks up the only domain that is due, and finds this.
async fn look_up(fixture: &Fixture, finding: DomainFinding) -> LookedUp {
    let mut due = take(fixture).await;
    assert_eq!(due.len(), 1);
    record(fixture, due.remove(0), finding).await
}

async fn record(fixture: &Fixture, due: DueDomain, finding: DomainFinding) -> LookedUp {
    fixture
        .command
        .record_domain(due, finding, EVERY)
        .await
        .unwrap()
}

async fn read(fixture: &Fixture, relay: &Relay) -> Relay {
    fixture.query.get_relay(&relay.id).await.unwrap()
}

async fn report(fixture: &Fixture, relay: &Relay) -> Option<CustomDomainReport> {
    let view = Viewpoint::new(
        shared::clock::Clock::now(&fixture.clock),
        Duration::from_secs(10),
    );
    let sealer: Sealer = fixture.sealer.clone();
    let preview = Preview::new(shared::config::BlossomStorage::Local, None, sealer);
    fixture
        .query
        .explain_relay(&view, &preview, &relay.id)
        .await
        .unwrap()
        .custom_domain
}

#[tokio::test]
async fn a_verified_domain_becomes_the_host_with_a_sync_and_a_line_in_the_log() {
    let (fixture, relay) = with_domain().await;
    let before = fixture.traces().await;

    let looked_up = look_up(&fixture, DomainFinding::LeadsHere).await;

    assert_eq!(looked_up, LookedUp::Verified);
    let verified = read(&fixture, &relay).await;
    assert_eq!(DesiredRelay::from(&verified).host(), "chat.example.org");
    assert_eq!(verified.generation, relay.generation.next());
    assert_eq!(
        (
            verified.custom_domain_verified_at,
            verified.custom_domain_error.as_str()
        ),
        (Some(START), "")
    );
    let after = fixture.traces().await;
    assert_eq!(after.activities, before.activities + 1);
    assert_eq!((before.waiting_jobs, after.waiting_jobs), (0, 1));
    let logged = "SELECT activity_type FROM activity ORDER BY seq DESC LIMIT 1";
    assert_eq!(fixture.text(logged).await, "update_relay");
}

#[tokio::test]
async fn a_look_up_that_changes_no_host_is_told_and_costs_nothing() {
    let (fixture, relay) = with_domain().await;
    let before = fixture.traces().await;

    let looked_up = look_up(&fixture, wrong()).await;

    assert_eq!(looked_up, LookedUp::Same);
    let told = Relay {
        custom_domain_error: "It leads elsewhere.".to_owned(),
        ..relay.clone()
    };
    let read = read(&fixture, &relay).await;
    assert_eq!(
        read,
        Relay {
            next_attempt_at: None,
            sync_state: read.sync_state,
            ..told
        }
    );
    assert_eq!(fixture.traces().await, before);
}

#[tokio::test]
async fn a_verified_domain_that_fails_for_a_day_falls_back_and_comes_back_when_it_is_mended() {
    let (fixture, relay) = with_domain().await;
    look_up(&fixture, DomainFinding::LeadsHere).await;
    let verified = read(&fixture, &relay).await;
    for hour in 0..24 {
        fixture.clock.advance(HOUR);
        assert_eq!(look_up(&fixture, wrong()).await, LookedUp::Same, "{hour}");
    }
    let failing = read(&fixture, &relay).await;
    assert_eq!(failing.generation, verified.generation);
    assert_eq!(failing.custom_domain_error, "It leads elsewhere.");
    assert!(failing.custom_domain_verified);

    fixture.clock.advance(HOUR);
    let fallen = look_up(&fixture, wrong()).await;

    assert_eq!(fallen, LookedUp::FellBack);
    let back = read(&fixture, &relay).await;
    assert_eq!(DesiredRelay::from(&back).host(), "mine.spaces.example.com");
    assert_eq!(back.generation, verified.generation.next());
    assert_eq!(back.custom_domain_verified_at, None);
    assert_eq!(
        back.settings.custom_domain, verified.settings.custom_domain,
        "it stays set"
    );
    fixture.clock.advance(HOUR);
    assert_eq!(
        look_up(&fixture, DomainFinding::LeadsHere).await,
        LookedUp::Verified
    );
}

#[tokio::test]
async fn a_due_look_up_is_taken_once_until_its_lease_is_over() {
    let (fixture, _relay) = with_domain().await;

    let (first, second) = (take(&fixture).await, take(&fixture).await);

    assert_eq!((first.len(), second.len()), (1, 0));
    fixture.clock.advance(LEASE);
    let third = take(&fixture).await;
    assert_eq!(third.len(), 1);
    for late in first {
        assert_eq!(record(&fixture, late, wrong()).await, LookedUp::Outdated);
    }
    for in_time in third {
        assert_eq!(record(&fixture, in_time, wrong()).await, LookedUp::Same);
    }
    assert_eq!(take(&fixture).await, []);
    fixture.clock.advance(EVERY);
    assert_eq!(take(&fixture).await.len(), 1);
}

#[tokio::test]
async fn what_was_found_for_a_former_name_counts_for_nothing() {
    for edit in [
        json!({"custom_domain": "talk.example.org"}),
        json!({"custom_domain": ""}),
        json!({"subdomain": "renamed"}),
    ] {
        let (fixture, relay) = with_domain().await;
        let due = take(&fixture).await.remove(0);
        fixture.update(&relay, edit.clone()).await.unwrap();

        let looked_up = record(&fixture, due, DomainFinding::LeadsHere).await;

        assert_eq!(looked_up, LookedUp::Outdated, "{edit}");
        assert!(!read(&fixture, &relay).await.custom_domain_verified);
    }
}

#[tokio::test]
async fn another_domain_starts_over_and_none_leaves_nothing() {
    let (fixture, relay) = with_domain().await;
    look_up(&fixture, DomainFinding::LeadsHere).await;
    fixture.clock.advance(EVERY);

    let other = fixture
        .update(&relay, json!({"custom_domain": "talk.example.org"}))
        .await
        .unwrap();
    let due = take(&fixture).await;
    let none = fixture
        .update(&relay, json!({"custom_domain": ""}))
        .await
        .unwrap();

    assert_eq!(
        (
            other.custom_domain_verified,
            other.custom_domain_verified_at
        ),
        (false, None)
    );
    assert_eq!(due[0].check.domain.as_str(), "talk.example.org");
    assert_eq!(due[0].check.canonical, "mine.spaces.example.com");
    assert_eq!(none.settings.custom_domain, None);
    assert_eq!(fixture.number("SELECT count(*) FROM relay_domain").await, 0);
}

#[tokio::test]
async fn a_race_for_a_custom_domain_has_exactly_one_winner() {
    let fixture = Fixture::with_tenant().await;
    let mut relays = Vec::new();
    for number in 0..8 {
        relays.push(fixture.create(&format!("relay-{number}")).await);
    }
    let body: Value = json!({"custom_domain": "chat.example.org"});

    let results = join_all(relays.iter().map(|relay| {
        fixture
            .command
            .update_relay(Trace::none(), relay.id.clone(), patch(&body))
    }))
    .await;

    let (winners, losers): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
    assert_eq!((winners.len(), losers.len()), (1, 7));
    for loser in losers {
        assert!(matches!(
            loser.unwrap_err(),
            CommandError::AlreadyExists {
                field: "custom_domain",
                ..
            }
        ));
    }
    let rows = "SELECT count(*) FROM relay_domain";
    assert_eq!(fixture.number(rows).await, 1);
}

#[tokio::test]
async fn operators_are_told_how_far_a_domain_is_verified() {
    let (fixture, relay) = with_domain().await;
    let sentence = async || report(&fixture, &relay).await.unwrap().sentence;

    assert_eq!(
        sentence().await,
        "chat.example.org has not been looked up yet; until it is verified, the relay's host is mine.spaces.example.com."
    );
    look_up(&fixture, wrong()).await;
    assert_eq!(
        sentence().await,
        "chat.example.org is not verified, so the relay's host is mine.spaces.example.com. It leads elsewhere."
    );
    fixture.clock.advance(HOUR);
    look_up(&fixture, DomainFinding::LeadsHere).await;
    assert_eq!(
        sentence().await,
        "chat.example.org is verified since 09:00:00 UTC, and the relay's host."
    );
    fixture.clock.advance(HOUR);
    look_up(&fixture, wrong()).await;
    fixture.clock.advance(HOUR * 3);
    assert_eq!(
        sentence().await,
        "chat.example.org is verified since 09:00:00 UTC, but its look-ups have failed for 3 h: It leads elsewhere. The relay \
         falls back to mine.spaces.example.com at 2027-01-16 10:00:00 UTC if that goes on."
    );

    fixture
        .update(&relay, json!({"custom_domain": ""}))
        .await
        .unwrap();
    assert_eq!(report(&fixture, &relay).await, None);
}
