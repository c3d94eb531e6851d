//! What the billing system writes: kept, repeatable, and of no concern to zooid or the activity log.

use shared::{
    command::{
        CommandError,
        billing::{TenantBilling, set_tenant_billing},
    },
    domain::RelayId,
};

use crate::fixture::{Fixture, START, by_billing, owner, stranger};

#[tokio::test]
async fn billing_notes_are_kept_and_cleared_without_activity_or_sync() {
    let (fixture, relay) = Fixture::with_relay().await;
    fixture.drain().await;
    let before = fixture.traces().await;
    let command = &fixture.command;

    let with_item = command
        .set_relay_subscription_item(by_billing(), relay.id.clone(), "si_1".to_owned())
        .await
        .unwrap();
    command
        .set_tenant_subscription(by_billing(), owner(), "sub_1".to_owned())
        .await
        .unwrap();
    command
        .set_tenant_nwc_error(by_billing(), owner(), "the wallet is empty".to_owned())
        .await
        .unwrap();
    let tenant = command
        .set_tenant_past_due(by_billing(), owner())
        .await
        .unwrap();

    assert_eq!(
        with_item.stripe_subscription_item_id.as_deref(),
        Some("si_1")
    );
    assert_eq!(with_item.generation, relay.generation);
    assert_eq!(tenant.stripe_subscription_id.as_deref(), Some("sub_1"));
    assert_eq!(tenant.nwc_error.as_deref(), Some("the wallet is empty"));
    assert_eq!(tenant.past_due_at, Some(START));
    assert_eq!(fixture.query.get_tenant(&owner()).await.unwrap(), tenant);
    assert_eq!(fixture.query.get_relay(&relay.id).await.unwrap(), with_item);

    let without_item = command
        .delete_relay_subscription_item(by_billing(), relay.id.clone())
        .await
        .unwrap();
    command
        .clear_tenant_subscription(by_billing(), owner())
        .await
        .unwrap();
    command
        .clear_tenant_nwc_error(by_billing(), owner())
        .await
        .unwrap();
    let tenant = command
        .clear_tenant_past_due(by_billing(), owner())
        .await
        .unwrap();

    assert_eq!(without_item.stripe_subscription_item_id, None);
    assert_eq!(
        (
            tenant.stripe_subscription_id,
            tenant.nwc_error,
            tenant.past_due_at
        ),
        (None, None, None)
    );
    assert_eq!(fixture.traces().await, before);
}

#[tokio::test]
async fn a_payment_stays_overdue_since_it_first_was() {
    let fixture = Fixture::with_tenant().await;
    fixture
        .command
        .set_tenant_past_due(by_billing(), owner())
        .await
        .unwrap();
    fixture.clock.advance(std::time::Duration::from_hours(1));

    let tenant = fixture
        .command
        .set_tenant_past_due(by_billing(), owner())
        .await
        .unwrap();

    assert_eq!(tenant.past_due_at, Some(START));
}

#[tokio::test]
async fn billing_hears_of_tenants_and_relays_that_do_not_exist() {
    let fixture = Fixture::with_tenant().await;
    let id: RelayId = "01j00000000000000000000000".parse().unwrap();

    let item = fixture
        .command
        .set_relay_subscription_item(by_billing(), id.clone(), "si_1".to_owned())
        .await;
    let past_due = fixture
        .command
        .set_tenant_past_due(by_billing(), stranger())
        .await;

    assert!(matches!(item, Err(CommandError::RelayUnknown(unknown)) if unknown == id));
    assert!(matches!(past_due, Err(CommandError::TenantUnknown(unknown)) if unknown == stranger()));
}

#[tokio::test]
async fn a_note_that_is_rolled_back_leaves_no_line_in_the_record() {
    let fixture = Fixture::with_tenant().await;
    let context = std::sync::Arc::new(fixture.context.clone());
    let count = async || fixture.number("SELECT count(*) FROM operator_action").await;
    let noted = async |then: Result<(), CommandError>| {
        let context = std::sync::Arc::clone(&context);
        let write = async move |tx: &mut shared::db::WriteTx| {
            let past_due = TenantBilling::PastDue;
            set_tenant_billing(tx, &context, &by_billing(), &owner(), past_due).await?;
            then
        };
        fixture.db.write(write).await
    };

    assert!(
        noted(Err(CommandError::TenantUnknown(owner())))
            .await
            .is_err()
    );
    assert_eq!(count().await, 0);
    noted(Ok(())).await.unwrap();
    assert_eq!(count().await, 1);
}
