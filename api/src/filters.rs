//! What a list is narrowed down to, from the query of its URL.

use std::convert::Infallible;
use std::str::FromStr;

use axum::extract::FromRequestParts;
use http::request::Parts;
use shared::domain::{Malformed, ValidationError};
use url::form_urlencoded;

/// The query of a URL as names and values. Names that a list does not know are ignored, and so are empty values: clients
/// send what their forms have.
#[derive(Debug)]
pub struct Filters(Vec<(String, String)>);

impl Filters {
    /// The filter `name`, if there is one.
    ///
    /// # Errors
    /// `filter-invalid` when its value is none.
    pub fn get<T>(&self, name: &'static str) -> Result<Option<T>, ValidationError>
    where
        T: FromStr<Err = Malformed>,
    {
        self.0
            .iter()
            .find(|(key, value)| key == name && !value.is_empty())
            .map(|(_, value)| value.parse())
            .transpose()
            .map_err(|malformed| ValidationError::malformed("filter-invalid", name, &malformed))
    }
}

impl<S: Sync> FromRequestParts<S> for Filters {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let query = parts.uri.query().unwrap_or_default();
        Ok(Self(
            form_urlencoded::parse(query.as_bytes())
                .into_owned()
                .collect(),
        ))
    }
}
