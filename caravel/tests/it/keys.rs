//! Keys, and signing with them.

use nostr::key::{Keys, PublicKey};
use nostr::nips::nip19::FromBech32 as _;
use reqwest::header::AUTHORIZATION;
use serde_json::Value;
use shared::crypto::SecretsKey;

use crate::client::{Client, http};
use crate::installation::{Installation, program};
use crate::process::Process;
use crate::wait::soon;

async fn printed_by(arguments: &[&str]) -> String {
    let output = soon("the end of a process", program(arguments).output()).await;
    let output = output.unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn a_fresh_key_pair_is_the_same_in_all_its_forms_and_never_the_same_twice() {
    let text = printed_by(&["keygen"]).await;
    let form = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().last().unwrap()
    };

    let keys = Keys::parse(form("secret hex")).unwrap();
    assert_eq!(Keys::parse(form("secret nsec")).unwrap(), keys);
    assert_eq!(form("public hex"), keys.public_key().to_hex());
    assert_eq!(
        PublicKey::from_bech32(form("public npub")).unwrap(),
        keys.public_key()
    );
    assert_ne!(printed_by(&["keygen"]).await, text);
}

#[tokio::test]
async fn a_fresh_secrets_key_can_be_used_as_one() {
    let text = printed_by(&["keygen", "--secrets-key"]).await;

    assert!(text.trim_end().parse::<SecretsKey>().is_ok());
    assert_ne!(printed_by(&["keygen", "--secrets-key"]).await, text);
}

#[tokio::test]
async fn a_signed_header_opens_the_api_in_either_form() {
    let installation = Installation::new().await;
    let mut api = Process::spawn(installation.program(&["api"]));
    let url = api.printed("listening on ").await;
    let request = format!("{}/identity", Client::SERVER_URL);
    let key = installation.admin.secret_key().to_secret_hex();

    for form in [
        vec!["sign", "--url", Client::SERVER_URL],
        vec!["sign", "--url", &request, "--method", "get"],
    ] {
        let output = program(&form).env("CARAVEL_SIGN_KEY", &key).output();
        let output = soon("a signature", output).await.unwrap();
        let header = String::from_utf8(output.stdout).unwrap();

        let answer = http()
            .get(format!("{url}/identity"))
            .header(AUTHORIZATION, header.trim_end())
            .send()
            .await
            .unwrap();

        let body: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        assert_eq!(
            body["data"]["pubkey"],
            installation.admin.public_key().to_hex()
        );
        assert_eq!(body["data"]["is_admin"], true);
    }
}

#[tokio::test]
async fn a_key_that_is_none_is_refused_without_being_repeated() {
    let mut command = program(&["sign", "--url", Client::SERVER_URL]);
    let output = command.env("CARAVEL_SIGN_KEY", "nsec-mistyped").output();
    let output = soon("the end of a process", output).await.unwrap();

    assert_eq!(output.status.code(), Some(1));
    assert!(
        !String::from_utf8(output.stderr)
            .unwrap()
            .contains("nsec-mistyped")
    );
}
