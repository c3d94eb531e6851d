//! A link that signs an operator in at the dashboard, for whoever has a shell on the server.

use std::{
    io::{self, Write as _},
    process::ExitCode,
    sync::Arc,
};

use anyhow::{Context as _, ensure};
use shared::{
    clock::SystemClock,
    command::{Command, Context, Entropy},
    config::ApiConfig,
    db::{DatabaseOptions, Db, Role},
    domain::{Pubkey, SessionScope},
    repositories::dashboard_session::LoginLink,
};

use crate::cli::LoginLinkArgs;

/// Prints a link.
pub async fn run(config: ApiConfig, arguments: LoginLinkArgs) -> anyhow::Result<ExitCode> {
    let pubkey = choose(&config, arguments.pubkey)?;
    let scope = if arguments.readonly {
        SessionScope::Readonly
    } else {
        SessionScope::Configured
    };
    let db = Db::join(DatabaseOptions::new(&config.database, Role::Interactive)).await?;
    let link = make(&db, &config, LoginLink { pubkey, scope }).await?;
    db.close().await;
    writeln!(io::stdout(), "{link}")?;
    Ok(ExitCode::SUCCESS)
}

/// Makes a link. Answers its URL.
pub async fn make(db: &Db, config: &ApiConfig, link: LoginLink) -> anyhow::Result<String> {
    let context = Context {
        clock: Arc::new(SystemClock),
        sealer: config.sealer.clone(),
        entropy: Entropy::from_system(),
        max_attempts: config.retry.max_attempts,
    };
    let token = Command::new(db.clone(), context)
        .create_login_link(link)
        .await?;
    let base = config.server.url.as_str().trim_end_matches('/');
    // After the # it is sent to nobody, and stands in no log.
    Ok(format!("{base}/dashboard/login#token={}", token.expose()))
}

/// Whom the link signs in: the first admin, unless somebody is named. It must be somebody who has a role.
fn choose(config: &ApiConfig, named: Option<Pubkey>) -> anyhow::Result<Pubkey> {
    let server = &config.server;
    let Some(pubkey) = named else {
        let first = server
            .admin_pubkeys
            .first()
            .context("SERVER_ADMIN_PUBKEYS names nobody whom a link could sign in")?;
        return Ok(Pubkey::try_from(*first)?);
    };
    let mut known = server.admin_pubkeys.iter().chain(&server.readonly_pubkeys);
    ensure!(
        known.any(|key| key.to_hex() == pubkey.as_hex()),
        "{pubkey} is neither in SERVER_ADMIN_PUBKEYS nor in SERVER_READONLY_PUBKEYS"
    );
    Ok(pubkey)
}
