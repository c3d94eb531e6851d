//! HTTP answers in the exact form of zooid's: JSON from its handlers, plain text from Go's router.

use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Bytes;
use serde::Serialize;

/// An answer that may still be spoiled by a fault.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    /// What a handler of the management API says: `application/json`, encoded as Go does it.
    pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Self {
        Self::of_type(status, "application/json", go_json(body))
    }

    /// `{"message":"..."}`
    pub(crate) fn message(status: StatusCode, message: &str) -> Self {
        Self::json(status, &serde_json::json!({ "message": message }))
    }

    /// `{"error":"..."}`
    pub(crate) fn error(status: StatusCode, message: &str) -> Self {
        Self::json(status, &serde_json::json!({ "error": message }))
    }

    /// A relay's NIP-11 document.
    pub(crate) fn nostr_json(document: &impl Serialize) -> Self {
        Self::of_type(StatusCode::OK, "application/nostr+json", go_json(document))
    }

    /// What Go's `http.Error` says: plain text and a line end.
    pub(crate) fn text(status: StatusCode, text: &str) -> Self {
        let mut answer = Self::of_type(status, "text/plain; charset=utf-8", format!("{text}\n"));
        answer.headers.insert(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        );
        answer
    }

    /// The same answer with one more header.
    pub(crate) fn with_header(mut self, name: HeaderName, value: &'static str) -> Self {
        self.headers.insert(name, HeaderValue::from_static(value));
        self
    }

    /// Turns it into what hyper sends.
    pub(crate) fn into_response(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(self.body));
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }

    fn of_type(status: StatusCode, content_type: &'static str, body: String) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        Self {
            status,
            headers,
            body: body.into(),
        }
    }
}

/// JSON as Go's encoder writes it: a line end after the value, and characters that mean something to HTML or
/// JavaScript escaped.
fn go_json(body: &impl Serialize) -> String {
    // Only maps with keys other than strings can fail, and no answer has one.
    let mut json = serde_json::to_string(body).unwrap_or_default();
    for (raw, escaped) in [
        ('<', "\\u003c"),
        ('>', "\\u003e"),
        ('&', "\\u0026"),
        ('\u{2028}', "\\u2028"),
        ('\u{2029}', "\\u2029"),
    ] {
        if json.contains(raw) {
            json = json.replace(raw, escaped);
        }
    }
    json.push('\n');
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_escaped_as_go_escapes_it() {
        let answer = Answer::error(StatusCode::CONFLICT, "host \"<a>&b\" is already in use");

        assert_eq!(
            answer.body,
            "{\"error\":\"host \\\"\\u003ca\\u003e\\u0026b\\\" is already in use\"}\n"
        );
    }
}
