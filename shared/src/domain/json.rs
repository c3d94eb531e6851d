//! Reading a request's JSON field by field, so that every refusal names the field.
//!
//! Unknown fields are ignored because existing clients send whole objects; null means absent.

use std::str::FromStr;

use serde_json::{Map, Value};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type, schema::SchemaType};
use utoipa::{PartialSchema, ToSchema};

use super::{Malformed, ValidationError};

/// A request body that is read from JSON with refusals that name the field, which serde's own errors cannot do.
///
/// Its schema is what the API's description says of the body.
pub trait JsonInput: ToSchema + Sized {
    /// Fields that are optional to their types, and must be there nevertheless: refused as missing only after others were
    /// read.
    const REQUIRED: &'static [&'static str] = &[];

    /// The codes of the rules that an input can break, `field-type` aside, which all have.
    const RULES: &'static [&'static str];

    /// Reads the fields this input knows.
    ///
    /// # Errors
    /// `field-type`, `flag-invalid` or the code of the field whose text does not parse.
    fn from_json(body: &Value) -> Result<Self, ValidationError>;
}

/// How a flag is written in a body: 0, 1, true or false. What is read is a `bool`; this is its schema.
pub struct Flag(());

impl PartialSchema for Flag {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(SchemaType::from_iter([Type::Integer, Type::Boolean]))
            .enum_values(Some([
                Value::from(0),
                Value::from(1),
                Value::from(false),
                Value::from(true),
            ]))
            .description(Some("0 or false, 1 or true."))
            .into()
    }
}

impl ToSchema for Flag {}

/// The fields of a JSON object.
pub(super) struct Fields<'a>(&'a Map<String, Value>);

impl<'a> Fields<'a> {
    /// The fields of `body`, which must be an object.
    pub(super) fn of(body: &'a Value) -> Result<Self, ValidationError> {
        body.as_object()
            .map(Self)
            .ok_or_else(|| ValidationError::new("field-type", "body", "must be a JSON object"))
    }

    fn get(&self, name: &str) -> Option<&'a Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// The names of the fields there are, those that are null left aside.
    pub(super) fn names(&self) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, _)| name.as_str())
    }

    /// Whether there is such a field.
    pub(super) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// The fields of an object field.
    pub(super) fn object(&self, name: &'static str) -> Result<Option<Self>, ValidationError> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        value
            .as_object()
            .map(|object| Some(Self(object)))
            .ok_or_else(|| ValidationError::new("field-type", name, "must be a JSON object"))
    }

    /// A whole number.
    pub(super) fn number(&self, name: &'static str) -> Result<Option<i64>, ValidationError> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        value
            .as_i64()
            .map(Some)
            .ok_or_else(|| ValidationError::new("field-type", name, "must be a whole number"))
    }

    /// Several values: an array of texts and numbers, or one text with commas between them. None when the field is absent.
    pub(super) fn list(&self, name: &'static str) -> Result<Vec<String>, ValidationError> {
        let refused = || {
            ValidationError::new(
                "field-type",
                name,
                "must be an array, or text with commas between the values",
            )
        };
        match self.get(name) {
            None => Ok(Vec::new()),
            Some(Value::String(text)) => Ok(text
                .split(',')
                .map(str::trim)
                .filter(|value| !value.is_empty())
                .map(str::to_owned)
                .collect()),
            Some(Value::Number(number)) => Ok(vec![number.to_string()]),
            Some(Value::Array(values)) => values
                .iter()
                .map(|value| match value {
                    Value::String(text) => Ok(text.clone()),
                    Value::Number(number) => Ok(number.to_string()),
                    Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
                        Err(refused())
                    }
                })
                .collect(),
            Some(Value::Null | Value::Bool(_) | Value::Object(_)) => Err(refused()),
        }
    }

    /// A text field.
    pub(super) fn text(&self, name: &'static str) -> Result<Option<&'a str>, ValidationError> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        value
            .as_str()
            .map(Some)
            .ok_or_else(|| ValidationError::new("field-type", name, "must be text"))
    }

    /// A text field that is kept as it is.
    pub(super) fn string(&self, name: &'static str) -> Result<Option<String>, ValidationError> {
        Ok(self.text(name)?.map(str::to_owned))
    }

    /// A text field with a type of its own, refused with `code`.
    pub(super) fn parsed<T>(
        &self,
        name: &'static str,
        code: &'static str,
    ) -> Result<Option<T>, ValidationError>
    where
        T: FromStr<Err = Malformed>,
    {
        let Some(text) = self.text(name)? else {
            return Ok(None);
        };
        text.parse()
            .map(Some)
            .map_err(|malformed| ValidationError::malformed(code, name, &malformed))
    }

    /// A flag: 0, 1, true or false.
    pub(super) fn flag(&self, name: &'static str) -> Result<Option<bool>, ValidationError> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        match (value.as_bool(), value.as_u64()) {
            (Some(flag), _) => Ok(Some(flag)),
            (None, Some(0)) => Ok(Some(false)),
            (None, Some(1)) => Ok(Some(true)),
            (None, Some(_) | None) => {
                Err(ValidationError::new("flag-invalid", name, "must be 0 or 1"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn flags_are_zero_one_or_booleans_and_anything_else_names_the_field() {
        for (value, flag) in [
            (json!(0), false),
            (json!(1), true),
            (json!(false), false),
            (json!(true), true),
        ] {
            assert_eq!(
                Fields::of(&json!({"on": value}))
                    .unwrap()
                    .flag("on")
                    .unwrap(),
                Some(flag)
            );
        }
        for value in [
            json!(2),
            json!(-1),
            json!(0.5),
            json!(1.0),
            json!("1"),
            json!([]),
            json!({}),
            json!(u64::MAX),
        ] {
            let error = Fields::of(&json!({"on": value}))
                .unwrap()
                .flag("on")
                .unwrap_err();
            assert_eq!((error.code, error.field), ("flag-invalid", "on"));
            assert!(error.message.contains("on"));
        }
    }

    #[test]
    fn null_and_missing_fields_are_absent() {
        let body = json!({"text": null, "on": null});
        let fields = Fields::of(&body).unwrap();
        assert_eq!(fields.text("text").unwrap(), None);
        assert_eq!(fields.flag("on").unwrap(), None);
        assert_eq!(fields.text("missing").unwrap(), None);
    }

    #[test]
    fn a_list_is_an_array_or_text_with_commas() {
        let body =
            json!({"array": ["a", 2], "text": "a, 2,", "one": 2, "flag": true, "deep": [[1]]});
        let fields = Fields::of(&body).unwrap();
        for name in ["array", "text"] {
            assert_eq!(fields.list(name).unwrap(), ["a", "2"], "{name}");
        }
        assert_eq!(fields.list("one").unwrap(), ["2"]);
        assert!(fields.list("missing").unwrap().is_empty());
        for name in ["flag", "deep"] {
            let error = fields.list(name).unwrap_err();
            assert_eq!((error.code, error.field), ("field-type", name));
        }
    }

    #[test]
    fn wrong_types_name_the_field() {
        let error = Fields::of(&json!({"text": 1}))
            .unwrap()
            .text("text")
            .unwrap_err();
        assert_eq!((error.code, error.field), ("field-type", "text"));
        assert_eq!(Fields::of(&json!([])).err().unwrap().code, "field-type");
    }

    proptest! {
        #[test]
        fn only_four_values_are_flags(number: i64) {
            let body = json!({"on": number});
            prop_assert_eq!(Fields::of(&body).unwrap().flag("on").is_ok(), number == 0 || number == 1);
        }
    }
}
