//! A change of the key that seals secrets.

use shared::{
    command::{
        Command, Context, Trace,
        operator::{ByOperator, Refused, Rotation},
    },
    crypto::{SealError, Sealed, Sealer, SecretsKey},
    domain::{Actor, NwcChange},
};
use zeroize::Zeroizing;

use crate::fixture::{Fixture, owner};

/// One more than a batch holds.
const RELAYS: usize = 101;

/// The key of [`Fixture`]'s sealer.
fn former() -> SecretsKey {
    SecretsKey::from_bytes(&[7; 32])
}

fn current() -> SecretsKey {
    SecretsKey::from_bytes(&[9; 32])
}

/// Commands of a program that was started with the new key.
fn after_the_change(fixture: &Fixture, previous: Vec<SecretsKey>) -> Command {
    let context = Context {
        sealer: Sealer::new(current(), previous),
        ..fixture.context.clone()
    };
    Command::new(fixture.db.clone(), context)
}

fn by_shell() -> ByOperator {
    ByOperator {
        actor: Actor::Shell,
        trace: Trace::none(),
    }
}

async fn set_wallet(fixture: &Fixture) {
    let url = "nostr+walletconnect://x?secret=y".to_owned();
    let change = NwcChange::Set(Zeroizing::new(url));
    fixture
        .command
        .update_tenant(owner(), change)
        .await
        .unwrap();
}

/// Every sealed value, opened with `sealer` for its owner; `None` for one that does not open.
async fn opened(fixture: &Fixture, sealer: &Sealer) -> Vec<Option<String>> {
    let rows: Vec<(String, String)> = sqlx::query_as(
        "SELECT id, secret FROM relay
         UNION ALL
         SELECT pubkey, nwc_url FROM tenant WHERE nwc_url IS NOT NULL
         ORDER BY 1",
    )
    .fetch_all(fixture.db.readers())
    .await
    .unwrap();
    rows.into_iter()
        .map(|(owner, sealed)| {
            let value = sealer.open(&Sealed::parse(sealed).unwrap(), &owner).ok()?;
            Some(String::from_utf8(value.to_vec()).unwrap())
        })
        .collect()
}

#[tokio::test]
async fn every_secret_stays_what_it_is_and_no_longer_needs_the_former_key() {
    let fixture = Fixture::with_tenant().await;
    set_wallet(&fixture).await;
    for number in 0..RELAYS {
        fixture.create(&format!("r{number}")).await;
    }
    let (before, traces) = (
        opened(&fixture, &fixture.sealer).await,
        fixture.traces().await,
    );
    let command = after_the_change(&fixture, vec![former()]);

    let rotation = command.rotate_secrets(by_shell()).await.unwrap();

    assert_eq!(rotation.relay_secrets, RELAYS as u64);
    assert_eq!(rotation.wallet_urls, 1);
    assert_eq!(rotation.refused, []);
    assert!(before.iter().all(Option::is_some));
    assert_eq!(
        opened(&fixture, &Sealer::new(current(), Vec::new())).await,
        before
    );
    let recorded: (String, String, i64, String) = sqlx::query_as(
        "SELECT id, actor, affected, detail FROM operator_action WHERE action = 'rotate_secrets'",
    )
    .fetch_one(fixture.db.readers())
    .await
    .unwrap();
    assert_eq!(rotation.action_id, Some(recorded.0));
    assert_eq!((recorded.1.as_str(), recorded.2), ("shell", 102));
    assert!(recorded.3.contains(current().key_id()), "{}", recorded.3);
    // zooid has nothing to learn from it.
    assert_eq!(fixture.traces().await, traces);
    let generations = "SELECT count(*) FROM relay WHERE generation > 1";
    assert_eq!(fixture.number(generations).await, 0);
}

#[tokio::test]
async fn a_second_rotation_finds_nothing_to_do() {
    let (fixture, _relay) = Fixture::with_relay().await;
    let command = after_the_change(&fixture, vec![former()]);
    command.rotate_secrets(by_shell()).await.unwrap();

    let second = command.rotate_secrets(by_shell()).await.unwrap();

    assert_eq!(second, Rotation::default());
    let recorded = "SELECT count(*) FROM operator_action";
    assert_eq!(fixture.number(recorded).await, 1);
}

#[tokio::test]
async fn what_no_key_opens_is_told_of_and_keeps_nothing_else_from_being_sealed_anew() {
    let (fixture, mine) = Fixture::with_relay().await;
    fixture.create("other").await;
    fixture
        .sql("UPDATE relay SET secret = 'v1.lost' WHERE subdomain = 'mine'")
        .await;
    set_wallet(&fixture).await;

    let rotation = after_the_change(&fixture, vec![former()])
        .rotate_secrets(by_shell())
        .await
        .unwrap();

    let lost = Refused {
        entity: "relay",
        id: mine.id.to_string(),
        reason: SealError::Malformed,
    };
    assert_eq!((rotation.relay_secrets, rotation.wallet_urls), (1, 1));
    assert_eq!(rotation.refused, [lost]);
}

#[tokio::test]
async fn without_the_former_key_nothing_is_touched() {
    let (fixture, mine) = Fixture::with_relay().await;
    let before = opened(&fixture, &fixture.sealer).await;

    let rotation = after_the_change(&fixture, Vec::new())
        .rotate_secrets(by_shell())
        .await
        .unwrap();

    let key_id = former().key_id().to_owned();
    assert_eq!(
        rotation.refused,
        [Refused {
            entity: "relay",
            id: mine.id.to_string(),
            reason: SealError::UnknownKey { key_id },
        }]
    );
    assert_eq!(opened(&fixture, &fixture.sealer).await, before);
}
