//! Request bodies: bounded, and read as JSON whatever the content type says, for clients differ.

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Request};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde_json::Value;
use shared::domain::JsonInput;

use crate::description::{Input, Operation};
use crate::error::ApiError;

/// Longest body, in bytes: several times the longest relay.
pub const BODY_MAX_BYTES: usize = 64 * 1024;

/// An input read from a JSON body. No body at all is an empty object.
#[derive(Debug)]
pub struct Json<T>(pub T);

impl<S: Sync, T: JsonInput> FromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let bytes = read(request.into_body()).await?;
        parse(&bytes).map(Self)
    }
}

impl<T: JsonInput> Input for Json<T> {
    fn describe(operation: &mut Operation<'_>) {
        operation.takes_body::<T>();
    }
}

/// The input in a body. No body at all is an empty object.
///
/// # Errors
/// [`ApiError::JsonInvalid`], or the rule that the input breaks.
pub fn parse<T: JsonInput>(bytes: &[u8]) -> Result<T, ApiError> {
    let body = if bytes.trim_ascii().is_empty() {
        Value::Object(serde_json::Map::new())
    } else {
        serde_json::from_slice(bytes).map_err(ApiError::JsonInvalid)?
    };
    Ok(T::from_json(&body)?)
}

/// Reads a body of at most [`BODY_MAX_BYTES`].
///
/// # Errors
/// [`ApiError::BodyTooLarge`], or [`ApiError::BodyIncomplete`] when the client stopped sending.
pub async fn read(body: Body) -> Result<Bytes, ApiError> {
    match Limited::new(body, BODY_MAX_BYTES).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(ApiError::BodyTooLarge),
        Err(error) => Err(ApiError::BodyIncomplete(error)),
    }
}
