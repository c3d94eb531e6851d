//! A Caravel process: what it prints and logs, signals to it, and how it ends.

use std::process::{ExitStatus, Stdio};

use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::sync::watch;

use crate::wait::soon;

/// Killed when dropped.
pub struct Process {
    child: Child,
    out: Lines<BufReader<ChildStdout>>,
    log: watch::Receiver<String>,
}

#[derive(Debug, Clone, Copy)]
pub enum Signal {
    Kill,
    Terminate,
    Interrupt,
    Continue,
}

impl Signal {
    fn name(self) -> &'static str {
        match self {
            Self::Kill => "KILL",
            Self::Terminate => "TERM",
            Self::Interrupt => "INT",
            Self::Continue => "CONT",
        }
    }
}

impl Process {
    pub fn spawn(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let (sender, log) = watch::channel(String::new());
        // Read at all times: a process whose pipe is full stands still.
        tokio::spawn(read(child.stderr.take().unwrap(), sender));
        Self {
            out: BufReader::new(child.stdout.take().unwrap()).lines(),
            log,
            child,
        }
    }

    /// The next line on standard output that begins so, without that beginning.
    pub async fn printed(&mut self, beginning: &str) -> String {
        soon(beginning, async {
            while let Some(line) = self.out.next_line().await.unwrap() {
                if let Some(rest) = line.strip_prefix(beginning) {
                    return rest.to_owned();
                }
            }
            panic!("it did not print {beginning}: {}", *self.log.borrow());
        })
        .await
    }

    /// Waits until it has logged `text`.
    pub async fn logged(&mut self, text: &str) {
        let log = self.log.wait_for(|log| log.contains(text));
        drop(soon(text, log).await.unwrap());
    }

    pub fn signal(&self, signal: Signal) {
        let sent = std::process::Command::new("kill")
            .arg(format!("-{}", signal.name()))
            .arg(self.child.id().unwrap().to_string())
            .status()
            .unwrap();
        assert!(sent.success());
    }

    /// Whether it has ended by now.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for its end, and answers the rest of what it printed.
    pub async fn ended(mut self) -> (ExitStatus, String) {
        soon("the end of a process", async {
            let mut rest = String::new();
            while let Some(line) = self.out.next_line().await.unwrap() {
                rest.push_str(&line);
                rest.push('\n');
            }
            (self.child.wait().await.unwrap(), rest)
        })
        .await
    }
}

async fn read(stderr: ChildStderr, log: watch::Sender<String>) {
    let mut lines = BufReader::new(stderr).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        log.send_modify(|log| {
            log.push_str(&line);
            log.push('\n');
        });
    }
}
