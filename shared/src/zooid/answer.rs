//! What zooid's answers mean.
//!
//! Invariants: every exchange, garbage included, has exactly one meaning. Of what the other side wrote nothing is kept
//! that was not redacted and bounded: zooid quotes the secrets it dislikes (zooid.md, Config).

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::header::{HeaderMap, RETRY_AFTER};
use serde_json::Value;

use super::exchange::{Body, Exchange, Phase};
use crate::crypto::Redactor;
use crate::domain::{FailureKind, SyncFailure, Taken};

/// The most of a body that is looked at for a text, in bytes: a list of members may be much longer.
const TEXT_MAX_BYTES: usize = 64 * 1024;

/// Longest part of an operator message that the other side wrote, in characters: a line or two on a screen.
const DETAIL_MAX_CHARS: usize = 300;

/// Longest excerpt of a body, in bytes.
const EXCERPT_MAX_BYTES: usize = 2048;

/// Longest secret that a cut-off body could show the beginning of, in bytes. So much of its end is not trusted.
const SECRET_MAX_BYTES: usize = 4096;

/// Longest `Retry-After` that is honoured. A clock or a header gone wrong must not silence a relay for days.
const RETRY_AFTER_MAX: Duration = Duration::from_hours(1);

/// The meaning of an exchange, as far as it decides what to send next.
#[derive(Debug)]
pub(super) enum Answer {
    /// zooid did what was asked.
    Accepted,
    /// POST: there is a file for this id.
    AlreadyExists(SyncFailure),
    /// There is no file for this id.
    NotFound(SyncFailure),
    /// The configuration cannot be used: ours, or the stored one that ours was merged into.
    Unusable(SyncFailure),
    /// Anything else.
    Failed(SyncFailure),
}

impl Answer {
    /// Whether zooid did what was asked, whatever else could be done about it.
    pub(super) fn into_result(self) -> Result<(), SyncFailure> {
        match self {
            Self::Accepted => Ok(()),
            Self::AlreadyExists(failure)
            | Self::NotFound(failure)
            | Self::Unusable(failure)
            | Self::Failed(failure) => Err(failure),
        }
    }
}

/// What an exchange says, before it is put into words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    Accepted,
    Illegible,
    AlreadyExists,
    NotFound,
    Refused,
    Unreadable,
    Unsigned,
    NotAllowed,
    Duplicate,
    DiskFault,
    Throttled,
    GatewayTimeout,
    NotZooid,
    ServerError,
    Unprepared,
    Unconnected,
    Unanswered,
}

/// What was asked, as far as it matters for reading the answer.
#[derive(Debug)]
pub(super) struct Asked {
    /// The HTTP method.
    pub(super) method: String,
    /// The field of the JSON object that only a success has (zooid.md, Endpoints).
    pub(super) success_field: &'static str,
}

/// Reads an exchange. `now` is what a date in `Retry-After` is compared with.
pub(super) fn classify(
    asked: &Asked,
    exchange: &Exchange,
    redactor: &Redactor,
    now: DateTime<Utc>,
) -> Answer {
    let reading = read(asked, exchange);
    let failure = |kind| failure(kind, reading, &asked.method, exchange, redactor, now);
    match reading {
        Reading::Accepted => Answer::Accepted,
        Reading::AlreadyExists => Answer::AlreadyExists(failure(FailureKind::ServerError)),
        Reading::NotFound => Answer::NotFound(failure(FailureKind::ServerError)),
        Reading::Refused => Answer::Unusable(failure(FailureKind::Invalid)),
        Reading::Unreadable => Answer::Unusable(failure(FailureKind::TargetDisk)),
        Reading::Unsigned => Answer::Failed(failure(FailureKind::CredentialsRefused)),
        Reading::NotAllowed => Answer::Failed(failure(FailureKind::KeyNotAllowed)),
        Reading::Duplicate => Answer::Failed(failure(FailureKind::Conflict)),
        Reading::DiskFault => Answer::Failed(failure(FailureKind::TargetDisk)),
        Reading::Throttled => Answer::Failed(failure(FailureKind::Throttled)),
        Reading::NotZooid | Reading::ServerError => {
            Answer::Failed(failure(FailureKind::ServerError))
        }
        Reading::Unprepared => Answer::Failed(failure(FailureKind::OurFault)),
        Reading::Unconnected => Answer::Failed(failure(FailureKind::Unreachable)),
        Reading::Illegible | Reading::GatewayTimeout | Reading::Unanswered => {
            Answer::Failed(failure(FailureKind::OutcomeUnknown))
        }
    }
}

/// Reads status and text, which zooid.md lists under NIP-98, Config and Conflicts.
fn read(asked: &Asked, exchange: &Exchange) -> Reading {
    let (status, headers, body) = match exchange {
        Exchange::Answered {
            status,
            headers,
            body,
        } => (*status, headers, body),
        Exchange::Unanswered {
            phase: Phase::Preparing,
            ..
        } => return Reading::Unprepared,
        Exchange::Unanswered {
            phase: Phase::Connecting,
            ..
        } => return Reading::Unconnected,
        Exchange::Unanswered {
            phase: Phase::Sent, ..
        } => return Reading::Unanswered,
    };
    let error = error_in(body).unwrap_or_default();
    match status {
        200 | 201 if body.field(asked.success_field).is_some() => Reading::Accepted,
        // It may have been done, or somebody else may have answered in zooid's place.
        200..=299 => Reading::Illegible,
        400 | 413 | 422 => Reading::Refused,
        401 => Reading::Unsigned,
        403 => Reading::NotAllowed,
        404 | 409 if error == "relay not found" => Reading::NotFound,
        409 if error == "relay with this id already exists" => Reading::AlreadyExists,
        409 if error.ends_with("is already in use") => Reading::Duplicate,
        409 if error.starts_with("failed to read config directory") => Reading::DiskFault,
        408 | 504 => Reading::GatewayTimeout,
        429 => Reading::Throttled,
        503 if headers.contains_key(RETRY_AFTER) => Reading::Throttled,
        500 if error.starts_with("failed to read existing config") => Reading::Unreadable,
        500 if error.starts_with("failed to write config") => Reading::DiskFault,
        500 if error.starts_with("failed to delete config") => Reading::DiskFault,
        507 => Reading::DiskFault,
        500.. => Reading::ServerError,
        0..200 | 300..500 => Reading::NotZooid,
    }
}

/// What zooid says went wrong, if it is zooid that answered.
fn error_in(body: &Body) -> Option<String> {
    body.field("error")?.as_str().map(str::to_owned)
}

fn failure(
    kind: FailureKind,
    reading: Reading,
    method: &str,
    exchange: &Exchange,
    redactor: &Redactor,
    now: DateTime<Utc>,
) -> SyncFailure {
    let meaning = meaning(reading);
    match exchange {
        Exchange::Answered {
            status,
            headers,
            body,
        } => {
            let body = &body.head(TEXT_MAX_BYTES);
            let text =
                error_in(body).unwrap_or_else(|| String::from_utf8_lossy(&body.bytes).into_owned());
            let detail = detail(&redact(&text, body, redactor));
            SyncFailure {
                kind,
                status: Some(*status),
                message: format!("{meaning}: {method} was answered {status}{detail}"),
                excerpt: excerpt(body, redactor),
                retry_after: retry_after(headers, now),
                taken: (kind == FailureKind::Conflict).then(|| taken(body)),
            }
        }
        Exchange::Unanswered { cause, .. } => SyncFailure {
            kind,
            status: None,
            message: format!(
                "{meaning}: {method} was not answered{}",
                detail(&redactor.redact(cause))
            ),
            excerpt: None,
            retry_after: None,
            taken: None,
        },
    }
}

/// What an operator should make of it.
fn meaning(reading: Reading) -> &'static str {
    match reading {
        Reading::Accepted => "zooid accepted the relay",
        Reading::Illegible => "the answer is not one of zooid's, so what was done is unknown",
        Reading::AlreadyExists => "zooid already has a file for the relay",
        Reading::NotFound => "zooid has no file for the relay",
        Reading::Refused => "zooid refused the configuration",
        Reading::Unreadable => "zooid cannot read the relay's stored file",
        Reading::Unsigned => {
            "zooid refused our signature, compare clocks and ZOOID_API_URL with its API_HOST"
        }
        Reading::NotAllowed => "zooid does not know our key, add it to its API_WHITELIST",
        Reading::Duplicate => "another relay in zooid uses this host or schema",
        Reading::DiskFault => "zooid could not use its configuration files",
        Reading::Throttled => "zooid asks us to slow down",
        Reading::GatewayTimeout => {
            "a proxy before zooid gave up waiting, so the change may still be made"
        }
        Reading::NotZooid => {
            "zooid's management API is not at this address, compare it with its API_HOST"
        }
        Reading::ServerError => "zooid or a proxy before it failed",
        Reading::Unprepared => "the request could not be made",
        Reading::Unconnected => "no connection to zooid",
        Reading::Unanswered => {
            "the request went out and no answer came, so the change may still be made"
        }
    }
}

/// Redacts text from a body. The end of a body that was cut off may be the beginning of a secret, so it is dropped.
fn redact(text: &str, body: &Body, redactor: &Redactor) -> String {
    let mut clean = redactor.redact(text);
    if !body.is_whole {
        clean.truncate(clean.floor_char_boundary(clean.len().saturating_sub(SECRET_MAX_BYTES)));
    }
    clean
}

/// `: <the first line's worth>` or nothing.
fn detail(text: &str) -> String {
    let line = one_line(text);
    match line.char_indices().nth(DETAIL_MAX_CHARS) {
        None if line.is_empty() => line,
        None => format!(": {line}"),
        Some((end, _)) => format!(": {}...", &line[..end]),
    }
}

/// The beginning of a body. Texts in JSON are redacted as they read, not as they are escaped.
fn excerpt(body: &Body, redactor: &Redactor) -> Option<String> {
    let text = match serde_json::from_slice::<Value>(&body.bytes) {
        Ok(mut value) => {
            redact_texts(&mut value, redactor);
            value.to_string()
        }
        Err(_) => String::from_utf8_lossy(&body.bytes).into_owned(),
    };
    let mut line = one_line(&redact(&text, body, redactor));
    line.truncate(line.floor_char_boundary(EXCERPT_MAX_BYTES));
    (!line.is_empty()).then_some(line)
}

fn redact_texts(value: &mut Value, redactor: &Redactor) {
    match value {
        Value::String(text) => *text = redactor.redact(text),
        Value::Array(items) => items
            .iter_mut()
            .for_each(|item| redact_texts(item, redactor)),
        Value::Object(map) => map
            .values_mut()
            .for_each(|item| redact_texts(item, redactor)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The text on one line, blanks and control characters collapsed: it ends up in logs and terminals.
fn one_line(text: &str) -> String {
    let words = text.split(|char: char| char.is_whitespace() || char.is_control());
    words
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

/// Which of the two values that no two relays can share a 409 speaks of (zooid.md, Conflicts).
fn taken(body: &Body) -> Taken {
    match error_in(body) {
        Some(error) if error.starts_with("schema") => Taken::Schema,
        Some(_) | None => Taken::Host,
    }
}

/// `Retry-After` as seconds or as a date (RFC 9110, section 10.2.3).
fn retry_after(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => (DateTime::parse_from_rfc2822(text).ok()?.to_utc() - now)
            .to_std()
            .unwrap_or_default(),
    };
    Some(wait.min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests;
