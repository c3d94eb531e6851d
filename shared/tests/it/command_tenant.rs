//! Tenants: signing in again and again, and connecting a wallet.

use futures::future::join_all;
use shared::{
    command::{CommandError, tenant},
    db::WriteTx,
    domain::{ActivityType, CreateTenantInput, NwcChange, ResourceType},
};
use zeroize::Zeroizing;

use crate::fixture::{Fixture, START, owner, stranger};

const WALLET: &str = "nostr+walletconnect://79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798?relay=wss://wallet.example.com&secret=aabbccddeeff00112233445566778899aabbccddeeff00112233445566778899";

fn wallet() -> NwcChange {
    NwcChange::Set(Zeroizing::new(WALLET.to_owned()))
}

#[tokio::test]
async fn the_first_sign_in_creates_the_tenant_and_later_ones_find_it() {
    let fixture = Fixture::new().await;
    let new = CreateTenantInput {
        return_url: Some("https://app.example.com/".to_owned()),
    };
    let new = new.validate(owner()).unwrap();

    let first = fixture.command.create_tenant(new).await.unwrap();
    fixture.clock.advance(std::time::Duration::from_mins(1));
    let second = fixture.sign_up(owner()).await;

    assert_eq!(
        first.return_url.as_deref(),
        Some("https://app.example.com/")
    );
    assert_eq!(first.created_at, START);
    assert_eq!(second, first);
    assert_eq!(fixture.query.get_tenant(&owner()).await.unwrap(), first);
    let log = fixture.query.list_activity_after(0, 10).await.unwrap();
    assert_eq!(log.len(), 1);
    assert_eq!(
        (
            log[0].activity_type,
            log[0].resource_type,
            log[0].resource_id.as_str(),
            &log[0].tenant_pubkey
        ),
        (
            ActivityType::CreateTenant,
            ResourceType::Tenant,
            owner().as_hex(),
            &owner()
        )
    );
}

#[tokio::test]
async fn first_sign_ins_at_once_create_one_tenant() {
    let fixture = Fixture::new().await;

    let tenants = join_all((0..8).map(|_| fixture.sign_up(owner()))).await;

    assert!(tenants.iter().all(|tenant| *tenant == tenants[0]));
    assert_eq!(fixture.traces().await.activities, 1);
}

#[tokio::test]
async fn a_create_on_an_open_write_finds_the_tenant_that_is_there() {
    let fixture = Fixture::with_tenant().await;
    let context = fixture.context.clone();

    let found = fixture
        .db
        .write(async move |tx: &mut WriteTx| {
            let new = CreateTenantInput::default().validate(owner())?;
            tenant::create(tx, &context, new).await
        })
        .await
        .unwrap();

    assert_eq!(found.pubkey, owner());
    assert_eq!(fixture.traces().await.activities, 1);
}

#[tokio::test]
async fn a_wallet_is_connected_replaced_and_disconnected() {
    let fixture = Fixture::with_tenant().await;
    for (change, is_set, activities) in [
        (NwcChange::Disconnect, false, 1),
        (NwcChange::Keep, false, 1),
        (wallet(), true, 2),
        (NwcChange::Keep, true, 2),
        (wallet(), true, 3),
        (NwcChange::Disconnect, false, 4),
        (NwcChange::Disconnect, false, 4),
    ] {
        let updated = fixture
            .command
            .update_tenant(owner(), change)
            .await
            .unwrap();

        assert_eq!(updated.nwc_is_set, is_set);
        assert_eq!(fixture.query.get_tenant(&owner()).await.unwrap(), updated);
        assert_eq!(fixture.traces().await.activities, activities);
    }
    let newest = fixture.query.list_activity_after(3, 1).await.unwrap();
    assert_eq!(newest[0].activity_type, ActivityType::UpdateTenant);
}

#[tokio::test]
async fn a_tenant_who_never_signed_in_cannot_be_changed() {
    let fixture = Fixture::with_tenant().await;

    let error = fixture
        .command
        .update_tenant(stranger(), wallet())
        .await
        .unwrap_err();

    assert!(matches!(error, CommandError::TenantUnknown(pubkey) if pubkey == stranger()));
}
