//! Keys for operators: making them, and signing with them.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use anyhow::Context as _;
use nostr::{key::Keys, nips::nip19::ToBech32 as _};
use shared::{clock::SystemClock, zooid::nip98};

use crate::cli::{KeygenArgs, SignArgs};

/// Prints the value of an `Authorization` header.
pub fn sign(arguments: &SignArgs) -> anyhow::Result<ExitCode> {
    // The parser's own error could quote the key.
    let keys = Keys::parse(&arguments.key)
        .ok()
        .context("read the key: expected a secret key as hex or nsec")?;
    let method = arguments.method.as_deref().map(str::to_ascii_uppercase);
    let header =
        nip98::authorization(&SystemClock, &keys, &arguments.url, method.as_deref(), None)?;
    writeln!(io::stdout(), "{header}")?;
    Ok(ExitCode::SUCCESS)
}

/// Prints a fresh key.
pub fn generate(arguments: &KeygenArgs) -> anyhow::Result<ExitCode> {
    let mut out = io::stdout();
    if arguments.secrets_key {
        writeln!(out, "{}", secrets_key())?;
        return Ok(ExitCode::SUCCESS);
    }
    let keys = Keys::generate();
    let (secret, public) = (keys.secret_key(), keys.public_key());
    writeln!(out, "secret hex   {}", secret.to_secret_hex())?;
    writeln!(out, "secret nsec  {}", secret.to_bech32()?)?;
    writeln!(out, "public hex   {}", public.to_hex())?;
    writeln!(out, "public npub  {}", public.to_bech32()?)?;
    Ok(ExitCode::SUCCESS)
}

/// A fresh `CARAVEL_SECRETS_KEY`: 32 bytes as hex.
pub fn secrets_key() -> String {
    hex::encode(rand::random::<[u8; 32]>())
}
