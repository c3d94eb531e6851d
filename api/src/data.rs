//! The envelope of success: `{"data": ..., "code": "ok"}`.
//!
//! Invariant: no answer is without a body, and but for [`Metrics`], files and event streams it is JSON; clients take a bare 2xx for a failure.

use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, ETAG, LINK, LOCATION};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::Serialize;
use serde_json::{Value, json};
use shared::watch;
use utoipa::ToSchema;

use crate::description::Operation;
use crate::error::ApiError;

/// What a handler may answer with when all went well, and says of it.
pub trait Answer: IntoResponse {
    /// Adds the statuses of success, with what comes in each.
    fn describe(operation: &mut Operation<'_>);
}

impl<T: Serialize + ToSchema> Answer for Data<T> {
    fn describe(operation: &mut Operation<'_>) {
        operation.succeeds_with::<T>(StatusCode::OK);
    }
}

/// A list, or a page of it with a link to the next.
#[derive(Debug)]
pub struct Paged<T>(pub Data<T>);

impl<T: Serialize> Paged<T> {
    /// The same with another value.
    pub fn map<U>(self, value: impl FnOnce(T) -> U) -> Paged<U> {
        Paged(self.0.map(value))
    }
}

impl<T: Serialize> IntoResponse for Paged<T> {
    fn into_response(self) -> Response {
        self.0.into_response()
    }
}

impl<T: Serialize + ToSchema> Answer for Paged<T> {
    fn describe(operation: &mut Operation<'_>) {
        operation.succeeds_with::<T>(StatusCode::OK);
        operation.tells(&LINK, "`<url>; rel=\"next\"` when another page follows.");
    }
}

impl Answer for Metrics {
    fn describe(operation: &mut Operation<'_>) {
        let text = json!({"schema": {"type": "string"}});
        operation.succeeds(StatusCode::OK, json!({ watch::CONTENT_TYPE: text }));
    }
}

/// The text of a scrape.
#[derive(Debug)]
pub struct Metrics(pub String);

impl IntoResponse for Metrics {
    fn into_response(self) -> Response {
        let content_type = HeaderValue::from_static(watch::CONTENT_TYPE);
        ([(CONTENT_TYPE, content_type)], self.0).into_response()
    }
}

/// A successful answer in its envelope.
#[derive(Debug)]
pub struct Data<T> {
    value: T,
    status: StatusCode,
    headers: HeaderMap,
}

impl<T: Serialize> Data<T> {
    /// 200 with `value`.
    pub fn ok(value: T) -> Self {
        Self {
            value,
            status: StatusCode::OK,
            headers: HeaderMap::new(),
        }
    }

    /// 201 with `value`, which from now on is found at `url`.
    pub fn created(value: T, url: &str) -> Self {
        Self {
            status: StatusCode::CREATED,
            ..Self::ok(value)
        }
        .with(LOCATION, url)
    }

    /// 202 with `value` as it is now; what becomes of it is found at `url`.
    pub fn accepted(value: T, url: &str) -> Self {
        Self {
            status: StatusCode::ACCEPTED,
            ..Self::ok(value)
        }
        .with(LOCATION, url)
    }

    /// The same with another value.
    pub fn map<U>(self, value: impl FnOnce(T) -> U) -> Data<U> {
        Data {
            value: value(self.value),
            status: self.status,
            headers: self.headers,
        }
    }

    /// With an entity tag, quotes included.
    pub fn tagged(self, tag: &str) -> Self {
        self.with(ETAG, tag)
    }

    /// With a header; one that cannot be a header is left out.
    pub fn with(mut self, name: HeaderName, value: impl TryInto<HeaderValue>) -> Self {
        if let Ok(value) = value.try_into() {
            self.headers.insert(name, value);
        }
        self
    }
}

#[derive(Serialize)]
struct Envelope<T> {
    data: T,
    code: &'static str,
}

impl<T: Serialize> IntoResponse for Data<T> {
    fn into_response(self) -> Response {
        let envelope = Envelope {
            data: self.value,
            code: "ok",
        };
        let body = match serde_json::to_vec(&envelope) {
            Ok(body) => body,
            Err(error) => return ApiError::Encode(error).into_response(),
        };
        let mut response = json(self.status, body);
        response.headers_mut().extend(self.headers);
        response
    }
}

/// The content of a stream of server-sent events, with the schema of each event's data by its name. `OpenAPI` 3.1 has no
/// word for that, hence the extension.
pub fn event_stream(events: &Value) -> Value {
    json!({"text/event-stream": {"schema": {"type": "string"}, "x-events": events}})
}

/// A response of JSON that is already text.
pub fn json(status: StatusCode, body: Vec<u8>) -> Response {
    (
        status,
        [(CONTENT_TYPE, HeaderValue::from_static("application/json"))],
        body,
    )
        .into_response()
}
