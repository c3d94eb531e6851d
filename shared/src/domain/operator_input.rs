//! What operators' requests say beside what their path names.

use serde_json::Value;
use utoipa::ToSchema;

use super::{
    JsonInput, ValidationError, ZooidDomain,
    json::{Fields, Flag},
};

/// A request to send a relay again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ToSchema)]
pub struct RetryInput {
    /// The number of the newest attempt that the person saw, 0 when there was none: what has happened since then was not
    /// what they asked to repeat.
    pub seen_attempt: i64,
}

impl JsonInput for RetryInput {
    const RULES: &'static [&'static str] = &["field-required"];

    fn from_json(body: &Value) -> Result<Self, ValidationError> {
        let seen_attempt = Fields::of(body)?
            .number("seen_attempt")?
            .ok_or_else(|| ValidationError::required("seen_attempt"))?;
        Ok(Self { seen_attempt })
    }
}

/// A request to look for relays that no job covers.
#[derive(Debug, Clone, PartialEq, Eq, ToSchema)]
pub struct ReconcileInput {
    /// Whether to send every relay instead.
    #[schema(value_type = Option<Flag>)]
    pub all: bool,
    /// Those of this target alone.
    pub target: Option<ZooidDomain>,
}

impl JsonInput for ReconcileInput {
    const RULES: &'static [&'static str] = &["flag-invalid", "filter-invalid"];

    fn from_json(body: &Value) -> Result<Self, ValidationError> {
        let fields = Fields::of(body)?;
        Ok(Self {
            all: fields.flag("all")?.unwrap_or(false),
            target: fields.parsed("target", "filter-invalid")?,
        })
    }
}
