//! JSON schemas of Rust types, as the description shows them.
//!
//! Invariant: a field of an answer is always there, null where there is nothing to tell. So all fields of an answer are
//! required, and those of a request are as their types say.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use utoipa::ToSchema;

/// Where the description keeps schemas that have a name.
const NAMED: &str = "#/components/schemas/";

/// The schemas that have a name, as they are come upon.
#[derive(Debug, Default)]
pub struct Schemas(BTreeMap<String, Value>);

/// On which side of the wire a type stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Request,
    Answer,
}

impl Schemas {
    /// The schema of `T` as it is answered.
    pub fn answer<T: ToSchema>(&mut self) -> Value {
        self.add::<T>(Side::Answer)
    }

    /// The schema of `T` as clients send it, with these fields required beside those whose types say so.
    pub fn request<T: ToSchema>(&mut self, required: &[&str]) -> Value {
        let reference = self.add::<T>(Side::Request);
        if !required.is_empty() {
            let named = self.0.entry(T::name().into_owned()).or_default();
            named["required"] = json!(required);
        }
        reference
    }

    /// The fields of `T`, each with its schema.
    pub fn fields<T: ToSchema>(&mut self) -> Map<String, Value> {
        let schema = self.add::<T>(Side::Request);
        let schema = resolved(&self.0, &schema);
        schema["properties"]
            .as_object()
            .cloned()
            .unwrap_or_default()
    }

    /// Those that `document` refers to, and those that they refer to, each once.
    pub fn named(mut self, document: &Value) -> Map<String, Value> {
        let mut wanted = BTreeSet::new();
        let mut looked_at = Vec::new();
        references(document, &mut looked_at);
        while let Some(name) = looked_at.pop() {
            if let Some(schema) = self.0.get(&name)
                && wanted.insert(name)
            {
                references(schema, &mut looked_at);
            }
        }
        self.0.retain(|name, _| wanted.contains(name));
        self.0.into_iter().collect()
    }

    fn add<T: ToSchema>(&mut self, side: Side) -> Value {
        let mut parts = Vec::new();
        T::schemas(&mut parts);
        let parts: BTreeMap<String, Value> = parts
            .into_iter()
            .map(|(name, schema)| (name, json!(schema)))
            .collect();
        for name in parts.keys() {
            let schema = told(parts[name].clone(), &parts, side);
            self.0.entry(name.clone()).or_insert(schema);
        }
        let whole = told(json!(T::schema()), &parts, side);
        if whole.get("properties").is_none() {
            return self.folded(whole);
        }
        // A generic type has one name for many schemas.
        let is_generic = std::any::type_name::<T>().contains('<');
        let whole = self.folded(whole);
        if is_generic {
            return whole;
        }
        let name = T::name().into_owned();
        let reference = json!({ "$ref": format!("{NAMED}{name}") });
        self.0.entry(name).or_insert(whole);
        reference
    }

    /// `schema` with references in place of what has a name already.
    fn folded(&self, mut schema: Value) -> Value {
        for part in children(&mut schema) {
            let known = part
                .get("properties")
                .and_then(|_| self.0.iter().find(|(_, known)| *known == part));
            *part = match known {
                Some((name, _)) => json!({ "$ref": format!("{NAMED}{name}") }),
                None => self.folded(part.take()),
            };
        }
        schema
    }
}

/// The schema as it is told: one flat object where Rust has several, and words of JSON where comments have those of Rust.
fn told(mut schema: Value, parts: &BTreeMap<String, Value>, side: Side) -> Value {
    for part in children(&mut schema) {
        *part = told(part.take(), parts, side);
    }
    if let Some(members) = schema.get("allOf").and_then(Value::as_array).cloned() {
        let (mut fields, mut required) = (Map::new(), Vec::new());
        for member in members {
            let member = told(resolved(parts, &member).clone(), parts, side);
            fields.extend(
                member["properties"]
                    .as_object()
                    .cloned()
                    .unwrap_or_default(),
            );
            required.extend(member["required"].as_array().cloned().unwrap_or_default());
        }
        let description = schema["description"].take();
        schema = json!({"type": "object", "properties": fields, "required": required});
        if !description.is_null() {
            schema["description"] = description;
        }
    }
    if side == Side::Answer
        && let Some(fields) = schema.get("properties").and_then(Value::as_object)
    {
        schema["required"] = fields.keys().cloned().collect();
    }
    if let Some(description) = schema.get("description").and_then(Value::as_str) {
        schema["description"] = in_words_of_json(description).into();
    }
    schema
}

/// The schemas that stand directly in `schema`.
fn children(schema: &mut Value) -> Vec<&mut Value> {
    let Some(keywords) = schema.as_object_mut() else {
        return Vec::new();
    };
    keywords
        .iter_mut()
        .flat_map(|(keyword, value)| match keyword.as_str() {
            "properties" => value
                .as_object_mut()
                .into_iter()
                .flat_map(Map::values_mut)
                .collect(),
            "items" | "additionalProperties" => vec![value],
            "allOf" | "oneOf" | "anyOf" => value.as_array_mut().into_iter().flatten().collect(),
            _ => Vec::new(),
        })
        .collect()
}

/// The schema that `schema` refers to, if it refers to one.
fn resolved<'a>(parts: &'a BTreeMap<String, Value>, schema: &'a Value) -> &'a Value {
    let name = schema["$ref"]
        .as_str()
        .and_then(|path| path.strip_prefix(NAMED));
    name.and_then(|name| parts.get(name)).unwrap_or(schema)
}

/// The names that `document` refers to.
fn references(document: &Value, names: &mut Vec<String>) {
    match document {
        Value::Object(object) => {
            let path = object.get("$ref").and_then(Value::as_str);
            names.extend(
                path.and_then(|path| path.strip_prefix(NAMED))
                    .map(str::to_owned),
            );
            object.values().for_each(|value| references(value, names));
        }
        Value::Array(values) => values.iter().for_each(|value| references(value, names)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A doc comment without the marks of rustdoc: on the wire there is no `None`, and no link to a Rust path.
fn in_words_of_json(comment: &str) -> String {
    let text: Vec<&str> = comment.lines().map(str::trim).collect();
    text.join("\n")
        .trim()
        .replace("`None`", "null")
        .replace("[`", "`")
        .replace("`]", "`")
}

#[cfg(test)]
mod tests {
    use serde::Serialize;

    use super::*;

    /// A shell.
    #[derive(Serialize, ToSchema)]
    struct Shell {
        /// How wide; `None` for a snail's.
        width: Option<i64>,
        #[serde(flatten)]
        finish: Finish,
    }

    #[derive(Serialize, ToSchema)]
    struct Finish {
        gloss: String,
    }

    #[test]
    fn an_answer_is_one_flat_object_with_all_of_its_fields() {
        let mut schemas = Schemas::default();

        let reference = schemas.answer::<Shell>();

        let named = schemas.named(&reference);
        assert_eq!(named.keys().collect::<Vec<_>>(), ["Shell"]);
        assert_eq!(named["Shell"]["required"], json!(["gloss", "width"]));
        assert_eq!(named["Shell"]["description"], "A shell.");
        let width = &named["Shell"]["properties"]["width"];
        assert_eq!(width["type"], json!(["integer", "null"]));
        assert_eq!(width["description"], "How wide; null for a snail's.");
    }

    #[test]
    fn a_list_refers_to_what_has_a_name() {
        let mut schemas = Schemas::default();
        schemas.answer::<Shell>();

        let list = schemas.answer::<Vec<Shell>>();

        assert_eq!(list["items"]["$ref"], "#/components/schemas/Shell");
    }
}
