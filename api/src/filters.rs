//! What a list is narrowed down to, from the query of its URL.

use std::str::FromStr;

use shared::domain::{Malformed, ValidationError};
use url::form_urlencoded;

use crate::error::ApiError;

/// The code of every refusal here.
const INVALID: &str = "filter-invalid";

/// The query of a URL as names and values. Empty values count as absent: clients send what their forms have.
#[derive(Debug, Default)]
pub struct Filters {
    pairs: Vec<(String, String)>,
    /// The names that were asked for so far.
    asked: Vec<&'static str>,
}

impl Filters {
    /// The names and values of `query`.
    pub fn of(query: &str) -> Self {
        Self {
            pairs: form_urlencoded::parse(query.as_bytes())
                .into_owned()
                .collect(),
            asked: Vec::new(),
        }
    }

    /// The names that were asked for so far.
    pub fn asked(&self) -> &[&'static str] {
        &self.asked
    }

    /// Refuses names that were not asked for.
    ///
    /// # Errors
    /// `filter-invalid`, with the name.
    pub fn refuse_others(self) -> Result<(), ApiError> {
        let mut names = self.pairs.into_iter().map(|(name, _)| name);
        match names.find(|name| !self.asked.contains(&name.as_str())) {
            Some(name) => Err(ApiError::FilterUnknown(name)),
            None => Ok(()),
        }
    }

    /// The filter `name`, if there is one.
    ///
    /// # Errors
    /// `filter-invalid` when its value is none.
    pub fn get<T>(&mut self, name: &'static str) -> Result<Option<T>, ValidationError>
    where
        T: FromStr<Err = Malformed>,
    {
        self.text(name)
            .map(str::parse)
            .transpose()
            .map_err(|malformed| malformed_filter(name, &malformed))
    }

    /// The text of the filter `name`, if there is one.
    pub fn text(&mut self, name: &'static str) -> Option<&str> {
        self.asked.push(name);
        self.pairs
            .iter()
            .find(|(key, value)| key == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }

    /// The values of the filter `name`, which stand between commas; none when there is no such filter.
    ///
    /// # Errors
    /// `filter-invalid` when one of them is none.
    pub fn all<T>(&mut self, name: &'static str) -> Result<Vec<T>, ValidationError>
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
    pub fn numbers(&mut self, name: &'static str) -> Result<Vec<i64>, ValidationError> {
        let numbers: Vec<Number> = self.all(name)?;
        Ok(numbers.into_iter().map(|Number(number)| number).collect())
    }

    /// The number of the filter `name`, if there is one.
    ///
    /// # Errors
    /// `filter-invalid` when it is none.
    pub fn number(&mut self, name: &'static str) -> Result<Option<i64>, ValidationError> {
        Ok(self.get::<Number>(name)?.map(|Number(number)| number))
    }

    /// The number of the filter `name`, within bounds; `default` without one.
    ///
    /// # Errors
    /// `filter-invalid` when it is none, or out of bounds.
    pub fn within(
        &mut self,
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

    /// The flag of the filter `name`, if there is one: 0, 1, true or false.
    ///
    /// # Errors
    /// `filter-invalid` when it is none.
    pub fn flag(&mut self, name: &'static str) -> Result<Option<bool>, ValidationError> {
        match self.text(name) {
            None => Ok(None),
            Some("0" | "false") => Ok(Some(false)),
            Some("1" | "true") => Ok(Some(true)),
            Some(_) => Err(ValidationError::new(INVALID, name, "must be 0 or 1")),
        }
    }
}

/// `filter-invalid` for the value of `name`.
pub fn malformed_filter(name: &'static str, malformed: &Malformed) -> ValidationError {
    ValidationError::malformed(INVALID, name, malformed)
}

/// A whole number.
#[derive(Debug)]
pub struct Number(pub i64);

impl FromStr for Number {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        text.parse().map(Self).map_err(|_| Malformed {
            what: "number",
            rule: "must be a whole number",
        })
    }
}
