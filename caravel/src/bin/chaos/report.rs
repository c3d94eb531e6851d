//! What was done and what came of it, for people and for the tests.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use zooid_sim::Verb;

use crate::ledger::{Entries, Halt, Kill};
use crate::operator::Repairs;
use crate::steps;
use crate::tenants::{Memories, Removal};
use crate::weather::Weather;

/// The end of a run.
#[derive(Debug)]
pub struct Report {
    /// What the schedule was drawn from.
    pub seed: u64,
    /// How long things went wrong.
    pub minutes: f64,
    /// What happened to the processes.
    pub entries: Entries,
    /// What zooid did wrong.
    pub weather: Weather,
    /// What the tenants asked.
    pub memories: Memories,
    /// What the operator repaired.
    pub repairs: Repairs,
    /// How long after the storm everything was in step; none when it never was.
    pub converged: Option<Duration>,
    /// What zooid was asked.
    pub calls: BTreeMap<Verb, u64>,
    /// What should not be.
    pub findings: Vec<String>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}, {} min of storm", self.seed, self.minutes)?;
        let entries = &self.entries;
        writeln!(f, "processes: {}", entries.processes.len())?;
        writeln!(f, "kills: {}", entries.kill_count())?;
        // Those that never came about, too: a step that nobody reaches any more should be seen.
        let at_steps = steps::all().map(|step| Kill::AtStep(step.to_owned()));
        for why in [Kill::AtRandom, Kill::Blackout].into_iter().chain(at_steps) {
            let times = entries.kills.get(&why).unwrap_or(&0);
            writeln!(f, "  {why}: {times}")?;
        }
        writeln!(f, "stops: {}", entries.halt_count())?;
        for (why, times) in &entries.halts {
            writeln!(f, "  {why}: {times}")?;
        }
        let memories = &self.memories;
        writeln!(f, "relays: {}", memories.relays.len())?;
        let removed = memories.relays.iter();
        let removed = removed.filter(|memory| memory.removal == Removal::Done);
        writeln!(f, "removed: {}", removed.count())?;
        writeln!(
            f,
            "requests: {} answered, {} not",
            memories.answered, memories.unanswered
        )?;
        writeln!(f, "zooid:")?;
        for (trouble, times) in &self.weather.tally {
            writeln!(f, "  {trouble}: {times}")?;
        }
        for (verb, times) in &self.calls {
            writeln!(f, "  {verb:?} calls: {times}")?;
        }
        let repairs = &self.repairs;
        writeln!(
            f,
            "operator: {} released, {} tried again, {} sent once more, {} probes",
            repairs.released, repairs.retried, repairs.resent, repairs.probed
        )?;
        match self.converged {
            Some(time) => writeln!(f, "in step: {:.1} s after the storm", time.as_secs_f64())?,
            None => writeln!(f, "in step: never")?,
        }
        match self.findings.len() {
            0 => writeln!(f, "nothing was lost")?,
            findings => writeln!(f, "findings: {findings}")?,
        }
        for finding in &self.findings {
            writeln!(f, "  {finding}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Kill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtRandom => f.write_str("at random"),
            Self::AtStep(step) => write!(f, "at {step}"),
            Self::Blackout => f.write_str("all at once"),
        }
    }
}

impl fmt::Display for Halt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtRandom => f.write_str("at random"),
            Self::AtStep(step) => write!(f, "at {step}"),
        }
    }
}
