//! The story: relays are created, things go wrong in the ways that hosting goes wrong, and everything comes right.
//!
//! Each scene waits until every relay is in step again, so that its faults hit the relay they are meant for.

use std::time::Duration;

use anyhow::{Context as _, bail};
use chrono::{DateTime, Local};
use futures::future::try_join_all;
use nostr::key::Keys;
use reqwest::Method;
use serde_json::{Value, json};
use shared::clock::{Clock as _, SystemClock};
use zooid_sim::{Effect, Fault, Phase, Verb};

use super::{
    installation::TENANTS,
    reporter::count,
    screen,
    stage::{SampleRelay, Stage},
};
use crate::cli::DemoArgs;

/// The relays of the first scene: subdomain, name, and the owner's place among the tenants.
const RELAYS: [(&str, &str, usize); 10] = [
    ("bakery", "The Corner Bakery", 0),
    ("chess-club", "Chess Club", 1),
    ("field-notes", "Field Notes", 2),
    ("book-swap", "Book Swap", 0),
    ("trail-runners", "Trail Runners", 1),
    ("city-garden", "City Garden", 2),
    ("radio-waves", "Radio Waves", 0),
    ("tea-house", "Tea House", 1),
    ("paper-planes", "Paper Planes", 2),
    ("open-source", "Open Source Table", 0),
];

/// How long the story may take when it ends by itself.
const ONCE_DEADLINE: Duration = Duration::from_mins(2);

/// Edits that are made at once, in the scene about that.
const BURST: usize = 20;

/// Edits that are made one after the other at the end: for about two minutes, or just a few when nobody watches.
const TRICKLE: usize = 40;
const TRICKLE_ONCE: usize = 3;

/// Tells it. Without `--once` it then waits for ever: what was started stays up.
pub async fn tell(stage: &Stage, arguments: &DemoArgs) -> anyhow::Result<()> {
    if arguments.once {
        return tokio::time::timeout(ONCE_DEADLINE, scenes(stage, Pace::AtOnce, TRICKLE_ONCE))
            .await
            .context("the story did not end within two minutes")?;
    }
    scenes(stage, Pace::Watched(arguments.speed), TRICKLE).await?;
    screen::note("That was the story. Everything stays up until Ctrl-C")?;
    std::future::pending().await
}

/// How much time there is between events to read them.
#[derive(Debug, Clone, Copy)]
enum Pace {
    AtOnce,
    Watched(f64),
}

impl Pace {
    async fn pause(self, pause: Duration) {
        match self {
            Self::AtOnce => {}
            Self::Watched(speed) => tokio::time::sleep(pause.div_f64(speed)).await,
        }
    }
}

async fn scenes(stage: &Stage, pace: Pace, trickle: usize) -> anyhow::Result<()> {
    let between = Duration::from_secs(2);
    if stage.relays().await?.is_empty() {
        opening(stage).await?;
        pace.pause(between).await;
        lost_answer(stage).await?;
        pace.pause(between).await;
        conflict(stage).await?;
        pace.pause(between).await;
    }
    overload(stage).await?;
    pace.pause(between).await;
    hang(stage).await?;
    pace.pause(between).await;
    off_and_on(stage).await?;
    pace.pause(between).await;
    burst(stage).await?;
    pace.pause(between).await;
    edits(stage, pace, trickle).await
}

async fn opening(stage: &Stage) -> anyhow::Result<()> {
    screen::note("Three tenants sign in and create ten relays")?;
    for keys in stage.keys.tenants()? {
        stage
            .call(&keys, Method::POST, "/tenants", Some(json!({})))
            .await?;
    }
    try_join_all(RELAYS.map(|(subdomain, name, tenant)| create(stage, subdomain, name, tenant)))
        .await?;
    stage.in_step().await
}

async fn lost_answer(stage: &Stage) -> anyhow::Result<()> {
    screen::note("zooid creates a relay, but its answer is lost: the next attempt finds it there")?;
    let lost = Effect::Drop {
        phase: Phase::After,
    };
    let fault = Fault::new(lost).on_verb(Verb::Post).for_calls(1);
    stage.zooid.inject(fault)?;
    create(stage, "night-owls", "Night Owls", 2).await?;
    stage.in_step().await
}

async fn conflict(stage: &Stage) -> anyhow::Result<()> {
    screen::note(
        "Somebody left a relay in zooid under the very name that Ana wants: she picks another",
    )?;
    let owner = Keys::generate();
    stage
        .squat(
            "left-behind",
            json!({
                "host": format!("sunday-league.{}", stage.keys.relay_domain()),
                "schema": "left_behind",
                "secret": owner.secret_key().to_secret_hex(),
                "info": { "name": "Left behind", "pubkey": owner.public_key().to_hex() },
            }),
        )
        .await?;
    let relay = create(stage, "sunday-league", "Sunday League", 0).await?;
    stage.failed(&relay.id).await?;
    edit(stage, &relay, json!({ "subdomain": "sunday-league-fc" })).await?;
    stage.in_step().await
}

async fn overload(stage: &Stage) -> anyhow::Result<()> {
    screen::note("zooid is overloaded: it answers 503 to the next three calls for tea-house")?;
    let relay = find(stage, "tea-house").await?;
    let fault = Fault::status(503).on_relay(&relay.id).for_calls(3);
    stage.zooid.inject(fault)?;
    edit(stage, &relay, describe("Green, black and oolong")).await?;
    stage.in_step().await
}

async fn hang(stage: &Stage) -> anyhow::Result<()> {
    screen::note("zooid hangs on a call for chess-club, until it is too late for an answer")?;
    let relay = find(stage, "chess-club").await?;
    let hang = Effect::Hang {
        cap_ms: 60_000,
        phase: Phase::After,
    };
    let fault = Fault::new(hang).on_relay(&relay.id).for_calls(1);
    stage.zooid.inject(fault)?;
    edit(stage, &relay, describe("Blitz on Thursdays")).await?;
    stage.in_step().await?;
    stage.zooid.release();
    Ok(())
}

async fn off_and_on(stage: &Stage) -> anyhow::Result<()> {
    screen::note("Chioma turns paper-planes off, and on again")?;
    let relay = find(stage, "paper-planes").await?;
    for change in ["deactivate", "reactivate"] {
        let path = format!("/relays/{}/{change}", relay.id);
        let owner = stage.owner(&relay)?;
        stage.call(&owner, Method::POST, &path, None).await?;
        stage.in_step().await?;
    }
    Ok(())
}

async fn burst(stage: &Stage) -> anyhow::Result<()> {
    screen::note(&format!("Ben changes trail-runners {BURST} times at once"))?;
    let relay = find(stage, "trail-runners").await?;
    let before = stage.calls(&relay.id);
    try_join_all((1..=BURST).map(|number| {
        let change = describe(&format!("{number} km before breakfast"));
        edit(stage, &relay, change)
    }))
    .await?;
    stage.in_step().await?;
    let calls = stage.calls(&relay.id) - before;
    screen::note(&format!(
        "{BURST} changes took {} to zooid",
        count(calls, "call")
    ))?;
    Ok(())
}

async fn edits(stage: &Stage, pace: Pace, count: usize) -> anyhow::Result<()> {
    screen::note("And now and then, somebody edits something")?;
    let relays = stage.relays().await?;
    for (number, relay) in relays.iter().cycle().take(count).enumerate() {
        let change = describe(&format!("Open to all, notice no. {}", number + 1));
        edit(stage, relay, change).await?;
        pace.pause(Duration::from_secs(3)).await;
    }
    stage.in_step().await
}

/// A new description. It has the time in it, so that it changes something in a folder where the story was told before.
fn describe(text: &str) -> Value {
    let now: DateTime<Local> = SystemClock.now().into();
    json!({ "info_description": format!("{text} ({})", now.format("%c")) })
}

async fn create(
    stage: &Stage,
    subdomain: &str,
    name: &str,
    tenant: usize,
) -> anyhow::Result<SampleRelay> {
    let tenants = stage.keys.tenants()?;
    let relay = json!({
        "subdomain": subdomain,
        "zooid_domain": stage.keys.relay_domain(),
        "plan_id": "basic",
        "info_name": name,
        "info_description": format!("{name}, hosted for {}", TENANTS[tenant]),
    });
    let answer = stage
        .call(&tenants[tenant], Method::POST, "/relays", Some(relay))
        .await?;
    serde_json::from_value(answer["data"].clone()).context("read the new relay")
}

async fn edit(stage: &Stage, relay: &SampleRelay, change: Value) -> anyhow::Result<()> {
    let path = format!("/relays/{}", relay.id);
    let owner = stage.owner(relay)?;
    stage.call(&owner, Method::PUT, &path, Some(change)).await?;
    Ok(())
}

async fn find(stage: &Stage, subdomain: &str) -> anyhow::Result<SampleRelay> {
    let relays = stage.relays().await?;
    match relays
        .into_iter()
        .find(|relay| relay.subdomain == subdomain)
    {
        Some(relay) => Ok(relay),
        None => bail!("the folder holds a demo without a relay {subdomain}; choose another folder"),
    }
}
