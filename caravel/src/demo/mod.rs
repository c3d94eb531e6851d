//! `caravel demo`: everything at work in one process, with a story of things that go wrong and come right.
//!
//! Invariant: nothing here takes a short cut. Tenants and the operator call the API over HTTP with real signatures, and
//! API and worker are started exactly as `caravel serve` starts them, from variables that the demo makes up. What the demo
//! breaks by hand, it breaks where it says so.

mod installation;
mod reporter;
mod screen;
mod stage;
mod story;
mod trouble;

use std::process::ExitCode;

use anyhow::Context as _;
use shared::{
    config::{ServeConfig, Source},
    domain::SessionScope,
    repositories::dashboard_session::LoginLink,
    signals::{EXIT_INTERRUPTED, Interrupted, StopSignals},
    telemetry,
};
use tokio_util::sync::CancellationToken;

use crate::{
    cli::DemoArgs,
    login_link,
    serve::{Caravel, exit_code},
};
use installation::Installation;
use reporter::Reporter;
use stage::{Stage, Zooids};

/// Runs the demo until a signal, or until the story has ended with `--once`.
pub async fn run(arguments: DemoArgs) -> anyhow::Result<ExitCode> {
    let signals = StopSignals::listen().context("listen for signals")?;
    let stop = CancellationToken::new();
    match signals
        .govern(stop.clone(), Box::pin(show(arguments, stop)))
        .await
    {
        Ok(code) => code,
        Err(Interrupted) => Ok(ExitCode::from(EXIT_INTERRUPTED)),
    }
}

async fn show(arguments: DemoArgs, stop: CancellationToken) -> anyhow::Result<ExitCode> {
    let installation = Installation::start(&arguments).await?;
    let variables = installation.variables(&arguments.log);
    let config = ServeConfig::load(&variables.into_iter().collect::<Source>())?;
    telemetry::init(config.api.log.format, config.api.log.filter.clone())?;
    let Installation {
        folder,
        keys,
        zooid,
        annex,
        listener,
        api_url,
    } = installation;

    let caravel = Caravel::start(&config, listener, stop.clone()).await?;
    let db = caravel.db.clone();
    let reporter = Reporter::start(&db, keys.names()).await?;
    let operator = LoginLink {
        pubkey: keys.admin()?.public_key().try_into()?,
        scope: SessionScope::Configured,
    };
    let dashboard = login_link::make(&db, &config.api, operator).await?;
    let zooids = Zooids { zooid, annex };
    let stage = Stage::new(api_url, keys, zooids, &db, reporter.reported.clone())?;
    stage.introduce(&dashboard)?;
    let told = tokio::select! {
        biased;
        // A call of the story's that is cut off by the stop is no failure of the story.
        () = stop.cancelled() => Ok(()),
        told = story::tell(&stage, &arguments) => told,
    };

    screen::note("Draining: what is under way ends and is recorded")?;
    stop.cancel();
    let ended = caravel.ended().await?;
    let totals = reporter.end().await?;
    db.close().await;
    stage.close().await;
    screen::heading(&format!("{totals}; {}", folder.describe()))?;
    folder.leave()?;
    told?;
    Ok(exit_code(ended))
}
