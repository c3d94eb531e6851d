//! Being signed in at the dashboard.

use chrono::{DateTime, Utc};
use serde_json::Value;
use utoipa::ToSchema;

use super::{JsonInput, Pubkey, ValidationError, json::Fields, text::text_enum};

text_enum! {
    /// How much of what a key may do a session may do.
    SessionScope, "session scope" {
        /// All of it.
        Configured = "configured",
        /// Reading alone.
        Readonly = "readonly",
    }
}

/// Somebody who is signed in. What their key may do is configured, and not kept here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DashboardSession {
    /// Who.
    pub pubkey: Pubkey,
    /// How much of what they may do.
    pub scope: SessionScope,
    /// Until when.
    pub expires_at: DateTime<Utc>,
}

/// A request to sign in by a link.
#[derive(Clone, PartialEq, Eq, ToSchema)]
pub struct LinkInput {
    /// The token in the link.
    pub token: String,
}

impl JsonInput for LinkInput {
    const RULES: &'static [&'static str] = &["field-required"];

    fn from_json(body: &Value) -> Result<Self, ValidationError> {
        let token = Fields::of(body)?
            .text("token")?
            .ok_or_else(|| ValidationError::required("token"))?;
        Ok(Self {
            token: token.to_owned(),
        })
    }
}
