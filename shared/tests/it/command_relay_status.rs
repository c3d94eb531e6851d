//! Turning relays off and on: which wish changes which status, and what it costs.

use shared::{
    command::{AskedBy, CommandError, Trace},
    domain::{ActivityType, Relay, RelayStatus, SyncState},
};

use crate::fixture::{Fixture, Traces, by_billing};

#[derive(Debug, Clone, Copy)]
enum Wish {
    Deactivate,
    MarkDelinquent,
    Activate(AskedBy),
}

async fn ask(fixture: &Fixture, relay: &Relay, wish: Wish) -> Result<Relay, CommandError> {
    let (trace, id) = (Trace::new("trace-status"), relay.id.clone());
    match wish {
        Wish::Deactivate => fixture.command.deactivate_relay(trace, id).await,
        Wish::MarkDelinquent => {
            fixture
                .command
                .mark_relay_delinquent(by_billing(), id)
                .await
        }
        Wish::Activate(asked_by) => fixture.command.activate_relay(trace, id, asked_by).await,
    }
}

/// A relay in `status`, its queue empty.
async fn relay_in(status: RelayStatus) -> (Fixture, Relay) {
    let (fixture, relay) = Fixture::with_relay().await;
    match status {
        RelayStatus::Active => {}
        RelayStatus::Inactive => {
            ask(&fixture, &relay, Wish::Deactivate).await.unwrap();
        }
        RelayStatus::Delinquent => {
            ask(&fixture, &relay, Wish::MarkDelinquent).await.unwrap();
        }
    }
    fixture.drain().await;
    let relay = fixture.query.get_relay(&relay.id).await.unwrap();
    assert_eq!(relay.status, status);
    (fixture, relay)
}

#[tokio::test]
async fn each_wish_changes_what_it_may_and_logs_it() {
    use RelayStatus::{Active, Delinquent, Inactive};
    for (from, wish, to, logged) in [
        (
            Active,
            Wish::Deactivate,
            Inactive,
            ActivityType::DeactivateRelay,
        ),
        (
            Active,
            Wish::MarkDelinquent,
            Delinquent,
            ActivityType::DeactivateRelay,
        ),
        (
            Inactive,
            Wish::Activate(AskedBy::Tenant),
            Active,
            ActivityType::ActivateRelay,
        ),
        (
            Inactive,
            Wish::Activate(AskedBy::Admin),
            Active,
            ActivityType::ActivateRelay,
        ),
        (
            Delinquent,
            Wish::Activate(AskedBy::Admin),
            Active,
            ActivityType::ActivateRelay,
        ),
    ] {
        let (fixture, before) = relay_in(from).await;
        let traces = fixture.traces().await;

        let after = ask(&fixture, &before, wish).await.unwrap();

        assert_eq!(after.status, to, "{from} {wish:?}");
        assert_eq!(
            after.generation,
            before.generation.next(),
            "{from} {wish:?}"
        );
        assert_eq!(after.sync_state, SyncState::Pending);
        assert_eq!(
            fixture.traces().await,
            Traces {
                activities: traces.activities + 1,
                waiting_jobs: 1
            },
            "{from} {wish:?}"
        );
        let newest = fixture
            .query
            .list_activity_after(traces.activities, 10)
            .await
            .unwrap();
        assert_eq!(newest[0].activity_type, logged, "{from} {wish:?}");
        assert_eq!(fixture.query.get_relay(&before.id).await.unwrap(), after);
    }
}

#[tokio::test]
async fn a_wish_for_what_is_so_or_may_not_be_changes_and_logs_nothing() {
    use RelayStatus::{Active, Delinquent, Inactive};
    for (status, wish) in [
        (Active, Wish::Activate(AskedBy::Tenant)),
        (Active, Wish::Activate(AskedBy::Admin)),
        (Inactive, Wish::Deactivate),
        // Delinquency comes from active only: a payment must not revive what the owner turned off.
        (Inactive, Wish::MarkDelinquent),
        // Off and on again must not replace a payment.
        (Delinquent, Wish::Deactivate),
        (Delinquent, Wish::MarkDelinquent),
    ] {
        let (fixture, before) = relay_in(status).await;
        let traces = fixture.traces().await;

        let after = ask(&fixture, &before, wish).await.unwrap();

        assert_eq!(after, before, "{status} {wish:?}");
        assert_eq!(fixture.traces().await, traces, "{status} {wish:?}");
    }
}

#[tokio::test]
async fn a_tenant_cannot_lift_delinquency() {
    let (fixture, relay) = relay_in(RelayStatus::Delinquent).await;
    let traces = fixture.traces().await;

    let error = ask(&fixture, &relay, Wish::Activate(AskedBy::Tenant))
        .await
        .unwrap_err();

    assert!(matches!(error, CommandError::RelayDelinquent(id) if id == relay.id));
    assert_eq!(fixture.traces().await, traces);
    assert_eq!(fixture.query.get_relay(&relay.id).await.unwrap(), relay);
}

#[tokio::test]
async fn a_relay_that_does_not_exist_has_no_status_to_change() {
    let fixture = Fixture::with_tenant().await;
    let id: shared::domain::RelayId = "01j00000000000000000000000".parse().unwrap();

    let results = [
        fixture
            .command
            .deactivate_relay(Trace::none(), id.clone())
            .await,
        fixture
            .command
            .mark_relay_delinquent(by_billing(), id.clone())
            .await,
        fixture
            .command
            .activate_relay(Trace::none(), id.clone(), AskedBy::Admin)
            .await,
    ];

    for result in results {
        assert!(matches!(result, Err(CommandError::RelayUnknown(unknown)) if unknown == id));
    }
}
