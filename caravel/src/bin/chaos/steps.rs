//! The named steps of Caravel's processes, and the layer that ends or stops a process between two of them.
//!
//! Production code says which step it has reached by a trace event that costs nothing while nobody listens. The layer
//! raises the signal on its own process from within that event, so the next step never begins, or begins when the process
//! is continued.

use std::fmt;
use std::io::Write as _;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::{Signal, getpid, kill_process};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

/// The target of the events.
pub const TARGET: &str = "caravel::step";

/// The steps of a write, whichever process makes it: the transaction has begun; its closures have run; it is durable, and
/// nobody has been told.
pub const WRITE: [&str; 3] = ["write.begun", "write.ran", "write.committed"];
/// The steps of a worker's turn, within its write: it begins; outcomes are recorded; jobs are claimed.
pub const TURN: [&str; 3] = ["turn.begin", "turn.recorded", "turn.claimed"];
/// The steps of a sync: nothing was sent yet; the answer is there, and nothing is recorded.
pub const SYNC: [&str; 2] = ["sync.before_send", "sync.after_answer"];
/// The step of a request beside those: all is done, and the client does not know.
pub const REQUEST: [&str; 1] = ["api.before_answer"];

/// Every step there is.
pub fn all() -> impl Iterator<Item = &'static str> {
    WRITE.into_iter().chain(TURN).chain(SYNC).chain(REQUEST)
}

/// What happens to the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Action {
    /// SIGKILL.
    Kill,
    /// SIGSTOP; somebody else continues it.
    Stop,
}

/// A step at which something happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Armed {
    /// Which step.
    pub step: String,
    /// Reached for the how manyth time; 1 is the first.
    pub nth: u32,
    /// What happens.
    pub action: Action,
}

/// What a process prints when it has come to the step, before anything happens: the step follows.
pub const FIRED: &str = "step ";

/// Watches for one step, of one relay if named.
#[derive(Debug)]
pub struct StepLayer {
    armed: Armed,
    relay: Option<String>,
    seen: AtomicU32,
}

impl StepLayer {
    /// Watches for `armed`.
    pub fn new(armed: Armed, relay: Option<String>) -> Self {
        Self {
            armed,
            relay,
            seen: AtomicU32::new(0),
        }
    }

    fn fire(&self) {
        // The harness counts by it. If nobody reads it any more, nobody counts.
        let _ = writeln!(std::io::stdout(), "{FIRED}{}", self.armed.step);
        let signal = match self.armed.action {
            Action::Kill => Signal::KILL,
            Action::Stop => Signal::STOP,
        };
        // One's own process can always be signalled.
        let _ = kill_process(getpid(), signal);
    }
}

impl<S: Subscriber> Layer<S> for StepLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut reached = Reached::default();
        event.record(&mut reached);
        let is_it = reached.step == self.armed.step
            && (self.relay.is_none() || self.relay == reached.relay);
        if is_it && self.seen.fetch_add(1, Ordering::Relaxed) + 1 == self.armed.nth {
            self.fire();
        }
    }
}

/// The fields of a step.
#[derive(Default)]
struct Reached {
    step: String,
    relay: Option<String>,
}

impl Visit for Reached {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "step" {
            value.clone_into(&mut self.step);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "relay.id" {
            self.relay = Some(format!("{value:?}"));
        }
    }
}
