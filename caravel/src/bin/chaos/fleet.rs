//! The processes: each slot runs one after the other, each as long as the plan lets it live.
//!
//! Invariant: every process that was started is waited for. A process that ends without having been ended is a finding.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use rustix::process::Signal;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::StormArgs;
use crate::ground::Ground;
use crate::ledger::{Halt, Kill, Ledger, Place};
use crate::plan::{Life, Plan, Program};
use crate::process::{Process, Said};
use crate::steps::{Action, Armed};

/// How long a process has to end after SIGTERM: a sync under way, and the time to record it.
const DRAIN: Duration = Duration::from_secs(15);

/// What the slots go by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Things go wrong. The number grows with each blackout.
    Storm(u32),
    /// Every slot has a process that nothing happens to.
    Quiet,
    /// All of them end.
    Over,
}

/// Where the APIs listen, by slot.
#[derive(Debug, Default)]
pub struct Doors(Mutex<BTreeMap<usize, String>>);

impl Doors {
    /// All that are open now.
    pub fn open(&self) -> Vec<String> {
        let doors = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        doors.values().cloned().collect()
    }

    fn set(&self, slot: usize, url: Option<String>) {
        let mut doors = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match url {
            Some(url) => doors.insert(slot, url),
            None => doors.remove(&slot),
        };
    }
}

/// The slots.
pub struct Fleet {
    slots: JoinSet<anyhow::Result<()>>,
    phase: watch::Sender<Phase>,
}

impl Fleet {
    /// Starts a process in every slot.
    pub fn start(
        ground: &Ground,
        plan: Plan,
        arguments: &StormArgs,
        ledger: &Arc<Ledger>,
        doors: &Arc<Doors>,
    ) -> anyhow::Result<Self> {
        let phase = watch::Sender::new(Phase::Storm(0));
        let mut slots = JoinSet::new();
        let programs = std::iter::repeat_n(Program::Api, arguments.apis)
            .chain(std::iter::repeat_n(Program::Worker, arguments.workers));
        for (number, program) in programs.enumerate() {
            let name = match program {
                Program::Api => "api",
                Program::Worker => "worker",
            };
            let slot = Slot {
                number,
                program,
                variables: ground.variables().to_vec(),
                log: ground.log_file(&format!("{name}-{number}.log"))?,
                ledger: Arc::clone(ledger),
                doors: Arc::clone(doors),
                phase: phase.subscribe(),
                place: Place::default(),
            };
            slots.spawn(slot.run(plan.lives(program, number)));
        }
        Ok(Self { slots, phase })
    }

    /// Kills every process at this moment.
    pub fn black_out(&self) {
        self.phase.send_modify(|phase| {
            if let Phase::Storm(blackouts) = phase {
                *blackouts += 1;
            }
        });
    }

    /// From now on nothing happens to any process.
    pub fn calm(&self) {
        self.phase.send_replace(Phase::Quiet);
    }

    /// Lets every process drain and end.
    pub async fn end(mut self) -> anyhow::Result<()> {
        self.phase.send_replace(Phase::Over);
        while let Some(slot) = self.slots.join_next().await {
            slot??;
        }
        Ok(())
    }
}

/// A place for one process at a time.
struct Slot {
    number: usize,
    program: Program,
    variables: Vec<(&'static str, String)>,
    log: File,
    ledger: Arc<Ledger>,
    doors: Arc<Doors>,
    phase: watch::Receiver<Phase>,
    /// Of the present process.
    place: Place,
}

/// How a process ended.
enum End {
    /// It was killed.
    Killed(Kill),
    /// Nobody killed it.
    Itself(ExitStatus),
}

impl Slot {
    async fn run(mut self, mut lives: impl Iterator<Item = Life>) -> anyhow::Result<()> {
        loop {
            let phase = *self.phase.borrow_and_update();
            match phase {
                Phase::Storm(_) => {
                    // The plan's lives have no end.
                    let Some(life) = lives.next() else {
                        return Ok(());
                    };
                    self.live(&life).await?;
                }
                Phase::Quiet => self.live_quietly().await?,
                Phase::Over => return Ok(()),
            }
        }
    }

    /// One process to its bitter end.
    async fn live(&mut self, life: &Life) -> anyhow::Result<()> {
        let mut process = self.spawn(life.armed.as_ref())?;
        let end = self.befall(&mut process, life).await?;
        self.doors.set(self.number, None);
        match end {
            End::Killed(why) => self.ledger.killed(self.place, why),
            End::Itself(status) => self
                .ledger
                .deserted(format!("{:?}: {status}", self.program)),
        }
        Ok(())
    }

    async fn befall(&mut self, process: &mut Process, fate: &Life) -> anyhow::Result<End> {
        let born = Instant::now();
        let mut stop_at = fate.stopped_after.map(|after| born + after);
        let mut continue_at = None;
        let mut fired = None;
        loop {
            tokio::select! {
                biased;
                said = process.voice.next() => {
                    if let Some(step) = self.hear(said?) {
                        match fate.armed.as_ref().map(|armed| armed.action) {
                            Some(Action::Stop) => {
                                self.ledger.halted(self.place, Halt::AtStep(step));
                                continue_at = Some(Instant::now() + fate.pause);
                            }
                            Some(Action::Kill) | None => fired = Some(step),
                        }
                    }
                }
                status = process.child.wait() => {
                    let status = status.context("wait for a process")?;
                    return Ok(match fired {
                        Some(step) if status.signal() == Some(Signal::KILL.as_raw()) => {
                            End::Killed(Kill::AtStep(step))
                        }
                        Some(_) | None => End::Itself(status),
                    });
                }
                () = at(stop_at) => {
                    stop_at = None;
                    process.signal(Signal::STOP);
                    self.ledger.halted(self.place, Halt::AtRandom);
                    continue_at = Some(Instant::now() + fate.pause);
                }
                () = at(continue_at) => {
                    continue_at = None;
                    process.signal(Signal::CONT);
                }
                () = sleep_until(born + fate.killed_after) => {
                    return kill(process, fired, Kill::AtRandom).await;
                }
                changed = self.phase.changed() => {
                    changed.context("hear of the phase")?;
                    return kill(process, fired, Kill::Blackout).await;
                }
            }
        }
    }

    /// A process that nothing happens to, until all is over.
    async fn live_quietly(&mut self) -> anyhow::Result<()> {
        let mut process = self.spawn(None)?;
        let early = loop {
            if *self.phase.borrow_and_update() == Phase::Over {
                break None;
            }
            tokio::select! {
                biased;
                said = process.voice.next() => {
                    self.hear(said?);
                }
                status = process.child.wait() => break Some(status?),
                changed = self.phase.changed() => changed.context("hear of the phase")?,
            }
        };
        self.doors.set(self.number, None);
        let status = if let Some(status) = early {
            status
        } else {
            process.signal(Signal::TERM);
            let ended = tokio::time::timeout(DRAIN, process.child.wait()).await;
            ended.context("a process did not drain")??
        };
        if early.is_some() || !status.success() {
            let program = self.program;
            self.ledger
                .deserted(format!("{program:?}, in quiet: {status}"));
        }
        Ok(())
    }

    fn spawn(&mut self, armed: Option<&Armed>) -> anyhow::Result<Process> {
        let log = self.log.try_clone().context("share a log file")?;
        let process = Process::spawn(self.program, armed, &self.variables, log)?;
        self.place = self.ledger.started();
        Ok(process)
    }

    /// Takes in what a process says. Answers the step it has come to, if that is what it says.
    fn hear(&self, said: Option<Said>) -> Option<String> {
        match said? {
            Said::Listening(url) => self.doors.set(self.number, Some(url)),
            Said::Ready(worker) => self.ledger.named(self.place, worker),
            Said::AtStep(step) => return Some(step),
        }
        None
    }
}

/// Kills a process, unless it has been killed at a step already.
async fn kill(process: &mut Process, fired: Option<String>, why: Kill) -> anyhow::Result<End> {
    process.signal(Signal::KILL);
    let status = process.child.wait().await.context("wait for a process")?;
    Ok(if status.signal() == Some(Signal::KILL.as_raw()) {
        End::Killed(fired.map_or(why, Kill::AtStep))
    } else {
        End::Itself(status)
    })
}

/// Waits for a moment, for ever if there is none.
async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
