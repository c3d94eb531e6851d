//! Secrets reach the disk sealed, and nobody's Debug output at all.

use shared::{
    command::relay,
    crypto::Sealed,
    domain::{NwcChange, RelaySecret},
};
use sqlx::Row as _;
use zeroize::Zeroizing;

use crate::fixture::{Fixture, new_relay, owner};

const WALLET_SECRET: &str = "aabbccddeeff00112233445566778899aabbccddeeff00112233445566778899";

/// Every byte the database has put on the disk, the log included.
async fn raw_bytes(fixture: &Fixture) -> Vec<u8> {
    let path = fixture.db.path();
    let mut wal = path.as_os_str().to_owned();
    wal.push("-wal");
    let mut bytes = tokio::fs::read(path).await.unwrap();
    bytes.extend(tokio::fs::read(wal).await.unwrap());
    bytes
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack
        .windows(needle.len())
        .any(|window| window == needle)
}

async fn sealed(fixture: &Fixture, statement: &'static str) -> Sealed {
    let mut connection = fixture.second_connection().await;
    let row = sqlx::query(statement)
        .fetch_one(&mut connection)
        .await
        .unwrap();
    Sealed::parse(row.get::<String, _>(0)).unwrap()
}

#[tokio::test]
async fn a_wallet_url_is_sealed_for_its_tenant_alone() {
    let fixture = Fixture::with_tenant().await;
    let url = format!(
        "nostr+walletconnect://{}?relay=wss://w.example.com&secret={WALLET_SECRET}",
        owner()
    );
    let change = NwcChange::Set(Zeroizing::new(url.clone()));

    fixture
        .command
        .update_tenant(owner(), change)
        .await
        .unwrap();

    let bytes = raw_bytes(&fixture).await;
    assert!(
        contains(&bytes, owner().as_hex().as_bytes()),
        "the search finds what is there"
    );
    assert!(!contains(&bytes, WALLET_SECRET.as_bytes()));
    assert!(!contains(&bytes, b"walletconnect://"));
    let sealed = sealed(&fixture, "SELECT nwc_url FROM tenant").await;
    assert_eq!(
        fixture
            .sealer
            .open(&sealed, owner().as_hex())
            .unwrap()
            .as_slice(),
        url.as_bytes()
    );
    assert!(fixture.sealer.open(&sealed, "somebody else").is_err());
}

#[tokio::test]
async fn a_relay_secret_is_a_key_of_its_own_sealed_for_its_relay_alone() {
    let (fixture, mine) = Fixture::with_relay().await;
    let other = fixture.create("other").await;

    let mut secrets = Vec::new();
    for (relay, statement) in [
        (&mine, "SELECT secret FROM relay WHERE subdomain = 'mine'"),
        (&other, "SELECT secret FROM relay WHERE subdomain = 'other'"),
    ] {
        let sealed = sealed(&fixture, statement).await;
        let text = fixture.sealer.open(&sealed, relay.id.as_str()).unwrap();
        secrets.push(RelaySecret::parse(&text).unwrap());
    }

    assert_ne!(secrets[0], secrets[1]);
    let bytes = raw_bytes(&fixture).await;
    for secret in secrets {
        assert!(!contains(&bytes, secret.expose().as_bytes()));
    }
    let mine_sealed = sealed(
        &fixture,
        "SELECT secret FROM relay WHERE subdomain = 'mine'",
    )
    .await;
    assert!(
        fixture
            .sealer
            .open(&mine_sealed, other.id.as_str())
            .is_err()
    );
}

#[tokio::test]
async fn a_draft_shows_no_secret() {
    let fixture = Fixture::new().await;

    let draft = relay::draft(&fixture.context, new_relay(owner(), "mine"));

    let secret = fixture
        .sealer
        .open(&draft.secret, draft.relay.id.as_str())
        .unwrap();
    let shown = format!("{draft:?}");
    assert!(!shown.contains(std::str::from_utf8(&secret).unwrap()));
    assert!(!shown.contains(draft.secret.as_str()));
}
