//! Which of the things that zooid, or whatever answers in its place, can mean: from status and text to the kind of failure
//! and to what an operator should make of it.
//!
//! Invariant: every exchange has exactly one reading. Only whole texts of zooid's own mean what zooid.md says they mean;
//! everything else is told apart by its status.

use std::borrow::Cow;
use std::time::Duration;

use reqwest::Method;

use super::answer::{Answer, Asked, error_in};
use super::exchange::{Exchange, Phase};
use crate::domain::{FailureKind, SyncFailure, Taken};

/// What an exchange says, before it is put into words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// zooid did it.
    Accepted,
    /// A success, but not in zooid's words.
    Illegible,
    /// There is a file for this id.
    AlreadyExists,
    /// There is no file for this id.
    NotFound,
    /// The configuration is no good.
    Refused,
    /// The stored configuration cannot be read, so ours could not be merged into it.
    Unreadable,
    /// The signature is for another URL than zooid sees.
    OtherUrl,
    /// The signature is of another time than zooid's.
    OtherTime,
    /// The signature is no good otherwise.
    BadSignature,
    /// Somebody else wants credentials.
    ForeignLogin,
    /// The signature is good, and its key is not let in.
    NotAllowed,
    /// Another configuration has the host.
    HostTaken,
    /// Another configuration has the schema.
    SchemaTaken,
    /// zooid cannot read or write its files.
    DiskFault,
    /// Not now.
    Throttled,
    /// What was sent did not arrive in time, or not as a whole.
    RequestTimeout,
    /// A gateway has no zooid to ask.
    GatewayAlone,
    /// Nothing that zooid's management API says.
    NotZooid,
    /// Something broke.
    ServerError,
    /// The request could not be built.
    Unprepared,
    /// There was no connection.
    Unconnected,
    /// It was sent, and no answer came.
    Unanswered,
}

impl Reading {
    /// Reads status and text, which zooid.md lists under NIP-98, Config and Conflicts.
    pub(super) fn of(
        asked: &Asked<'_>,
        exchange: &Exchange,
        retry_after: Option<Duration>,
    ) -> Self {
        let (status, body) = match exchange {
            Exchange::Answered { status, body, .. } => (*status, body),
            Exchange::Unanswered { phase, .. } => {
                return match phase {
                    Phase::Preparing => Self::Unprepared,
                    Phase::Connecting => Self::Unconnected,
                    Phase::Sent => Self::Unanswered,
                };
            }
        };
        let error = error_in(body);
        let is_zooid = error.is_some();
        let error = error.unwrap_or_default();
        match status {
            200 | 201 if body.field(asked.success_field).is_some() => Self::Accepted,
            // It may have been done, or somebody else may have answered in zooid's place.
            200..=299 => Self::Illegible,
            _ if retry_after.is_some() => Self::Throttled,
            429 => Self::Throttled,
            // Without a configuration there is none that could be refused.
            400 if is_zooid && !matches!(asked.method, Method::GET | Method::DELETE) => {
                Self::Refused
            }
            401 if error == "event missing or invalid u tag" => Self::OtherUrl,
            401 if error == "event is outside the allowed time window" => Self::OtherTime,
            401 if is_zooid => Self::BadSignature,
            401 => Self::ForeignLogin,
            403 if error == "pubkey not in whitelist" => Self::NotAllowed,
            404 | 409 if error == "relay not found" => Self::NotFound,
            409 if error == "relay with this id already exists" => Self::AlreadyExists,
            409 if is_taken("host", &error) => Self::HostTaken,
            409 if is_taken("schema", &error) => Self::SchemaTaken,
            409 if error.starts_with("failed to read config directory") => Self::DiskFault,
            408 => Self::RequestTimeout,
            500 if error.starts_with("failed to read existing config") => Self::Unreadable,
            500 if error.starts_with("failed to write config") => Self::DiskFault,
            500 if error.starts_with("failed to delete config") => Self::DiskFault,
            507 => Self::DiskFault,
            502..=504 => Self::GatewayAlone,
            500..=599 => Self::ServerError,
            0..200 | 300..500 | 600.. => Self::NotZooid,
        }
    }

    /// Why the attempt failed; nothing if it did not.
    pub(super) fn kind(self) -> Option<FailureKind> {
        match self {
            Self::Accepted => None,
            Self::Unconnected | Self::GatewayAlone => Some(FailureKind::Unreachable),
            Self::Illegible | Self::RequestTimeout | Self::Unanswered => {
                Some(FailureKind::OutcomeUnknown)
            }
            Self::Throttled => Some(FailureKind::Throttled),
            Self::OtherUrl | Self::OtherTime | Self::BadSignature | Self::ForeignLogin => {
                Some(FailureKind::CredentialsRefused)
            }
            Self::NotAllowed => Some(FailureKind::KeyNotAllowed),
            Self::HostTaken | Self::SchemaTaken => Some(FailureKind::Conflict),
            Self::Refused => Some(FailureKind::Invalid),
            Self::Unreadable | Self::DiskFault => Some(FailureKind::TargetDisk),
            // Two of them are failures only when no call is left that would fit.
            Self::AlreadyExists | Self::NotFound | Self::NotZooid | Self::ServerError => {
                Some(FailureKind::ServerError)
            }
            Self::Unprepared => Some(FailureKind::OurFault),
        }
    }

    /// What decides which call follows.
    pub(super) fn answer(self, failure: SyncFailure) -> Answer {
        match self {
            Self::Accepted => Answer::Accepted,
            Self::AlreadyExists => Answer::AlreadyExists(failure),
            Self::NotFound => Answer::NotFound(failure),
            Self::Refused | Self::Unreadable => Answer::Unusable(failure),
            Self::Illegible
            | Self::OtherUrl
            | Self::OtherTime
            | Self::BadSignature
            | Self::ForeignLogin
            | Self::NotAllowed
            | Self::HostTaken
            | Self::SchemaTaken
            | Self::DiskFault
            | Self::Throttled
            | Self::RequestTimeout
            | Self::GatewayAlone
            | Self::NotZooid
            | Self::ServerError
            | Self::Unprepared
            | Self::Unconnected
            | Self::Unanswered => Answer::Failed(failure),
        }
    }

    /// Which of the two values that no two relays can share another one has (zooid.md, Conflicts).
    pub(super) fn taken(self) -> Option<Taken> {
        if self == Self::HostTaken {
            Some(Taken::Host)
        } else if self == Self::SchemaTaken {
            Some(Taken::Schema)
        } else {
            None
        }
    }

    /// The cause and the next step, for operators. `signer` is our public key.
    pub(super) fn meaning(self, signer: &str) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Accepted => "zooid accepted the relay",
            Self::Illegible => {
                "the answer is not one of zooid's, so it may have been done; look at what stands before zooid"
            }
            Self::AlreadyExists => "zooid has a file for the relay that it cannot use, remove it",
            Self::NotFound => {
                "zooid has no file for the relay and does not create one, look at its log"
            }
            Self::Refused => {
                "zooid refused the configuration, a defect of our validation: report it, and edit what zooid names"
            }
            Self::Unreadable => {
                "zooid cannot read the relay's stored file, look at the permissions of its CONFIG folder"
            }
            Self::OtherUrl => {
                "zooid sees another url than the one we signed, make ZOOID_API_URL and its API_HOST agree, and let a \
                 proxy pass Host and X-Forwarded-Proto"
            }
            Self::OtherTime => {
                "zooid's clock and ours are more than a minute apart, set the wrong one right"
            }
            Self::BadSignature => {
                "zooid could not read our signature, look for a proxy that changes the Authorization header"
            }
            Self::ForeignLogin => {
                "something before zooid asks for a login of its own, let our calls pass it"
            }
            Self::NotAllowed => {
                return Cow::Owned(format!(
                    "zooid does not let our key in, add {signer} (as hex) to its API_WHITELIST and restart it"
                ));
            }
            Self::HostTaken => {
                "another configuration in zooid has this host, remove it or give this relay another host"
            }
            Self::SchemaTaken => "another configuration in zooid has this schema, remove it",
            Self::DiskFault => {
                "zooid could not use its configuration files, look at space and permissions of its CONFIG folder"
            }
            Self::Throttled => "we are asked to slow down and do",
            Self::RequestTimeout => {
                "the request did not arrive in time, so it may still be done; look for what slows the way to zooid"
            }
            Self::GatewayAlone => {
                "a gateway finds no zooid behind it, check that zooid runs and that the gateway reaches it"
            }
            Self::NotZooid => {
                "this is nothing zooid's management API says, compare ZOOID_API_URL with its API_HOST"
            }
            Self::ServerError => "zooid or a proxy before it failed, look at its log",
            Self::Unprepared => "the request could not be made, look at ZOOID_API_URL",
            Self::Unconnected => {
                "no connection to zooid, check that it runs and that ZOOID_API_URL reaches it"
            }
            Self::Unanswered => {
                "it was sent and no answer came, so it may still be done; look for what slows zooid down"
            }
        })
    }
}

/// `<what> "..." is already in use`.
fn is_taken(what: &str, error: &str) -> bool {
    error
        .strip_prefix(what)
        .is_some_and(|rest| rest.starts_with(" \"") && rest.ends_with("\" is already in use"))
}
