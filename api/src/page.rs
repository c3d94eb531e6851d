//! Lists in pages: `limit`, `cursor` and `sort` of a request, and the `Link` to the next page.
//!
//! Invariant: a request with none of these gets the whole list, as clients that know of no pages expect. A page begins after
//! the last row of the one before, so rows that come or go meanwhile are neither skipped nor shown twice.

use std::str::FromStr;

use axum::extract::FromRequestParts;
use http::header::LINK;
use http::request::Parts;
use serde::Serialize;
use shared::domain::{Malformed, ValidationError};
use shared::repositories::operator::keyset::LIMIT_MAX;
use shared::repositories::{Direction, Pagination};
use url::form_urlencoded;
use utoipa::ToSchema;

use crate::data::{Data, Paged};
use crate::description::{Input, Operation};
use crate::error::{ApiError, FILTER_INVALID};
use crate::filters::{Filters, malformed_filter};
use crate::query::LIMIT_DEFAULT;
use crate::state::ApiState;

/// The own order of a list that begins with its oldest row.
pub const OLDEST_FIRST: &str = "created_at";

/// The own order of a list that begins with its newest row.
pub const NEWEST_FIRST: &str = "-created_at";

/// What a request asks for of a list in pages.
#[derive(Debug)]
pub struct PageQuery {
    asked: PageInput,
    /// Path and query: what the link to the next page repeats.
    path: String,
    query: String,
}

/// The parameters of pages, as clients write them.
#[derive(Debug, ToSchema)]
struct PageInput {
    /// `created_at`, or `-created_at` for the newest first.
    #[schema(pattern = "^-?created_at$")]
    sort: Option<String>,
    /// Most rows of the page. Without it the whole list is answered, after a `cursor` 50 rows at most.
    #[schema(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// Where the page begins: from the `Link` to the next page.
    cursor: Option<String>,
}

/// The part of a list that a request asks for.
#[derive(Debug)]
pub struct Wanted<C> {
    /// What to read; where rows are limited, one more than a page has, so that it is known whether another page follows.
    pub page: Pagination<C>,
    limit: Option<u32>,
    request: String,
}

impl PageQuery {
    /// What the request asks for of a list whose own order is `own`.
    ///
    /// # Errors
    /// `filter-invalid`, with the parameter.
    pub fn read<C>(&self, own: &'static str) -> Result<Wanted<C>, ValidationError>
    where
        C: FromStr,
    {
        let direction = match self.asked.sort.as_deref() {
            None => Direction::Forward,
            Some(sort) if sort == own => Direction::Forward,
            Some(OLDEST_FIRST | NEWEST_FIRST) => Direction::Backward,
            Some(_) => {
                let rule = "must be created_at, or -created_at for the newest first";
                return Err(ValidationError::new("filter-invalid", "sort", rule));
            }
        };
        let after = self
            .asked
            .cursor
            .as_deref()
            .map(|cursor| cursor.parse().map_err(|_| no_cursor()))
            .transpose()?;
        let limit = match (self.asked.limit, &after) {
            (None, Some(_)) => Some(LIMIT_DEFAULT),
            (limit, _) => limit,
        };
        Ok(Wanted {
            page: Pagination {
                after,
                limit: limit.map(|limit| limit + 1),
                direction,
            },
            limit,
            request: format!("{}?{}", self.path, self.without_cursor()),
        })
    }

    fn without_cursor(&self) -> String {
        let pairs = form_urlencoded::parse(self.query.as_bytes());
        form_urlencoded::Serializer::new(String::new())
            .extend_pairs(pairs.filter(|(name, _)| name != "cursor"))
            .finish()
    }
}

fn no_cursor() -> ValidationError {
    let malformed = Malformed {
        what: "cursor",
        rule: "must be from the link to the next page",
    };
    malformed_filter("cursor", &malformed)
}

impl<C> Wanted<C> {
    /// The page that `rows` are, with a link to the next where there is one. `cursor` is that of a row.
    pub fn answer<T: Serialize>(
        &self,
        state: &ApiState,
        mut rows: Vec<T>,
        cursor: impl Fn(&T) -> String,
    ) -> Paged<Vec<T>> {
        let Some(limit) = self.limit else {
            return Paged(Data::ok(rows));
        };
        let limit = limit as usize;
        let is_last = rows.len() <= limit;
        rows.truncate(limit);
        let Some(next) = rows.last().filter(|_| !is_last).map(cursor) else {
            return Paged(Data::ok(rows));
        };
        let url = state.url_of(&format!("{}&cursor={next}", self.request));
        Paged(Data::ok(rows).with(LINK, format!("<{url}>; rel=\"next\"")))
    }
}

impl<S: Sync> FromRequestParts<S> for PageQuery {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let query = parts.uri.query().unwrap_or_default();
        let mut filters = Filters::of(query);
        let limit = match filters.text("limit") {
            Some(_) => Some(filters.within("limit", 1, LIMIT_MAX, LIMIT_MAX)?),
            None => None,
        };
        Ok(Self {
            asked: PageInput {
                sort: filters.text("sort").map(str::to_owned),
                limit,
                cursor: filters.text("cursor").map(str::to_owned),
            },
            path: parts.uri.path().to_owned(),
            query: query.to_owned(),
        })
    }
}

impl Input for PageQuery {
    fn describe(operation: &mut Operation<'_>) {
        operation.takes_query::<PageInput>(&["sort", "limit", "cursor"]);
        operation.may_refuse(&[FILTER_INVALID]);
    }
}
