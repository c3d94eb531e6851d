//! What was done to which process, and when.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Why a process was killed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kill {
    /// Its time had come, whatever it was doing.
    AtRandom,
    /// It had come to this step.
    AtStep(String),
    /// Everybody was killed.
    Blackout,
}

/// Why a process was stopped.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Halt {
    /// Whatever it was doing.
    AtRandom,
    /// It had come to this step.
    AtStep(String),
}

/// One process.
#[derive(Debug, Clone, Default)]
pub struct Record {
    /// The id it has in the database, if it is a worker and came so far.
    pub worker: Option<String>,
    /// When it was stopped, each time.
    pub halted: Vec<Instant>,
    /// When it was killed.
    pub killed: Option<Instant>,
}

/// Everything that was done.
#[derive(Debug, Default)]
pub struct Ledger {
    entries: Mutex<Entries>,
}

/// The entries.
#[derive(Debug, Clone, Default)]
pub struct Entries {
    /// The processes, in the order of their start.
    pub processes: Vec<Record>,
    /// Kills by reason.
    pub kills: BTreeMap<Kill, u64>,
    /// Stops by reason.
    pub halts: BTreeMap<Halt, u64>,
    /// Processes that ended although nobody had ended them, and how.
    pub deserters: Vec<String>,
}

/// The place of a process in the ledger.
#[derive(Debug, Clone, Copy, Default)]
pub struct Place(usize);

impl Ledger {
    /// A process starts.
    pub fn started(&self) -> Place {
        let mut entries = self.entries();
        entries.processes.push(Record::default());
        Place(entries.processes.len() - 1)
    }

    /// It is this worker.
    pub fn named(&self, place: Place, worker: String) {
        self.entries().processes[place.0].worker = Some(worker);
    }

    /// It stands still.
    pub fn halted(&self, place: Place, why: Halt) {
        let mut entries = self.entries();
        *entries.halts.entry(why).or_default() += 1;
        entries.processes[place.0].halted.push(Instant::now());
    }

    /// It is no more.
    pub fn killed(&self, place: Place, why: Kill) {
        let mut entries = self.entries();
        *entries.kills.entry(why).or_default() += 1;
        entries.processes[place.0].killed = Some(Instant::now());
    }

    /// It ended by itself.
    pub fn deserted(&self, how: String) {
        self.entries().deserters.push(how);
    }

    /// All of it, as it stands.
    pub fn read(&self) -> Entries {
        self.entries().clone()
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    /// Kills in all.
    pub fn kill_count(&self) -> u64 {
        self.kills.values().sum()
    }

    /// Stops in all.
    pub fn halt_count(&self) -> u64 {
        self.halts.values().sum()
    }
}
