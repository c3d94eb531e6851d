//! What the billing system tells beside what its path names.

use serde_json::Value;
use utoipa::ToSchema;

use super::{JsonInput, ValidationError, json::Fields, settings_patch::check_text};

/// Longest id that is taken over, in characters: those of billing systems have about thirty.
const ID_MAX_CHARS: usize = 255;

/// Longest message that is taken over, in characters: a sentence or two.
const MESSAGE_MAX_CHARS: usize = 500;

/// What a line can break.
const LINE_RULES: &[&str] = &["field-required", "field-too-long", "field-invalid"];

/// The billing system's id of something.
#[derive(Debug, Clone, PartialEq, Eq, ToSchema)]
pub struct BillingIdInput {
    /// The id, not empty.
    #[schema(min_length = 1, max_length = 255)]
    pub id: String,
}

impl JsonInput for BillingIdInput {
    const RULES: &'static [&'static str] = LINE_RULES;

    fn from_json(body: &Value) -> Result<Self, ValidationError> {
        Ok(Self {
            id: line(body, "id", ID_MAX_CHARS)?,
        })
    }
}

/// Why a wallet could not pay.
#[derive(Debug, Clone, PartialEq, Eq, ToSchema)]
pub struct WalletErrorInput {
    /// The sentence its tenant is shown, not empty.
    #[schema(min_length = 1, max_length = 500)]
    pub message: String,
}

impl JsonInput for WalletErrorInput {
    const RULES: &'static [&'static str] = LINE_RULES;

    fn from_json(body: &Value) -> Result<Self, ValidationError> {
        Ok(Self {
            message: line(body, "message", MESSAGE_MAX_CHARS)?,
        })
    }
}

/// A required line of text.
fn line(body: &Value, field: &'static str, max_chars: usize) -> Result<String, ValidationError> {
    let text = Fields::of(body)?
        .text(field)?
        .map(str::trim)
        .filter(|text| !text.is_empty())
        .ok_or_else(|| ValidationError::required(field))?;
    check_text(field, text, max_chars, &[])?;
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_id_is_one_line_that_is_not_empty() {
        let id = |value: Value| {
            BillingIdInput::from_json(&json!({ "id": value }))
                .map(|input| input.id)
                .map_err(|error| error.code)
        };
        assert_eq!(id(json!(" sub_1 ")), Ok("sub_1".to_owned()));
        for (value, code) in [
            (json!(null), "field-required"),
            (json!(" "), "field-required"),
            (json!(1), "field-type"),
            (json!("x".repeat(256)), "field-too-long"),
            (json!("a\nb"), "field-invalid"),
        ] {
            assert_eq!(id(value.clone()), Err(code), "{value}");
        }
    }
}
