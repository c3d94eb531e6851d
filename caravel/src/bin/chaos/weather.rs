//! What zooid does wrong, spell by spell.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, seq::IndexedRandom as _};
use serde_json::json;
use shared::domain::RelayId;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use zooid_sim::{Effect, Fault, LoadError, Phase, StartError, ZooidSim};

use crate::ground::SETTLE_SECONDS;
use crate::plan::{Plan, Stream, millis};

/// The longest that a call hangs: what lands later than this was settled too early.
const HANG_MOST_MS: u64 = SETTLE_SECONDS * 1_000 - 2_000;

/// What zooid can do wrong, and how often each is drawn.
const TROUBLES: [(Trouble, u32); 21] = [
    (Trouble::LostAnswer, 4),
    (Trouble::Reset, 4),
    (Trouble::LateLanding, 4),
    (Trouble::LateAnswer, 4),
    (Trouble::Slow, 4),
    (Trouble::Status(500), 2),
    (Trouble::Status(502), 2),
    (Trouble::Status(504), 2),
    (Trouble::Status(507), 1),
    (Trouble::Status(401), 1),
    (Trouble::Status(403), 1),
    (Trouble::Status(400), 1),
    (Trouble::Conflict, 1),
    (Trouble::RetryAfter(503), 2),
    (Trouble::RetryAfter(429), 2),
    (Trouble::MalformedBody, 2),
    (Trouble::HugeBody, 2),
    (Trouble::TornFile, 3),
    (Trouble::Restart, 3),
    (Trouble::LostFile, 2),
    (Trouble::BrokenFile, 2),
];

/// Something zooid does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Trouble {
    /// The call is applied, and the connection closed.
    LostAnswer,
    /// The connection is closed, and nothing applied.
    Reset,
    /// The call is applied late, longer after it was sent than its worker waits.
    LateLanding,
    /// The call is applied, and answered late.
    LateAnswer,
    /// Everything takes long, but not too long.
    Slow,
    /// Another answer, nothing applied.
    Status(u16),
    /// The answer that somebody else has the host.
    Conflict,
    /// Another answer that asks for patience.
    RetryAfter(u16),
    /// Half of an answer.
    MalformedBody,
    /// More than an answer.
    HugeBody,
    /// zooid dies while it writes the file.
    TornFile,
    /// zooid goes down and comes up again.
    Restart,
    /// A relay's file is gone.
    LostFile,
    /// A relay's file is cut off.
    BrokenFile,
}

/// One trouble, or none, for a while.
#[derive(Debug, Clone, PartialEq)]
struct Spell {
    trouble: Option<Trouble>,
    lasts: Duration,
    /// How many of the calls it hits.
    share: f64,
    /// How long calls hang.
    hang_ms: u64,
    /// Where in the file it is cut off, and which of the relays there are loses it.
    pick: usize,
}

/// What the weather came to.
#[derive(Debug, Default)]
pub struct Weather {
    /// How often each trouble was made.
    pub tally: BTreeMap<String, u64>,
}

/// Makes weather as planned, until the storm is over; then zooid is well. Names the relays whose files zooid lost: nobody
/// can see that from outside, so an operator has to send them once more.
pub async fn run(
    sim: &ZooidSim,
    plan: &Plan,
    lost: mpsc::UnboundedSender<RelayId>,
) -> anyhow::Result<Weather> {
    let mut weather = Weather::default();
    let end = Instant::now() + plan.length();
    for spell in spells(plan) {
        if let Some(trouble) = spell.trouble {
            *weather.tally.entry(trouble.to_string()).or_default() += 1;
            begin(sim, &spell, trouble, &lost).await?;
        }
        sleep_until(end.min(Instant::now() + spell.lasts)).await;
        sim.clear_faults();
        bring_up(sim, &lost).await?;
    }
    Ok(weather)
}

/// Starts zooid again. A file that was cut off where it still reads as one can keep the whole zooid down (zooid.md, Hazards):
/// an operator takes it away, and has its relay sent once more.
async fn bring_up(sim: &ZooidSim, lost: &mpsc::UnboundedSender<RelayId>) -> anyhow::Result<()> {
    loop {
        match sim.up().await {
            Ok(()) => return Ok(()),
            Err(StartError::Load(LoadError::Fatal(flaw))) => {
                sim.remove_file(&flaw.id)?;
                let _ = lost.send(flaw.id.parse()?);
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// The spells of a storm, in their order.
fn spells(plan: &Plan) -> Vec<Spell> {
    let mut chance = plan.chance(Stream::Weather);
    let finale = finale();
    let mut left = finale.iter().fold(plan.length(), |left, spell| {
        left.saturating_sub(spell.lasts)
    });
    let drawn = std::iter::from_fn(|| {
        let spell = (!left.is_zero()).then(|| Spell::draw(&mut chance))?;
        left = left.saturating_sub(spell.lasts);
        Some(spell)
    });
    drawn.chain(finale).collect()
}

/// How every storm ends: calls that land long after newer ones were accepted, with nothing behind them that would heal what
/// they undo.
fn finale() -> [Spell; 2] {
    let late = Spell {
        trouble: Some(Trouble::LateLanding),
        lasts: Duration::from_secs(2),
        share: 0.5,
        hang_ms: HANG_MOST_MS,
        pick: 0,
    };
    let fair = Spell {
        trouble: None,
        lasts: Duration::from_secs(3),
        ..late.clone()
    };
    [late, fair]
}

async fn begin(
    sim: &ZooidSim,
    spell: &Spell,
    trouble: Trouble,
    lost: &mpsc::UnboundedSender<RelayId>,
) -> anyhow::Result<()> {
    let fault = match trouble {
        Trouble::Restart => {
            sim.down().await;
            return Ok(());
        }
        Trouble::LostFile | Trouble::BrokenFile => {
            let relays: Vec<String> = sim.records().into_keys().collect();
            if let Some(relay) = relays.get(spell.pick % relays.len().max(1)) {
                // It may have no file yet.
                let _ = match trouble {
                    Trouble::LostFile => sim.remove_file(relay),
                    _ => sim.break_file(relay, 40),
                };
                // Whoever listens is there until the storm is over.
                let _ = lost.send(relay.parse()?);
            }
            return Ok(());
        }
        Trouble::RetryAfter(status) => Fault::retry_after(status, 1),
        Trouble::LostAnswer => Fault::new(Effect::Drop {
            phase: Phase::After,
        }),
        Trouble::Reset => Fault::new(Effect::Drop {
            phase: Phase::Before,
        }),
        // A delay and no hang: it is not cut short when the spell is over.
        Trouble::LateLanding => Fault::new(Effect::Delay {
            ms: spell.hang_ms,
            phase: Phase::Before,
        }),
        Trouble::LateAnswer => Fault::new(Effect::Hang {
            cap_ms: spell.hang_ms,
            phase: Phase::After,
        }),
        Trouble::Slow => Fault::new(Effect::Delay {
            ms: spell.hang_ms / 8,
            phase: Phase::Before,
        }),
        Trouble::Status(status) => answer(status, "out of order"),
        Trouble::Conflict => answer(409, "host \"elsewhere\" is already in use"),
        Trouble::MalformedBody => Fault::new(Effect::MalformedBody),
        Trouble::HugeBody => Fault::new(Effect::HugeBody { bytes: 300_000 }),
        Trouble::TornFile => Fault::new(Effect::Crash {
            kept_bytes: spell.pick % 400,
        }),
    };
    sim.inject(fault.with_probability(spell.share))?;
    Ok(())
}

/// An answer in zooid's form, with nothing applied.
fn answer(status: u16, error: &str) -> Fault {
    Fault::new(Effect::Answer {
        status,
        headers: BTreeMap::from([("content-type".to_owned(), "application/json".to_owned())]),
        body: json!({ "error": error }).to_string(),
        phase: Phase::Before,
    })
}

impl Spell {
    fn draw(chance: &mut StdRng) -> Self {
        let trouble = TROUBLES
            .choose_weighted(chance, |(_, weight)| *weight)
            .ok()
            .map(|(trouble, _)| *trouble);
        Self {
            trouble: trouble.filter(|_| chance.random_bool(0.8)),
            lasts: millis(chance, 300, 2_500),
            share: chance.random_range(0.1..0.8),
            hang_ms: chance.random_range(200..HANG_MOST_MS),
            pick: chance.random_range(0..10_000),
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "status {status}"),
            Self::RetryAfter(status) => write!(f, "status {status} with Retry-After"),
            Self::LostAnswer => f.write_str("lost answers"),
            Self::Reset => f.write_str("resets"),
            Self::LateLanding => f.write_str("late landing"),
            Self::LateAnswer => f.write_str("late answers"),
            Self::Slow => f.write_str("slow answers"),
            Self::Conflict => f.write_str("conflicts"),
            Self::MalformedBody => f.write_str("malformed answers"),
            Self::HugeBody => f.write_str("huge answers"),
            Self::TornFile => f.write_str("torn writes"),
            Self::Restart => f.write_str("restarts"),
            Self::LostFile => f.write_str("lost files"),
            Self::BrokenFile => f.write_str("broken files"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_same_seed_makes_the_same_weather_and_all_of_it_comes() {
        let plan = |seed| Plan::new(seed, Duration::from_mins(30));

        assert_eq!(spells(&plan(7)), spells(&plan(7)));
        assert_ne!(spells(&plan(7)), spells(&plan(8)));
        let drawn = spells(&plan(7));
        let drawn: BTreeSet<Trouble> = drawn.iter().filter_map(|spell| spell.trouble).collect();
        assert_eq!(drawn.len(), TROUBLES.len());
    }
}
