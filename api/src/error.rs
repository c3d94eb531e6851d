//! Errors as clients read them. The one place where an error becomes HTTP.
//!
//! Invariant: the sentence is for a person and tells nothing of our insides; what is our fault is logged here, once.

use std::borrow::Cow;
use std::error::Error;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use shared::command::CommandError;
use shared::domain::ValidationError;
use shared::query::QueryError;
use shared::watch::Unready;

use crate::auth::Rejection;
use crate::data;
use crate::limits::{BUSY_PASSES, Refused};
use crate::members::MembersUnavailable;

/// A code that clients can rely on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// The stable text.
    pub code: &'static str,
    /// The HTTP status it comes with.
    pub status: StatusCode,
    /// When it is answered.
    pub meaning: &'static str,
}

/// Constants for the codes that are made here, and [`CODES`] of all.
macro_rules! codes {
    (
        ours { $($name:ident = $code:literal, $status:ident, $meaning:literal;)* }
        rules { $($rule:literal, $rule_meaning:literal;)* }
    ) => {
        $(#[doc = $meaning] pub const $name: Code = Code { code: $code, status: StatusCode::$status, meaning: $meaning };)*

        /// Every code of a failure that this API answers.
        pub const CODES: &[Code] = &[
            $($name,)*
            $(Code { code: $rule, status: StatusCode::UNPROCESSABLE_ENTITY, meaning: $rule_meaning },)*
        ];
    };
}

codes! {
    ours {
        JSON_INVALID = "json-invalid", BAD_REQUEST, "the body is not JSON";
        BODY_INCOMPLETE = "body-incomplete", BAD_REQUEST, "the body ended before it was complete";
        UNAUTHORIZED = "unauthorized", UNAUTHORIZED, "the request is not signed as the route asks for";
        FORBIDDEN = "forbidden", FORBIDDEN, "the signer may not do this";
        CSRF = "csrf", FORBIDDEN, "a change asked for with the dashboard's cookie, without the session's token in `X-CSRF-Token` or from another site";
        LINK_INVALID = "link-invalid", UNAUTHORIZED, "the sign-in link was used already, or is too old";
        STREAMS_FULL = "streams-full", SERVICE_UNAVAILABLE, "as many event streams are open as there may be, in all, of this key or from this address; worth repeating after `Retry-After` seconds";
        NOT_FOUND = "not-found", NOT_FOUND, "there is no such route, plan, tenant or relay";
        METHOD_NOT_ALLOWED = "method-not-allowed", METHOD_NOT_ALLOWED, "the route has other methods, which `Allow` lists";
        BODY_TOO_LARGE = "body-too-large", PAYLOAD_TOO_LARGE, "the body is longer than 64 KiB";
        URL_TOO_LONG = "url-too-long", URI_TOO_LONG, "path and query are longer than 4096 bytes";
        HEADER_TOO_LARGE = "header-too-large", REQUEST_HEADER_FIELDS_TOO_LARGE, "the header is longer than 16 KiB";
        REQUEST_TIMEOUT = "request-timeout", REQUEST_TIMEOUT, "the body was not complete within 10 seconds, or the request not answered within 45";
        RATE_LIMITED = "rate-limited", TOO_MANY_REQUESTS, "too many requests of this key or address; ask again after `Retry-After` seconds";
        BUSY = "busy", SERVICE_UNAVAILABLE, "more requests are being handled than the server can; ask again after `Retry-After` seconds";
        SUBDOMAIN_EXISTS = "subdomain-exists", UNPROCESSABLE_ENTITY, "another relay has this `subdomain` under the same `zooid_domain`";
        CUSTOM_DOMAIN_EXISTS = "custom-domain-exists", UNPROCESSABLE_ENTITY, "another relay has this `custom_domain`";
        PUBKEY_EXISTS = "pubkey-exists", UNPROCESSABLE_ENTITY, "there is a tenant with this key already";
        TENANT_UNKNOWN = "tenant-unknown", UNPROCESSABLE_ENTITY, "the relay's tenant has never signed in: `POST /tenants` comes first";
        FIELD_TYPE = "field-type", UNPROCESSABLE_ENTITY, "a field has the wrong JSON type, or the body is no object";
        FILTER_INVALID = "filter-invalid", UNPROCESSABLE_ENTITY, "a filter has a value that cannot be, or is not known where that matters";
        IDEMPOTENCY_KEY_INVALID = "idempotency-key-invalid", UNPROCESSABLE_ENTITY, "the `Idempotency-Key` is not 1 to 255 visible characters";
        IF_MATCH_INVALID = "if-match-invalid", UNPROCESSABLE_ENTITY, "`If-Match` is neither `*` nor a list of entity tags";
        PLAN_MEMBERS = "plan-members", UNPROCESSABLE_ENTITY, "the relay has more members than the plan allows; `error` has both numbers";
        RELAY_LIMIT = "relay-limit", UNPROCESSABLE_ENTITY, "the tenant has as many relays as a tenant can have (`TENANT_MAX_RELAYS`)";
        RELAY_DELINQUENT = "relay-delinquent", UNPROCESSABLE_ENTITY, "a relay that is off for want of payment cannot be reactivated by its tenant";
        RELAY_REMOVED = "relay-removed", CONFLICT, "an admin removed the relay: it does not change any more";
        PRECONDITION_FAILED = "precondition-failed", PRECONDITION_FAILED, "the relay is no longer what `If-Match` says";
        IDEMPOTENCY_KEY_REUSED = "idempotency-key-reused", UNPROCESSABLE_ENTITY, "the `Idempotency-Key` was used for another body";
        RELAY_QUARANTINED = "relay-quarantined", CONFLICT, "a quarantined relay is sent again only once it is released";
        RELAY_IN_STEP = "relay-in-step", CONFLICT, "the relay is in step: there is nothing to try again";
        TARGET_UNKNOWN = "target-unknown", NOT_FOUND, "no worker serves this target, and no relay is served by it";
        BULK_TOKEN_INVALID = "bulk-token-invalid", UNPROCESSABLE_ENTITY, "`token` is of another action or filter, or older than an hour";
        BULK_CHANGED = "bulk-changed", CONFLICT, "far more or fewer relays match than `expected`; the answer's `affected` says how many";
        INTERNAL = "internal", INTERNAL_SERVER_ERROR, "something is wrong on our side; the log has it under the answer's `x-request-id`";
        MEMBERS_UNAVAILABLE = "members-unavailable", SERVICE_UNAVAILABLE, "zooid does not tell the members of the relay just now; ask again after `Retry-After` seconds";
        UNAVAILABLE = "unavailable", SERVICE_UNAVAILABLE, "the write was not carried out and can be repeated after `Retry-After` seconds";
        DATABASE_REPLACED = "database-replaced", SERVICE_UNAVAILABLE, "not ready: the database file is not the one that was opened";
        DATABASE_UNWRITABLE = "database-unwritable", SERVICE_UNAVAILABLE, "not ready: no commit goes through";
        DATABASE_UNREADABLE = "database-unreadable", SERVICE_UNAVAILABLE, "not ready: the database answers no reads";
        WORKER_SILENT = "worker-silent", SERVICE_UNAVAILABLE, "not ready: the worker has not beaten for its lease";
        QUEUE_LATE = "queue-late", SERVICE_UNAVAILABLE, "not ready: the oldest due job has waited for more than `READY_MAX_DUE_SECONDS`";
    }
    rules {
        "field-required", "a required field is missing";
        "field-too-long", "a text is longer than its limit";
        "field-invalid", "a text contains control characters";
        "flag-invalid", "a flag is none of 0, 1, true and false";
        "pubkey-invalid", "`tenant_pubkey` is no public key as hex or npub";
        "subdomain-invalid", "`subdomain` is not 1 to 63 of `a-z`, `0-9` and `-`, or has a hyphen at an end";
        "subdomain-reserved", "`subdomain` is a reserved word";
        "zooid-domain-unknown", "`zooid_domain` is not served here";
        "zooid-domain-immutable", "`zooid_domain` cannot change";
        "custom-domain-invalid", "`custom_domain` is no public host name, or one of ours";
        "plan-unknown", "`plan_id` is none of the plans";
        "plan-feature", "`blossom_enabled` or `livekit_enabled` is on and the plan does not include it";
        "icon-invalid", "`info_icon` is no http or https URL";
        "return-url-invalid", "`return_url` is no http or https URL";
        "nwc-url-invalid", "`nwc_url` is no wallet connection (NIP-47)";
        "action-invalid", "`action` is none of those there are";
    }
}

/// When a lost write is worth repeating: the writer recovers within a second.
const WRITER_RECOVERS: Duration = Duration::from_secs(1);

/// When it is worth asking zooid again that gave no answer and did not say when.
const ZOOID_RECOVERS: Duration = Duration::from_secs(5);

/// When it is worth asking again for an event stream: people close pages all the time.
const STREAMS_END: Duration = Duration::from_secs(5);

/// A request that was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// It is not signed as it must be.
    #[error("the request is not signed as it must be")]
    Unauthorized(#[source] Rejection),
    /// The signer may not do this.
    #[error("the signer may not do this")]
    Forbidden,
    /// The session's token is missing, wrong, or sent from another site.
    #[error("the request does not come from the dashboard of this session")]
    Csrf,
    /// There is no such sign-in link any more.
    #[error("there is no such sign-in link")]
    LinkInvalid,
    /// There is no such thing, or no such route.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// The route has other verbs.
    #[error("the route has no such method")]
    MethodNotAllowed,
    /// The body is too long.
    #[error("the body is too long")]
    BodyTooLarge,
    /// The body could not be read to its end.
    #[error("cannot read the body to its end")]
    BodyIncomplete(#[source] Box<dyn Error + Send + Sync>),
    /// The body is no JSON.
    #[error("the body is not json")]
    JsonInvalid(#[source] serde_json::Error),
    /// The input breaks a rule.
    #[error(transparent)]
    Rule(#[from] ValidationError),
    /// The query of the URL has a filter that the list does not know.
    #[error("there is no such filter")]
    FilterUnknown(String),
    /// The command was not carried out.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The query was not answered.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// It is too much.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// zooid does not tell who the members of a relay are.
    #[error(transparent)]
    Members(#[from] MembersUnavailable),
    /// This process is not ready.
    #[error(transparent)]
    Unready(#[from] Unready),
    /// The metrics could not be written down.
    #[error("cannot write the metrics")]
    Metrics(#[from] std::fmt::Error),
    /// The answer could not be written as JSON.
    #[error("cannot write the answer as json")]
    Encode(#[source] serde_json::Error),
    /// The handler panicked, which was logged where it happened.
    #[error("the handler panicked")]
    Panicked,
}

/// An error in the words of HTTP.
struct Answer {
    code: &'static str,
    status: StatusCode,
    sentence: String,
    field: Option<Cow<'static, str>>,
    affected: Option<u64>,
    retry_after: Option<Duration>,
}

/// The envelope of failure.
#[derive(Serialize)]
struct Envelope<'a> {
    error: &'a str,
    code: &'static str,
    /// The field at fault, where it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
    /// How many relays match, where that is why.
    #[serde(skip_serializing_if = "Option::is_none")]
    affected: Option<u64>,
}

impl Answer {
    fn new(code: Code, sentence: impl Into<String>) -> Self {
        Self {
            code: code.code,
            status: code.status,
            sentence: sentence.into(),
            field: None,
            affected: None,
            retry_after: None,
        }
    }

    fn after(self, wait: Duration) -> Self {
        Self {
            retry_after: Some(wait),
            ..self
        }
    }

    fn about(self, field: impl Into<Cow<'static, str>>) -> Self {
        Self {
            field: Some(field.into()),
            ..self
        }
    }

    fn of(error: &ApiError) -> Self {
        match error {
            ApiError::Unauthorized(_) => Self::new(
                UNAUTHORIZED,
                "Please sign in again: this request is not signed as it must be.",
            ),
            ApiError::Forbidden => Self::new(FORBIDDEN, "You are not allowed to do this."),
            ApiError::Csrf => Self::new(
                CSRF,
                "This request does not come from the dashboard. Please load the page again.",
            ),
            ApiError::LinkInvalid => Self::new(
                LINK_INVALID,
                "This link was used already, or is too old. Please make another one.",
            ),
            ApiError::NotFound(what) => Self::not_found(what),
            ApiError::MethodNotAllowed => {
                Self::new(METHOD_NOT_ALLOWED, "This address has no such method.")
            }
            ApiError::BodyTooLarge => {
                Self::new(BODY_TOO_LARGE, "The request is longer than 64 KiB.")
            }
            ApiError::BodyIncomplete(_) => {
                Self::new(BODY_INCOMPLETE, "The request ended before it was complete.")
            }
            ApiError::JsonInvalid(error) => Self::new(
                JSON_INVALID,
                format!(
                    "The request is not valid JSON at line {}, column {}.",
                    error.line(),
                    error.column()
                ),
            ),
            ApiError::Rule(rule) => Self::of_rule(rule),
            ApiError::FilterUnknown(name) => {
                Self::new(FILTER_INVALID, "There is no such filter.").about(name.clone())
            }
            ApiError::Command(error) => Self::of_command(error),
            ApiError::Query(error) => match error {
                QueryError::NotFound { entity, id: _ } => Self::not_found(entity),
                QueryError::Database(_) => Self::internal(),
            },
            ApiError::Refused(refused) => Self::of_refused(*refused),
            ApiError::Members(unavailable) => Self::new(
                MEMBERS_UNAVAILABLE,
                "The members of this relay cannot be read just now. Please try again in a moment.",
            )
            .after(unavailable.retry_after().unwrap_or(ZOOID_RECOVERS)),
            ApiError::Unready(unready) => Self::of_unready(unready),
            ApiError::Metrics(_) | ApiError::Encode(_) | ApiError::Panicked => Self::internal(),
        }
    }

    fn of_refused(refused: Refused) -> Self {
        match refused {
            Refused::Url => Self::new(URL_TOO_LONG, "This address is too long."),
            Refused::Header => {
                Self::new(HEADER_TOO_LARGE, "The header of this request is too long.")
            }
            Refused::Rate { retry_after } => Self::new(
                RATE_LIMITED,
                format!(
                    "Too many requests. Please try again in {} seconds.",
                    retry_after.as_secs()
                ),
            )
            .after(retry_after),
            Refused::Busy => Self::new(BUSY, "There is too much to do just now. Please try again.")
                .after(BUSY_PASSES),
            Refused::Timeout => Self::new(REQUEST_TIMEOUT, "The request took too long."),
            Refused::Streams => Self::new(
                STREAMS_FULL,
                "Too many event streams are open just now. Please try again later.",
            )
            .after(STREAMS_END),
        }
    }

    fn of_unready(unready: &Unready) -> Self {
        let code = match unready {
            Unready::DatabaseReplaced => DATABASE_REPLACED,
            Unready::DatabaseUnwritable(_) => DATABASE_UNWRITABLE,
            Unready::DatabaseUnreadable(_) => DATABASE_UNREADABLE,
            Unready::WorkerSilent => WORKER_SILENT,
            Unready::QueueLate(_) => QUEUE_LATE,
        };
        Self::new(code, format!("Not ready: {unready}.")).after(WRITER_RECOVERS)
    }

    fn of_command(error: &CommandError) -> Self {
        match error {
            CommandError::TenantUnknown(_) => Self::new(
                TENANT_UNKNOWN,
                "There is no such tenant yet: they have to sign in first.",
            )
            .about("tenant_pubkey"),
            CommandError::RelayUnknown(_) => Self::not_found("relay"),
            CommandError::AlreadyExists {
                entity: _,
                field,
                value: _,
            } => Self::already_exists(field),
            CommandError::Rule(rule) => Self::of_rule(rule),
            CommandError::RelayChanged(_) => Self::new(
                PRECONDITION_FAILED,
                "This relay has changed since you read it. Please look at it again.",
            ),
            CommandError::RequestKeyReused => Self::new(
                IDEMPOTENCY_KEY_REUSED,
                "This Idempotency-Key was used for another request. Please use a new one.",
            ),
            CommandError::RelayRemoved(_) => Self::new(
                RELAY_REMOVED,
                "This relay was removed. It cannot be changed any more.",
            ),
            CommandError::RelayDelinquent(_) => Self::new(
                RELAY_DELINQUENT,
                "This relay is off because a payment is missing. It comes back once that is settled.",
            ),
            CommandError::RelayQuarantined(_) => Self::new(
                RELAY_QUARANTINED,
                "This relay is quarantined. Release it, then it is sent.",
            ),
            CommandError::RelayInStep(_) => Self::new(
                RELAY_IN_STEP,
                "This relay is in step already: there is nothing to try again.",
            ),
            CommandError::TargetUnknown(_) => {
                Self::new(TARGET_UNKNOWN, "There is no such target.")
            }
            CommandError::BulkTokenInvalid => Self::new(
                BULK_TOKEN_INVALID,
                "This is not what was previewed, or it was too long ago. Please look again before you act.",
            )
            .about("token"),
            CommandError::BulkChanged { affected } => Self {
                affected: Some(*affected),
                ..Self::new(
                    BULK_CHANGED,
                    format!("By now {affected} relays match. Please look again before you act."),
                )
            },
            CommandError::Database(_) => Self::internal(),
            CommandError::Write(_) => Self::new(
                UNAVAILABLE,
                "The change could not be saved just now. Please try again.",
            )
            .after(WRITER_RECOVERS),
        }
    }

    fn of_rule(rule: &ValidationError) -> Self {
        Self {
            code: rule.code,
            status: StatusCode::UNPROCESSABLE_ENTITY,
            sentence: rule.message.clone(),
            field: Some(rule.field.into()),
            affected: None,
            retry_after: None,
        }
    }

    fn already_exists(field: &'static str) -> Self {
        match field {
            "subdomain" => Self::new(
                SUBDOMAIN_EXISTS,
                "This subdomain is taken, please choose another.",
            )
            .about(field),
            "custom_domain" => Self::new(
                CUSTOM_DOMAIN_EXISTS,
                "This custom_domain is used by another relay.",
            )
            .about(field),
            "pubkey" => {
                Self::new(PUBKEY_EXISTS, "There is a tenant with this key already.").about(field)
            }
            // Ids and schemas are ours to choose: a clash is not the client's doing.
            _ => Self::internal(),
        }
    }

    fn not_found(what: &str) -> Self {
        Self::new(NOT_FOUND, format!("There is no such {what}."))
    }

    fn internal() -> Self {
        Self::new(
            INTERNAL,
            "Something went wrong on our side. Please try again later.",
        )
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let answer = Answer::of(&self);
        if answer.status.is_server_error() {
            tracing::error!(error.code = answer.code, error = causes(&self), "failed");
        } else {
            tracing::debug!(error.code = answer.code, error = causes(&self), "refused");
        }
        let envelope = Envelope {
            error: &answer.sentence,
            code: answer.code,
            field: answer.field.as_deref(),
            affected: answer.affected,
        };
        // Strings and a number always are JSON.
        let body = serde_json::to_vec(&envelope).unwrap_or_default();
        let mut response = data::json(answer.status, body);
        if let Some(wait) = answer.retry_after {
            response
                .headers_mut()
                .insert(RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
        }
        response
    }
}

/// The error with everything that led to it, on one line.
fn causes(error: &ApiError) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn codes_are_kebab_case_and_listed_once() {
        let mut seen = HashSet::new();
        for code in CODES {
            assert!(seen.insert(code.code), "{}", code.code);
            assert!(
                code.code
                    .split('-')
                    .all(|word| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase())),
                "{}",
                code.code
            );
        }
    }
}
