//! One route of the description, put together by the types of its handler.

use std::collections::{BTreeMap, BTreeSet};

use http::{HeaderName, Method, StatusCode};
use serde_json::{Map, Value, json};
use shared::domain::JsonInput;
use utoipa::ToSchema;

use super::Schemas;
use crate::error::{
    BODY_INCOMPLETE, BODY_TOO_LARGE, BUSY, CODES, Code, FIELD_TYPE, HEADER_TOO_LARGE, INTERNAL,
    JSON_INVALID, RATE_LIMITED, REQUEST_TIMEOUT, UNAVAILABLE, URL_TOO_LONG,
};
use crate::prefer::PREFERENCE_APPLIED;

/// What JSON is called among media types.
const JSON: &str = "application/json";

/// A route as it is being described.
#[derive(Debug)]
pub struct Operation<'a> {
    /// The schemas that have a name.
    pub schemas: &'a mut Schemas,
    path: &'static str,
    parameters: Vec<Value>,
    body: Option<Value>,
    /// By status.
    successes: BTreeMap<u16, Value>,
    /// Whether a client may be answered before it is known what comes of its request.
    is_pending: bool,
    refusals: BTreeSet<&'static str>,
}

impl<'a> Operation<'a> {
    /// The route with this verb and path, of which nothing is known but what holds for all.
    pub fn new(schemas: &'a mut Schemas, method: &Method, path: &'static str) -> Self {
        let mut operation = Self {
            schemas,
            path,
            parameters: Vec::new(),
            body: None,
            successes: BTreeMap::new(),
            is_pending: false,
            refusals: BTreeSet::new(),
        };
        operation.may_refuse(&[
            REQUEST_TIMEOUT,
            URL_TOO_LONG,
            RATE_LIMITED,
            HEADER_TOO_LARGE,
            INTERNAL,
            BUSY,
        ]);
        if !method.is_safe() {
            operation.may_refuse(&[UNAVAILABLE]);
        }
        operation
    }

    /// The one thing that the path names.
    pub fn takes_path(&mut self, description: &str, pattern: &str) {
        let name = self.path.split(['{', '}']).nth(1).unwrap_or_default();
        self.parameters.push(json!({
            // OpenAPI has no word for "and all that follows".
            "name": name.trim_start_matches('*'),
            "in": "path",
            "required": true,
            "description": description,
            "schema": {"type": "string", "pattern": pattern},
        }));
    }

    /// A header that clients may send.
    pub fn takes_header(&mut self, name: &HeaderName, description: &str, schema: &Value) {
        self.parameters.push(json!({
            "name": name.as_str(),
            "in": "header",
            "description": description,
            "schema": schema,
        }));
    }

    /// The parameters `names` of the query, which are fields of `T`.
    pub fn takes_query<T: ToSchema>(&mut self, names: &[&'static str]) {
        let mut fields = self.schemas.fields::<T>();
        for name in names {
            let mut schema = not_null(fields.remove(*name).unwrap_or_default());
            let description = schema
                .as_object_mut()
                .and_then(|schema| schema.remove("description"));
            let mut parameter = json!({"name": name, "in": "query", "schema": schema});
            if parameter["schema"]["type"] == "array" {
                // Several values stand between commas.
                parameter["explode"] = false.into();
            }
            if let Some(description) = description {
                parameter["description"] = description;
            }
            self.parameters.push(parameter);
        }
    }

    /// A body.
    pub fn takes_body<T: JsonInput>(&mut self) {
        let schema = self.schemas.request::<T>(T::REQUIRED);
        self.body = Some(json!({
            "description": "No body at all is an empty object. null is the same as leaving a field out, and fields that are not known are ignored.",
            "content": {JSON: {"schema": schema}},
        }));
        self.may_refuse(&[JSON_INVALID, BODY_INCOMPLETE, BODY_TOO_LARGE, FIELD_TYPE]);
        self.refusals.extend(T::RULES);
    }

    /// A success with `T` in the envelope.
    pub fn succeeds_with<T: ToSchema>(&mut self, status: StatusCode) {
        let data = self.schemas.answer::<T>();
        let envelope = json!({
            "type": "object",
            "required": ["code", "data"],
            "properties": {"code": {"const": "ok"}, "data": data},
        });
        self.succeeds(status, json!({JSON: {"schema": envelope}}));
    }

    /// A success with this content, by media type.
    pub fn succeeds(&mut self, status: StatusCode, content: Value) {
        let description = status.canonical_reason().unwrap_or_default();
        let mut response = json!({ "description": description });
        if content != json!({}) {
            response["content"] = content;
        }
        self.successes.insert(status.as_u16(), response);
    }

    /// A header that every success described so far may have.
    pub fn tells(&mut self, name: &HeaderName, description: &str) {
        for response in self.successes.values_mut() {
            response["headers"][name.as_str()] = header(description);
        }
    }

    /// Whoever prefers to wait may be answered 202 when the wait is over: the state as it is, and where to look.
    pub fn may_be_pending(&mut self) {
        self.is_pending = true;
    }

    /// Errors that the route may answer.
    pub fn may_refuse(&mut self, codes: &[Code]) {
        self.refusals.extend(codes.iter().map(|code| code.code));
    }

    /// As JSON, but for what the route says of itself.
    pub fn finish(mut self) -> Map<String, Value> {
        if self.is_pending {
            let mut pending = self.successes.values().next().cloned().unwrap_or_default();
            pending["description"] = "Accepted; what becomes of it is not known yet".into();
            pending["headers"]["location"] = header("Where to look.");
            self.successes
                .insert(StatusCode::ACCEPTED.as_u16(), pending);
            for response in self.successes.values_mut() {
                response["headers"][PREFERENCE_APPLIED.as_str()] =
                    header("How long was waited at most.");
            }
        }
        let mut responses: Map<String, Value> = self
            .successes
            .into_iter()
            .map(|(status, response)| (status.to_string(), response))
            .collect();
        responses.extend(refusals(&self.refusals));
        let mut operation = Map::new();
        operation.insert("parameters".to_owned(), self.parameters.into());
        operation.insert("responses".to_owned(), responses.into());
        if let Some(body) = self.body {
            operation.insert("requestBody".to_owned(), body);
        }
        operation
    }
}

fn header(description: &str) -> Value {
    json!({"description": description, "schema": {"type": "string"}})
}

/// The responses that these codes come in, one for each status.
fn refusals(codes: &BTreeSet<&'static str>) -> Map<String, Value> {
    let mut by_status: BTreeMap<u16, Vec<&Code>> = BTreeMap::new();
    for code in CODES.iter().filter(|code| codes.contains(code.code)) {
        by_status
            .entry(code.status.as_u16())
            .or_default()
            .push(code);
    }
    by_status
        .into_iter()
        .map(|(status, codes)| (status.to_string(), refusal(status, &codes)))
        .collect()
}

fn refusal(status: u16, codes: &[&Code]) -> Value {
    let lines: Vec<String> = codes
        .iter()
        .map(|code| format!("`{}`: {}", code.code, code.meaning))
        .collect();
    let names: Vec<&str> = codes.iter().map(|code| code.code).collect();
    let schema = json!({
        "allOf": [
            {"$ref": "#/components/schemas/Error"},
            {"properties": {"code": {"enum": names}}},
        ],
    });
    let mut response = json!({
        "description": lines.join("\n\n"),
        "content": {JSON: {"schema": schema}},
    });
    if matches!(status, 429 | 503) {
        response["headers"]["retry-after"] =
            json!({"description": "Seconds.", "schema": {"type": "integer", "minimum": 1}});
    }
    response
}

/// A parameter that is absent is not there; it is never null.
fn not_null(mut schema: Value) -> Value {
    if let Some(choices) = schema.get("oneOf").and_then(Value::as_array) {
        let mut choices: Vec<Value> = choices
            .iter()
            .filter(|choice| choice["type"] != "null")
            .cloned()
            .collect();
        if choices.len() == 1 {
            return choices.remove(0);
        }
        schema["oneOf"] = choices.into();
    }
    if let Some(types) = schema.get("type").and_then(Value::as_array) {
        let mut types: Vec<Value> = types
            .iter()
            .filter(|name| *name != "null")
            .cloned()
            .collect();
        schema["type"] = if types.len() == 1 {
            types.remove(0)
        } else {
            types.into()
        };
    }
    schema
}
