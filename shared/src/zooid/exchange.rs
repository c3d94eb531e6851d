//! One HTTP exchange: a request, and as much of its answer as we care to read.
//!
//! Invariant: it ends before its deadline, follows no redirect, repeats nothing, and reads at most a fixed number of
//! bytes, so an answer can neither hold a worker nor fill its memory.

use std::error::Error;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName};
use reqwest::{Client, Method, Response};
use serde_json::{Map, Value};
use url::Url;

/// What came of a request. Not `Debug`: a body may quote secrets.
pub(super) enum Exchange {
    /// The beginning of an answer came: its status and headers at least.
    Answered {
        status: u16,
        headers: HeaderMap,
        body: Body,
    },
    /// No answer came.
    Unanswered { phase: Phase, cause: String },
}

impl Exchange {
    /// The status, if an answer came.
    pub(super) fn status(&self) -> Option<u16> {
        match self {
            Self::Answered { status, .. } => Some(*status),
            Self::Unanswered { .. } => None,
        }
    }
}

/// How far a request came that was not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// The request could not be built: nothing was sent, and no repetition helps.
    Preparing,
    /// There was no connection: nothing was sent.
    Connecting,
    /// Some or all of it may have arrived.
    Sent,
}

/// As much of an answer's body as was read.
#[derive(Default)]
pub(super) struct Body {
    pub(super) bytes: Vec<u8>,
    /// Whether that is all of it: it ended by itself, within the limit.
    pub(super) is_whole: bool,
}

impl Body {
    /// The first bytes of the body, as if no more had been read.
    pub(super) fn head(&self, max_bytes: usize) -> Self {
        let bytes = &self.bytes[..self.bytes.len().min(max_bytes)];
        Self {
            bytes: bytes.to_vec(),
            is_whole: self.is_whole && bytes.len() == self.bytes.len(),
        }
    }

    /// A field of the JSON object that the body is, if all of it came.
    pub(super) fn field(&self, name: &str) -> Option<Value> {
        if !self.is_whole {
            return None;
        }
        let mut object: Map<String, Value> = serde_json::from_slice(&self.bytes).ok()?;
        object.remove(name)
    }
}

/// A request that is ready to be sent.
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: Vec<(HeaderName, String)>,
    pub(super) json: Option<Vec<u8>>,
    /// How long the whole exchange may take.
    pub(super) timeout: Duration,
    /// The most bytes of the answer's body that are read.
    pub(super) body_limit: usize,
}

impl Request {
    /// Sends the request and reads the answer.
    pub(super) async fn send(self, client: &Client) -> Exchange {
        let mut request = client.request(self.method, self.url).timeout(self.timeout);
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        if let Some(json) = self.json {
            request = request.header(CONTENT_TYPE, "application/json").body(json);
        }
        match request.send().await {
            Ok(response) => Exchange::Answered {
                status: response.status().as_u16(),
                headers: response.headers().clone(),
                body: read(response, self.body_limit).await,
            },
            Err(error) => Exchange::Unanswered {
                phase: phase_of(&error),
                cause: cause_of(error),
            },
        }
    }
}

async fn read(mut response: Response, limit: usize) -> Body {
    let mut body = Body::default();
    loop {
        match response.chunk().await {
            Ok(None) => {
                body.is_whole = true;
                return body;
            }
            Ok(Some(chunk)) => {
                let room = limit - body.bytes.len();
                body.bytes
                    .extend_from_slice(&chunk[..chunk.len().min(room)]);
                if chunk.len() > room {
                    return body;
                }
            }
            // What came before the break is still worth reading.
            Err(_) => return body,
        }
    }
}

fn phase_of(error: &reqwest::Error) -> Phase {
    if error.is_builder() {
        Phase::Preparing
    } else if error.is_connect() {
        Phase::Connecting
    } else {
        Phase::Sent
    }
}

/// The error and what caused it, in one line and without the URL.
fn cause_of(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut cause = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        cause = format!("{cause}: {error}");
        source = error.source();
    }
    cause
}
