//! What a list is asked for by its URL, as a type: what is read, what is refused, and what the description says of it.

use std::str::FromStr;

use axum::extract::FromRequestParts;
use http::request::Parts;
use shared::domain::{Malformed, ValidationError};
use shared::repositories::operator::keyset::LIMIT_MAX;
use utoipa::ToSchema;

use crate::description::{Input, Operation};
use crate::error::{ApiError, FILTER_INVALID};
use crate::filters::{Filters, malformed_filter};

/// The query of a URL as `T`.
#[derive(Debug)]
pub struct Query<T>(pub T);

/// What a query can say. The parameters have the names, types and comments of the fields of its schema.
pub trait QueryInput: ToSchema + Sized {
    /// What becomes of a parameter that is not read.
    const UNKNOWN: Unknown;

    /// Reads it. Every parameter is asked for, whatever the others say; an empty query is none.
    ///
    /// # Errors
    /// `filter-invalid` with the parameter.
    fn read(filters: &mut Filters) -> Result<Self, ValidationError>;
}

/// What becomes of a parameter that is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unknown {
    /// It is ignored: old clients send what they like.
    Ignored,
    /// It is refused: a misspelt filter would let everything pass, and operators act on what they see.
    Refused,
}

impl<S: Sync, T: QueryInput> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let mut filters = Filters::of(parts.uri.query().unwrap_or_default());
        let read = T::read(&mut filters)?;
        match T::UNKNOWN {
            Unknown::Ignored => {}
            Unknown::Refused => filters.refuse_others()?,
        }
        Ok(Self(read))
    }
}

impl<T: QueryInput> Input for Query<T> {
    fn describe(operation: &mut Operation<'_>) {
        let mut nothing = Filters::default();
        // An empty query is read to its end, and so tells which parameters there are.
        if T::read(&mut nothing).is_ok() {
            operation.takes_query::<T>(nothing.asked());
        }
        operation.may_refuse(&[FILTER_INVALID]);
    }
}

/// Rows of a page that does not ask for another number.
pub const LIMIT_DEFAULT: u32 = 50;

/// Which page of a list of operators.
#[derive(Debug, ToSchema)]
pub struct Cut {
    /// Where the page begins: the `next` of the one before it.
    pub cursor: Option<String>,
    /// Most rows of the page.
    #[schema(minimum = 1, maximum = 200, default = 50)]
    pub limit: u32,
}

impl Cut {
    /// Reads it.
    ///
    /// # Errors
    /// `filter-invalid` when the limit is no number from 1 to [`LIMIT_MAX`].
    pub fn read(filters: &mut Filters) -> Result<Self, ValidationError> {
        Ok(Self {
            cursor: filters.text("cursor").map(str::to_owned),
            limit: filters.within("limit", 1, LIMIT_MAX, LIMIT_DEFAULT)?,
        })
    }

    /// After which row the page begins.
    ///
    /// # Errors
    /// `filter-invalid` when the cursor is of no page of such a list.
    pub fn after<C>(&self) -> Result<Option<C>, ValidationError>
    where
        C: FromStr<Err = Malformed>,
    {
        self.cursor
            .as_deref()
            .map(str::parse)
            .transpose()
            .map_err(|malformed| malformed_filter("cursor", &malformed))
    }
}

/// A list that takes no parameters, and refuses all.
#[derive(Debug, ToSchema)]
pub struct Nothing {}

impl QueryInput for Nothing {
    const UNKNOWN: Unknown = Unknown::Refused;

    fn read(_: &mut Filters) -> Result<Self, ValidationError> {
        Ok(Self {})
    }
}
