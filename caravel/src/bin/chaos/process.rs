//! One process of Caravel: how it is started, what it says, and signals to it.

use std::fs::File;
use std::process::Stdio;

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::plan::Program;
use crate::steps::{Action, Armed, FIRED};

/// Killed when dropped.
pub struct Process {
    /// The process itself.
    pub child: Child,
    /// Its standard output.
    pub voice: Voice,
}

/// What comes out of a process.
pub struct Voice {
    lines: Lines<BufReader<ChildStdout>>,
    has_ended: bool,
}

/// What a process says.
#[derive(Debug)]
pub enum Said {
    /// It is an API, and listens at this URL.
    Listening(String),
    /// It is this worker, and takes jobs.
    Ready(String),
    /// It has come to the step at which something happens to it.
    AtStep(String),
}

impl Process {
    /// Starts one in an environment that has nothing else.
    pub fn spawn(
        program: Program,
        armed: Option<&Armed>,
        variables: &[(&'static str, String)],
        log: File,
    ) -> anyhow::Result<Self> {
        let itself = std::env::current_exe().context("find the harness's own file")?;
        let mut command = Command::new(itself);
        command.arg(match program {
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
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .context("start a process")?;
        let out = child.stdout.take().context("hear a process")?;
        Ok(Self {
            child,
            voice: Voice {
                lines: BufReader::new(out).lines(),
                has_ended: false,
            },
        })
    }

    /// Sends a signal. One that has ended just now does not need it.
    pub fn signal(&self, signal: Signal) {
        let pid = self.child.id().and_then(|id| i32::try_from(id).ok());
        if let Some(pid) = pid.and_then(Pid::from_raw) {
            let _ = kill_process(pid, signal);
        }
    }
}

impl Voice {
    /// The next thing it says; nothing at its end, once. Can be given up and asked again.
    pub async fn next(&mut self) -> anyhow::Result<Option<Said>> {
        if self.has_ended {
            std::future::pending::<()>().await;
        }
        loop {
            let Some(line) = self.lines.next_line().await.context("hear a process")? else {
                self.has_ended = true;
                return Ok(None);
            };
            let ready = || line.strip_prefix("worker ")?.strip_suffix(" ready");
            if let Some(url) = line.strip_prefix("listening on ") {
                return Ok(Some(Said::Listening(url.to_owned())));
            } else if let Some(worker) = ready() {
                return Ok(Some(Said::Ready(worker.to_owned())));
            } else if let Some(step) = line.strip_prefix(FIRED) {
                return Ok(Some(Said::AtStep(step.to_owned())));
            }
        }
    }
}
