//! What a list is narrowed down to, from the query of its URL.

use std::convert::Infallible;
use std::str::FromStr;

use axum::extract::FromRequestParts;
use http::request::Parts;
use shared::domain::{Malformed, ValidationError};
use shared::repositories::operator::keyset::LIMIT_MAX;
use url::form_urlencoded;

use crate::error::ApiError;

/// Rows of a page that does not ask for another number.
const LIMIT_DEFAULT: u32 = 50;

/// The code of every refusal here.
const INVALID: &str = "filter-invalid";

/// The query of a URL as names and values. Empty values count as absent: clients send what their forms have. Names that a
/// list does not know are ignored, unless it says [`Filters::only`].
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
        self.text(name)
            .map(str::parse)
            .transpose()
            .map_err(|malformed| malformed_filter(name, &malformed))
    }

    /// Refuses names that are none of `known`: a misspelt filter would let everything pass.
    ///
    /// # Errors
    /// `filter-invalid`, with the name.
    pub fn only(&self, known: &[&str]) -> Result<(), ApiError> {
        match self
            .0
            .iter()
            .find(|(name, _)| !known.contains(&name.as_str()))
        {
            Some((name, _)) => Err(ApiError::FilterUnknown(name.clone())),
            None => Ok(()),
        }
    }

    /// The text of the filter `name`, if there is one.
    pub fn text(&self, name: &'static str) -> Option<&str> {
        self.0
            .iter()
            .find(|(key, value)| key == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }

    /// The values of the filter `name`, which stand between commas; none when there is no such filter.
    ///
    /// # Errors
    /// `filter-invalid` when one of them is none.
    pub fn all<T>(&self, name: &'static str) -> Result<Vec<T>, ValidationError>
    where
        T: FromStr<Err = Malformed>,
    {
        let values = self.text(name).unwrap_or_default().split(',');
        values
            .map(str::trim)
            .filter(|value| !value.is_empty())
            .map(|value| {
                value
                    .parse()
                    .map_err(|malformed| malformed_filter(name, &malformed))
            })
            .collect()
    }

    /// The numbers of the filter `name`, as [`Filters::all`].
    ///
    /// # Errors
    /// `filter-invalid` when one of them is none.
    pub fn numbers(&self, name: &'static str) -> Result<Vec<i64>, ValidationError> {
        let numbers: Vec<Number> = self.all(name)?;
        Ok(numbers.into_iter().map(|Number(number)| number).collect())
    }

    /// The number of the filter `name`, if there is one.
    ///
    /// # Errors
    /// `filter-invalid` when it is none.
    pub fn number(&self, name: &'static str) -> Result<Option<i64>, ValidationError> {
        Ok(self.get::<Number>(name)?.map(|Number(number)| number))
    }

    /// The number of the filter `name`, within bounds; `default` without one.
    ///
    /// # Errors
    /// `filter-invalid` when it is none, or out of bounds.
    pub fn within(
        &self,
        name: &'static str,
        from: u32,
        to: u32,
        default: u32,
    ) -> Result<u32, ValidationError> {
        let Some(number) = self.number(name)? else {
            return Ok(default);
        };
        u32::try_from(number)
            .ok()
            .filter(|number| (from..=to).contains(number))
            .ok_or_else(|| {
                ValidationError::new(INVALID, name, &format!("must be from {from} to {to}"))
            })
    }

    /// How many rows a page is to have.
    ///
    /// # Errors
    /// `filter-invalid` when it is no number from 1 to [`LIMIT_MAX`].
    pub fn limit(&self) -> Result<u32, ValidationError> {
        self.within("limit", 1, LIMIT_MAX, LIMIT_DEFAULT)
    }
}

/// `filter-invalid` for the value of `name`.
pub fn malformed_filter(name: &'static str, malformed: &Malformed) -> ValidationError {
    ValidationError::malformed(INVALID, name, malformed)
}

struct Number(i64);

impl FromStr for Number {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        text.parse().map(Self).map_err(|_| Malformed {
            what: "number",
            rule: "must be a whole number",
        })
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
