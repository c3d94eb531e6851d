//! How a program is asked to stop: SIGTERM from a supervisor, SIGINT from a keyboard.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The exit code of a program that was told to stop at once: 128 and the number of SIGINT, as shells report it.
pub const EXIT_INTERRUPTED: u8 = 130;

/// The signals that ask a program to stop. From the moment they are listened for, they no longer end it by themselves.
#[derive(Debug)]
pub struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

/// A second signal came before the program had ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interrupted;

impl StopSignals {
    /// Begins to listen.
    ///
    /// # Errors
    /// When the system refuses the handlers.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Runs `program` to its end. The first signal cancels `stop`, at which `program` should drain; the second ends the
    /// wait.
    ///
    /// # Errors
    /// [`Interrupted`] at the second signal.
    pub async fn govern<T>(
        mut self,
        stop: CancellationToken,
        program: impl Future<Output = T>,
    ) -> Result<T, Interrupted> {
        let mut program = std::pin::pin!(program);
        tokio::select! {
            biased;
            end = &mut program => return Ok(end),
            () = self.received() => {}
        }
        tracing::info!("stopping; a second signal stops at once");
        stop.cancel();
        tokio::select! {
            biased;
            end = program => Ok(end),
            () = self.received() => Err(Interrupted),
        }
    }

    async fn received(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
