//! What zooid's answers mean.
//!
//! Invariants: every exchange, garbage included, has exactly one meaning. Of what the other side wrote nothing is kept
//! that was not redacted and bounded: zooid quotes the secrets it dislikes (zooid.md, Config).

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::Method;
use reqwest::header::RETRY_AFTER;

use super::exchange::{Body, Exchange};
use super::reading::Reading;
use crate::crypto::Redactor;
use crate::domain::SyncFailure;

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

/// What was asked, as far as it matters for reading the answer.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    /// The HTTP method.
    pub(super) method: Method,
    /// The field of the JSON object that only a success has (zooid.md, Endpoints).
    pub(super) success_field: &'static str,
    /// The public key that signed, as `npub1...`: hex would look like a secret.
    pub(super) signer: &'a str,
}

/// Reads an exchange. `now` is what a date in `Retry-After` is compared with.
pub(super) fn classify(
    asked: &Asked<'_>,
    exchange: &Exchange,
    redactor: &Redactor,
    now: DateTime<Utc>,
) -> Answer {
    let (status, body, cause) = match exchange {
        Exchange::Answered { status, body, .. } => (Some(*status), Some(body), None),
        Exchange::Unanswered { cause, .. } => (None, None, Some(cause)),
    };
    let retry_after = retry_after(exchange, now);
    let reading = Reading::of(asked, exchange, retry_after);
    let Some(kind) = reading.kind() else {
        return Answer::Accepted;
    };
    let body = body.map(|body| body.head(TEXT_MAX_BYTES));
    let text = match (&body, cause) {
        (Some(body), _) => redact(&text_in(body), body, redactor),
        (None, cause) => redactor.redact(cause.map_or("", String::as_str)),
    };
    let answered = match status {
        Some(status) => format!("was answered {status}"),
        None => "was not answered".to_owned(),
    };
    let failure = SyncFailure {
        kind,
        status,
        message: format!(
            "{}: {} {answered}{}",
            reading.meaning(asked.signer),
            asked.method,
            detail(&text)
        ),
        excerpt: body.and_then(|body| excerpt(&body, redactor)),
        retry_after,
        taken: reading.taken(),
    };
    reading.answer(failure)
}

/// What zooid says went wrong, if it is zooid that answered; else the body as it is.
fn text_in(body: &Body) -> String {
    error_in(body).unwrap_or_else(|| String::from_utf8_lossy(&body.bytes).into_owned())
}

/// What zooid says went wrong, if it is zooid that answered.
pub(super) fn error_in(body: &Body) -> Option<String> {
    body.field("error")?.as_str().map(str::to_owned)
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

/// The beginning of a body.
fn excerpt(body: &Body, redactor: &Redactor) -> Option<String> {
    let text = String::from_utf8_lossy(&body.bytes);
    let mut line = one_line(&redact(&text, body, redactor));
    line.truncate(line.floor_char_boundary(EXCERPT_MAX_BYTES));
    (!line.is_empty()).then_some(line)
}

/// The text on one line, blanks and control characters collapsed: it ends up in logs and terminals.
fn one_line(text: &str) -> String {
    let words = text.split(|char: char| char.is_whitespace() || char.is_control());
    words
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

/// The pause that an answer other than a success asks for, as seconds or as a date (RFC 9110, section 10.2.3). One that
/// cannot be read asks for nothing.
fn retry_after(exchange: &Exchange, now: DateTime<Utc>) -> Option<Duration> {
    let Exchange::Answered {
        status, headers, ..
    } = exchange
    else {
        return None;
    };
    if (200..300).contains(status) {
        return None;
    }
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let is_seconds = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let wait = if is_seconds {
        // More than fits is more than is honoured.
        text.parse().map_or(Duration::MAX, Duration::from_secs)
    } else {
        let date = DateTime::parse_from_rfc2822(text).ok()?;
        (date.to_utc() - now).to_std().unwrap_or_default()
    };
    Some(wait.min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests;
