//! The processes: each slot runs one after the other, each as long as the plan lets it live.
//!
//! Invariant: every process that was started is waited for. A process that ends without having been ended is a finding.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::StormArgs;
use crate::ground::Ground;
use crate::ledger::{Halt, Kill, Ledger, Place};
use crate::plan::{Life, Plan, Program};
use crate::steps::{Action, Armed, FIRED};

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
            let slot = Slot {
                number,
                program,
                variables: ground.variables().to_vec(),
                log: log_file(ground, program, number)?,
                ledger: Arc::clone(ledger),
                doors: Arc::clone(doors),
                phase: phase.subscribe(),
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

fn log_file(ground: &Ground, program: Program, number: usize) -> anyhow::Result<File> {
    let folder = ground.folder().join("logs");
    let name = match program {
        Program::Api => format!("api-{number}.log"),
        Program::Worker => format!("worker-{number}.log"),
    };
    fs::create_dir_all(&folder)
        .and_then(|()| File::create(folder.join(name)))
        .context("make a log file")
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
            End::Killed(why) => self.ledger.killed(process.place, why),
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
                line = process.out.next_line(), if !process.silent => {
                    if let Some(step) = self.hear(process, line?) {
                        match fate.armed.as_ref().map(|armed| armed.action) {
                            Some(Action::Stop) => {
                                self.ledger.halted(process.place, Halt::AtStep(step));
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
                    self.ledger.halted(process.place, Halt::AtRandom);
                    continue_at = Some(Instant::now() + fate.pause);
                }
                () = at(continue_at) => {
                    continue_at = None;
                    process.signal(Signal::CONT);
                }
                () = sleep_until(born + fate.killed_after) => {
                    return process.kill(fired, Kill::AtRandom).await;
                }
                changed = self.phase.changed() => {
                    changed.context("hear of the phase")?;
                    return process.kill(fired, Kill::Blackout).await;
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
                line = process.out.next_line(), if !process.silent => {
                    let line = line?;
                    self.hear(&mut process, line);
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
        let itself = std::env::current_exe().context("find the harness's own file")?;
        let mut command = Command::new(itself);
        command.arg(match self.program {
            Program::Api => "child-api",
            Program::Worker => "child-worker",
        });
        if let Some(armed) = armed {
            let action = match armed.action {
                Action::Kill => "kill",
                Action::Stop => "stop",
            };
            let nth = armed.nth.to_string();
            command.args(["--step", &armed.step, "--nth", &nth, "--action", action]);
        }
        let mut child = command
            .env_clear()
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(self.log.try_clone().context("share a log file")?)
            .kill_on_drop(true)
            .spawn()
            .context("start a process")?;
        let out = child.stdout.take().context("hear a process")?;
        Ok(Process {
            child,
            out: BufReader::new(out).lines(),
            silent: false,
            place: self.ledger.started(),
        })
    }

    /// Takes in what a process says. Answers the step it has come to, if that is what it says.
    fn hear(&self, process: &mut Process, line: Option<String>) -> Option<String> {
        let Some(line) = line else {
            process.silent = true;
            return None;
        };
        if let Some(url) = line.strip_prefix("listening on ") {
            self.doors.set(self.number, Some(url.to_owned()));
        } else if let Some(rest) = line.strip_prefix("worker ")
            && let Some(worker) = rest.strip_suffix(" ready")
        {
            self.ledger.named(process.place, worker.to_owned());
        }
        line.strip_prefix(FIRED).map(str::to_owned)
    }
}

/// One process.
struct Process {
    child: Child,
    out: Lines<BufReader<ChildStdout>>,
    /// Its standard output has ended.
    silent: bool,
    place: Place,
}

impl Process {
    /// Sends a signal. One that has ended just now does not need it.
    fn signal(&self, signal: Signal) {
        let pid = self.child.id().and_then(|id| i32::try_from(id).ok());
        if let Some(pid) = pid.and_then(Pid::from_raw) {
            let _ = kill_process(pid, signal);
        }
    }

    /// Kills it, unless it has been killed at a step already.
    async fn kill(&mut self, fired: Option<String>, why: Kill) -> anyhow::Result<End> {
        self.signal(Signal::KILL);
        let status = self.child.wait().await.context("wait for a process")?;
        Ok(if status.signal() == Some(Signal::KILL.as_raw()) {
            End::Killed(fired.map_or(why, Kill::AtStep))
        } else {
            End::Itself(status)
        })
    }
}

/// Waits for a moment, for ever if there is none.
async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
