//! Looking at a relay at its own host, as anybody can: the only way to see what zooid made of a configuration
//! (zooid.md, *What a 200 does not mean*).
//!
//! Invariant: what is compared is what was shown; what leaves this module is redacted and cut.

use std::time::Duration;

use reqwest::header::{ACCEPT, HOST};
use reqwest::{Client, Method};
use serde_json::{Map, Value};
use tracing::{Instrument as _, field, info_span};
use url::Url;

use super::client::{ZooidClientError, builder};
use super::exchange::{Body, Exchange, Request};
use crate::config::ZooidConfig;
use crate::crypto::Redactor;
use crate::domain::{ExpectedDocument, Observation, RelayDocument};

/// The most of a document that is read: several times the longest description, whatever its escapes.
const DOCUMENT_MAX_BYTES: usize = 64 * 1024;

/// The most of one text that is kept, in characters: the longest that a tenant can set.
const TEXT_MAX_CHARS: usize = 4096;

/// The longest wait for one document. Whoever looks looks again, so it is shorter than a sync may take.
pub const LOOK_TIMEOUT: Duration = Duration::from_secs(2);

/// What zooid says where no relay is served, or an inactive one (zooid.md, Process).
const NO_RELAY: &str = "Not Found";

/// A look told nothing of the relay: the target is down, or something else answered in its place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no relay and no lack of one was seen at {host}: {cause}")]
pub struct Unseen {
    host: String,
    cause: String,
}

/// Looks at the relays of one zooid. Connections are pooled; share one among all tasks.
pub struct RelayViewer {
    http: Client,
    root: Url,
    timeout: Duration,
    redactor: Redactor,
}

impl RelayViewer {
    /// For the relays that are reached where the management API is, by their own `Host`.
    ///
    /// # Errors
    /// When TLS cannot be initialised.
    pub fn new(config: &ZooidConfig, redactor: Redactor) -> Result<Self, ZooidClientError> {
        let timeout = config.timeout.min(LOOK_TIMEOUT);
        Ok(Self {
            // In HTTP/2 the host comes from the URL, and `Host` would be one header among others.
            http: builder(timeout).http1_only().build()?,
            root: config.api_url.url().clone(),
            timeout,
            redactor,
        })
    }

    /// What is shown at `host`, and in what it differs from what is expected there.
    ///
    /// # Errors
    /// When what was answered is neither a NIP-11 document nor zooid's word that there is no relay.
    pub async fn look(
        &self,
        host: &str,
        expected: &ExpectedDocument,
    ) -> Result<Observation, Unseen> {
        let span = info_span!(
            "zooid.request",
            http.method = %Method::GET,
            http.status = field::Empty,
        );
        let request = Request {
            method: Method::GET,
            url: self.root.clone(),
            headers: vec![
                (HOST, host.to_owned()),
                (ACCEPT, "application/nostr+json".to_owned()),
            ],
            json: None,
            timeout: self.timeout,
            body_limit: DOCUMENT_MAX_BYTES,
        };
        let exchange = request.send(&self.http).instrument(span.clone()).await;
        span.record("http.status", exchange.status());
        match shown(&exchange) {
            Ok(document) => Ok(Observation {
                drift: expected.drift(document.as_ref()),
                document: document.map(|document| self.clean(document)),
            }),
            Err(cause) => Err(Unseen {
                host: host.to_owned(),
                cause: self.redactor.redact(&cause),
            }),
        }
    }

    fn clean(&self, document: RelayDocument) -> RelayDocument {
        let clean = |text: String| {
            let mut text = self.redactor.redact(&text);
            if let Some((end, _)) = text.char_indices().nth(TEXT_MAX_CHARS) {
                text.truncate(end);
            }
            text
        };
        RelayDocument {
            // Keys were read as such: they are public.
            self_key: document.self_key,
            pubkey: document.pubkey,
            name: clean(document.name),
            icon: clean(document.icon),
            description: clean(document.description),
        }
    }
}

/// The document, or `None` for zooid's word that there is no relay; else what was there in their place.
fn shown(exchange: &Exchange) -> Result<Option<RelayDocument>, String> {
    match exchange {
        Exchange::Unanswered { cause, .. } => Err(cause.clone()),
        Exchange::Answered {
            status: 200, body, ..
        } => match document(body) {
            Some(document) => Ok(Some(document)),
            None => Err("the answer is no NIP-11 document".to_owned()),
        },
        Exchange::Answered {
            status: 404, body, ..
        } if body.is_whole && body.bytes.trim_ascii() == NO_RELAY.as_bytes() => Ok(None),
        Exchange::Answered { status, .. } => Err(format!("the answer was {status}")),
    }
}

/// Texts that are left out are empty, as zooid leaves empty ones out.
fn document(body: &Body) -> Option<RelayDocument> {
    if !body.is_whole {
        return None;
    }
    let object: Map<String, Value> = serde_json::from_slice(&body.bytes).ok()?;
    let text = |name| object.get(name).and_then(Value::as_str).unwrap_or_default();
    Some(RelayDocument {
        self_key: text("self").parse().ok(),
        pubkey: text("pubkey").parse().ok(),
        name: text("name").to_owned(),
        icon: text("icon").to_owned(),
        description: text("description").to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use reqwest::header::HeaderMap;

    use super::*;
    use crate::zooid::exchange::Phase;

    const KEY: &str = "3bf0c63fcb93463407af97a5e5ee64fa883d107ef9e558472c4eb9aaaefa459d";

    fn answered(status: u16, body: &str) -> Exchange {
        Exchange::Answered {
            status,
            headers: HeaderMap::new(),
            body: Body {
                bytes: body.as_bytes().to_vec(),
                is_whole: true,
            },
        }
    }

    #[test]
    fn a_document_is_read_with_the_texts_that_zooid_leaves_out() {
        let body = format!(
            r#"{{"name":"A \u0026 B","pubkey":"{KEY}","self":"{KEY}","supported_nips":[1]}}"#
        );

        let document = shown(&answered(200, &body)).unwrap().unwrap();

        assert_eq!(document.name, "A & B");
        assert_eq!(document.self_key, Some(KEY.parse().unwrap()));
        assert_eq!(document.pubkey, Some(KEY.parse().unwrap()));
        assert_eq!((document.icon, document.description), Default::default());
    }

    #[test]
    fn only_zooids_own_words_mean_that_there_is_no_relay() {
        assert_eq!(shown(&answered(404, "Not Found\n")), Ok(None));
        for (status, body) in [
            (404, "404 page not found\n"),
            (404, "<html>no such site</html>"),
            (502, "Not Found\n"),
            (301, ""),
            (200, "<html>welcome</html>"),
            (200, "[]"),
        ] {
            assert!(shown(&answered(status, body)).is_err(), "{status} {body}");
        }
        let refused = Exchange::Unanswered {
            phase: Phase::Connecting,
            cause: "connection refused".to_owned(),
        };
        assert!(shown(&refused).is_err());
    }

    #[test]
    fn a_document_that_was_cut_off_is_none() {
        let mut exchange = answered(200, r#"{"name":"whole"}"#);
        if let Exchange::Answered { body, .. } = &mut exchange {
            body.is_whole = false;
        }

        assert!(shown(&exchange).is_err());
    }

    proptest! {
        #[test]
        fn any_answer_is_read_without_panicking(status in 100_u16..600, body in ".{0,80}") {
            let _ = shown(&answered(status, &body));
        }
    }
}
