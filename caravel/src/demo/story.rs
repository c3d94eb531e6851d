//! The story: relays are created, things go wrong in the ways that hosting goes wrong, and everything comes right.
//!
//! Each scene but those of [`trouble`] waits until its relays are in step again, so that its faults hit the relay they are
//! meant for.

use std::time::Duration;

use anyhow::{Context as _, bail};
use chrono::{DateTime, Local};
use futures::future::try_join_all;
use reqwest::Method;
use serde_json::{Value, json};
use shared::clock::{Clock as _, SystemClock};
use zooid_sim::{Effect, Fault, Phase, Verb};

use super::{
    installation::TENANTS,
    reporter::count,
    screen,
    stage::{SampleRelay, Stage},
    trouble,
};
use crate::cli::DemoArgs;

/// The relays of the first scene: subdomain, name, the owner's place among the tenants, and who serves them.
const RELAYS: [(&str, &str, usize, Served); 10] = [
    ("bakery", "The Corner Bakery", 0, Served::ByZooid),
    ("chess-club", "Chess Club", 1, Served::ByZooid),
    ("field-notes", "Field Notes", 2, Served::ByAnnex),
    ("book-swap", "Book Swap", 0, Served::ByZooid),
    ("trail-runners", "Trail Runners", 1, Served::ByZooid),
    ("city-garden", "City Garden", 2, Served::ByAnnex),
    ("radio-waves", "Radio Waves", 0, Served::ByZooid),
    ("tea-house", "Tea House", 1, Served::ByZooid),
    ("paper-planes", "Paper Planes", 2, Served::ByZooid),
    ("open-source", "Open Source Table", 0, Served::ByAnnex),
];

/// Which zooid serves a relay.
#[derive(Debug, Clone, Copy)]
pub enum Served {
    /// The one that most are served by.
    ByZooid,
    /// The other one, which goes down now and then.
    ByAnnex,
}

/// How long the story may take when it ends by itself.
const ONCE_DEADLINE: Duration = Duration::from_mins(2);

/// Edits that are made at once, in the scene about that.
const BURST: usize = 20;

/// Edits that are made one after the other at the end: for about two minutes, or just a few when nobody watches.
const TRICKLE: usize = 40;
const TRICKLE_ONCE: usize = 3;

/// Of so many edits, the second zooid is away from one to another; and one meets an overloaded zooid.
const ROUND: usize = 20;
const AWAY_FROM: usize = 5;
const AWAY_UNTIL: usize = 12;
const OVERLOADED: usize = 16;

/// Tells it. Without `--once`, life then goes on for ever.
pub async fn tell(stage: &Stage, arguments: &DemoArgs) -> anyhow::Result<()> {
    if arguments.once {
        let story = async {
            scenes(stage, Pace::AtOnce, TRICKLE_ONCE).await?;
            trouble::repair(stage).await?;
            stage.in_step().await
        };
        return tokio::time::timeout(ONCE_DEADLINE, story)
            .await
            .context("the story did not end within two minutes")?;
    }
    let pace = Pace::Watched(arguments.speed);
    scenes(stage, pace, TRICKLE).await?;
    trouble::clear_the_way(stage).await?;
    screen::note(
        "That was the story. Two relays are left for you to repair at the dashboard: retry sunday-league, release night-shift",
    )?;
    screen::note("Everything stays up until Ctrl-C, and life goes on")?;
    loop {
        edits(stage, pace, TRICKLE).await?;
    }
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
        trouble::conflict(stage).await?;
        pace.pause(between).await;
        trouble::quarantine(stage).await?;
        pace.pause(between).await;
    } else {
        trouble::repair(stage).await?;
    }
    outage(stage, pace).await?;
    pace.pause(between).await;
    overload(stage).await?;
    pace.pause(between).await;
    hang(stage).await?;
    pace.pause(between).await;
    off_and_on(stage).await?;
    pace.pause(between).await;
    burst(stage).await?;
    pace.pause(between).await;
    screen::note("And now and then, somebody edits something")?;
    edits(stage, pace, trickle).await
}

async fn opening(stage: &Stage) -> anyhow::Result<()> {
    screen::note("Three tenants sign in and create ten relays, at two zooids")?;
    for keys in stage.keys.tenants()? {
        stage
            .call(&keys, Method::POST, "/tenants", Some(json!({})))
            .await?;
    }
    try_join_all(
        RELAYS.map(|(subdomain, name, tenant, served)| {
            create(stage, subdomain, name, tenant, served)
        }),
    )
    .await?;
    stage.in_step().await
}

async fn lost_answer(stage: &Stage) -> anyhow::Result<()> {
    screen::note("zooid creates a relay, but its answer is lost: the next attempt finds it there")?;
    let lost = Effect::Drop {
        phase: Phase::After,
    };
    let fault = Fault::new(lost).on_verb(Verb::Post).for_calls(1);
    stage.zooids.zooid.inject(fault)?;
    let relay = create(stage, "night-owls", "Night Owls", 2, Served::ByZooid).await?;
    stage.relay_in_step(&relay).await
}

async fn outage(stage: &Stage, pace: Pace) -> anyhow::Result<()> {
    screen::note("The second zooid goes down: its relays are held, and lose no attempt")?;
    let annex = &stage.zooids.annex;
    annex.down().await;
    let mut relays = Vec::new();
    for (subdomain, ..) in RELAYS
        .iter()
        .filter(|(.., served)| matches!(served, Served::ByAnnex))
    {
        let relay = find(stage, subdomain).await?;
        edit(stage, &relay, describe("While zooid is away")).await?;
        relays.push(relay);
    }
    for relay in &relays {
        stage.failed(relay).await?;
    }
    pace.pause(Duration::from_secs(12)).await;
    annex.up().await?;
    screen::note("It is back: a probe finds out, and they go on")?;
    for relay in &relays {
        stage.relay_in_step(relay).await?;
    }
    Ok(())
}

async fn overload(stage: &Stage) -> anyhow::Result<()> {
    screen::note("zooid is overloaded: it answers 503 to the next three calls for tea-house")?;
    let relay = find(stage, "tea-house").await?;
    let fault = Fault::status(503).on_relay(&relay.id).for_calls(3);
    stage.zooids.zooid.inject(fault)?;
    edit(stage, &relay, describe("Green, black and oolong")).await?;
    stage.relay_in_step(&relay).await
}

async fn hang(stage: &Stage) -> anyhow::Result<()> {
    screen::note("zooid hangs on a call for chess-club, until it is too late for an answer")?;
    let relay = find(stage, "chess-club").await?;
    let hang = Effect::Hang {
        cap_ms: 60_000,
        phase: Phase::After,
    };
    let fault = Fault::new(hang).on_relay(&relay.id).for_calls(1);
    stage.zooids.zooid.inject(fault)?;
    edit(stage, &relay, describe("Blitz on Thursdays")).await?;
    stage.relay_in_step(&relay).await?;
    stage.zooids.zooid.release();
    Ok(())
}

async fn off_and_on(stage: &Stage) -> anyhow::Result<()> {
    screen::note("Chioma turns paper-planes off, and on again")?;
    let relay = find(stage, "paper-planes").await?;
    for change in ["deactivate", "reactivate"] {
        let path = format!("/relays/{}/{change}", relay.id);
        let owner = stage.owner(&relay)?;
        stage.call(&owner, Method::POST, &path, None).await?;
        stage.relay_in_step(&relay).await?;
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
    stage.relay_in_step(&relay).await?;
    let calls = stage.calls(&relay.id) - before;
    screen::note(&format!(
        "{BURST} changes took {} to zooid",
        count(calls, "call")
    ))?;
    Ok(())
}

/// Edits of all relays but those in trouble, with a calm beginning and end.
async fn edits(stage: &Stage, pace: Pace, count: usize) -> anyhow::Result<()> {
    let mut relays = stage.relays().await?;
    relays.retain(|relay| !trouble::is_in(relay));
    for (number, relay) in relays.iter().cycle().take(count).enumerate() {
        match number % ROUND {
            AWAY_FROM => {
                screen::note("The second zooid is away for a while")?;
                stage.zooids.annex.down().await;
            }
            AWAY_UNTIL => {
                screen::note("It is back")?;
                stage.zooids.annex.up().await?;
            }
            OVERLOADED => {
                screen::note(&format!(
                    "zooid is overloaded when {} comes",
                    relay.subdomain
                ))?;
                let fault = Fault::status(503).on_relay(&relay.id).for_calls(4);
                // Whichever serves it.
                stage.zooids.zooid.inject(fault.clone())?;
                stage.zooids.annex.inject(fault)?;
            }
            _ => {}
        }
        let change = describe(&format!("Open to all, notice no. {}", number + 1));
        edit(stage, relay, change).await?;
        pace.pause(Duration::from_secs(3)).await;
    }
    for relay in &relays {
        stage.relay_in_step(relay).await?;
    }
    Ok(())
}

/// A new description. It has the time in it, so that it changes something in a folder where the story was told before.
fn describe(text: &str) -> Value {
    let now: DateTime<Local> = SystemClock.now().into();
    json!({ "info_description": format!("{text} ({})", now.format("%c")) })
}

/// Creates a relay as its tenant.
pub async fn create(
    stage: &Stage,
    subdomain: &str,
    name: &str,
    tenant: usize,
    served: Served,
) -> anyhow::Result<SampleRelay> {
    let tenants = stage.keys.tenants()?;
    let relay = json!({
        "subdomain": subdomain,
        "zooid_domain": match served {
            Served::ByZooid => stage.keys.relay_domain(),
            Served::ByAnnex => stage.keys.annex_domain(),
        },
        "plan_id": "basic",
        "info_name": name,
        "info_description": format!("{name}, hosted for {}", TENANTS[tenant]),
    });
    let answer = stage
        .call(&tenants[tenant], Method::POST, "/relays", Some(relay))
        .await?;
    serde_json::from_value(answer["data"].clone()).context("read the new relay")
}

/// Changes a relay as its tenant.
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
