//! What goes wrong in a seeded history: failures in the words in which Caravel records them, with zooid's own behind them.

use shared::domain::FailureKind;

use FailureKind::{
    Blocked, Conflict, Invalid, OurFault, OutcomeUnknown, ServerError, TargetDisk, Throttled,
    Unreachable, WorkerLost,
};

/// Why an attempt failed.
#[derive(Debug, PartialEq, Eq)]
pub struct Cause {
    /// Its kind.
    pub kind: FailureKind,
    /// The status of the answer; `None` when none came.
    pub status: Option<u16>,
    /// What operators read; `{verb}`, `{host}` and `{worker}` stand for those of the attempt.
    pub message: &'static str,
    /// What zooid, or something before it, answered; `{host}` as in the message.
    pub excerpt: Option<&'static str>,
    /// How long the attempt takes, in milliseconds: at least, and less than.
    pub takes_ms: (i64, i64),
}

impl Cause {
    /// Whether a call was made.
    pub fn was_sent(&self) -> bool {
        !matches!(self.kind, OurFault | WorkerLost)
    }
}

/// The target is down.
pub static DOWN: Cause = Cause {
    kind: Unreachable,
    status: None,
    message: "no connection to zooid, check that it runs and that ZOOID_API_URL reaches it: {verb} was not answered: connection refused",
    excerpt: None,
    takes_ms: (1, 30),
};

/// What passes by itself.
pub static HICCUPS: [Cause; 6] = [
    Cause {
        kind: OutcomeUnknown,
        status: None,
        message: "it was sent and no answer came, so it may still be done; look for what slows zooid down: {verb} was not answered: operation timed out",
        excerpt: None,
        takes_ms: (5_000, 5_010),
    },
    Cause {
        kind: ServerError,
        status: Some(500),
        message: "zooid or a proxy before it failed, look at its log: {verb} was answered 500: failed to load config of {host}: context deadline exceeded",
        excerpt: Some(r#"{"error":"failed to load config of {host}: context deadline exceeded"}"#),
        takes_ms: (900, 1_400),
    },
    Cause {
        kind: Throttled,
        status: Some(429),
        message: "we are asked to slow down and do: {verb} was answered 429: too many requests",
        excerpt: Some("too many requests"),
        takes_ms: (2, 20),
    },
    Cause {
        kind: Unreachable,
        status: Some(502),
        message: "a gateway finds no zooid behind it, check that zooid runs and that the gateway reaches it: {verb} was answered 502: Bad Gateway",
        excerpt: Some("<html><head><title>502 Bad Gateway</title></head></html>"),
        takes_ms: (2, 40),
    },
    Cause {
        kind: TargetDisk,
        status: Some(500),
        message: "zooid could not use its configuration files, look at space and permissions of its CONFIG folder: {verb} was answered 500: failed to write config: no space left on device",
        excerpt: Some(r#"{"error":"failed to write config: no space left on device"}"#),
        takes_ms: (5, 60),
    },
    LOST,
];

/// What is not tried again until somebody changes something.
pub static REFUSALS: [Cause; 5] = [
    Cause {
        kind: Conflict,
        status: Some(409),
        message: "another configuration in zooid has this host, remove it or give this relay another host: {verb} was answered 409: host \"{host}\" is already in use",
        excerpt: Some(r#"{"error":"host \"{host}\" is already in use"}"#),
        takes_ms: (5, 60),
    },
    Cause {
        kind: Conflict,
        status: Some(409),
        message: "another configuration in zooid has this schema, remove it: {verb} was answered 409: schema \"left_behind\" is already in use",
        excerpt: Some(r#"{"error":"schema \"left_behind\" is already in use"}"#),
        takes_ms: (5, 60),
    },
    Cause {
        kind: Invalid,
        status: Some(400),
        message: "zooid refused the configuration, a defect of our validation: report it, and edit what zooid names: {verb} was answered 400: invalid json config: unexpected EOF",
        excerpt: Some(r#"{"error":"invalid json config: unexpected EOF"}"#),
        takes_ms: (5, 60),
    },
    Cause {
        kind: Invalid,
        status: Some(400),
        message: "zooid refused the configuration, a defect of our validation: report it, and edit what zooid names: {verb} was answered 400: invalid blossom adapter",
        excerpt: Some(r#"{"error":"invalid blossom adapter"}"#),
        takes_ms: (5, 60),
    },
    Cause {
        kind: Invalid,
        status: Some(400),
        message: "zooid refused the configuration, a defect of our validation: report it, and edit what zooid names: {verb} was answered 400: failed to read body: http: request body too large",
        excerpt: Some(r#"{"error":"failed to read body: http: request body too large"}"#),
        takes_ms: (5, 60),
    },
];

/// The host is still another relay's.
pub static TAKEN: Cause = Cause {
    kind: Blocked,
    status: Some(409),
    message: "a relay of ours has this host and is about to leave it: {verb} was answered 409: host \"{host}\" is already in use",
    excerpt: Some(r#"{"error":"host \"{host}\" is already in use"}"#),
    takes_ms: (5, 60),
};

/// The worker died.
pub static LOST_AGAIN: Cause = LOST;

/// Our own fault.
pub static FAULT: Cause = Cause {
    kind: OurFault,
    status: None,
    message: "open the relay's secret: the value was changed, or belongs to something else",
    excerpt: None,
    takes_ms: (1, 4),
};

/// The worker died: a lease later, others notice.
const LOST: Cause = Cause {
    kind: WorkerLost,
    status: None,
    message: "the worker {worker} stopped beating while it ran this attempt",
    excerpt: None,
    takes_ms: (10_000, 15_000),
};
