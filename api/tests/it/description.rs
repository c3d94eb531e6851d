//! Holds answers against the description, so that every test that asks the API something tests the description too.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

use jsonschema::Validator;
use serde_json::{Value, json};

/// The description, in which no object has a field that is not described.
static DESCRIPTION: LazyLock<Value> = LazyLock::new(|| {
    let mut description = api::routes::openapi();
    close(&mut description);
    description
});

/// What answers are held against, by route and status.
static VALIDATORS: LazyLock<Mutex<HashMap<String, Arc<Validator>>>> = LazyLock::new(Mutex::default);

/// Panics when a route answers what its description does not know. What no route is asked for is not described.
pub fn hold(method: &str, path: &str, status: u16, answer: &Value) {
    let Some(route) = route(method, path) else {
        return;
    };
    let name = format!("{method} {}", route.path);
    let code = answer["code"].as_str().unwrap_or_default();
    let response = route.response(status).unwrap_or_else(|| {
        panic!(
            "{name} answers {status} `{code}`, which its description does not have: for an error, name its code in \
             `.refusing(..)` of the route, or, where the error comes of reading the input, in `RULES` of the input"
        )
    });
    let schema = &response["content"]["application/json"]["schema"];
    assert!(
        schema.is_object(),
        "{name} answers {status} in JSON, which its description does not say"
    );
    let validator = validator(&format!("{name} {status}"), schema);
    let broken: Vec<String> = validator
        .iter_errors(answer)
        .map(|error| format!("{error} at {}", error.instance_path()))
        .collect();
    assert!(
        broken.is_empty(),
        "{name} answers {status} `{code}` otherwise than its description says. A field: is it in the type of the handler's \
         answer, which derives ToSchema? A code: name it in `.refusing(..)` of the route. {broken:#?} {answer}"
    );
}

/// The same for what is not JSON: status and media type.
pub fn hold_bare(method: &str, path: &str, status: u16, media_type: &str) {
    let route = route(method, path).unwrap();
    let response = route.response(status);
    let is_described = response.is_some_and(|response| response["content"][media_type].is_object());
    assert!(
        is_described,
        "{method} {} answers {status} as {media_type}",
        route.path
    );
}

/// A route of the description.
struct Route {
    path: &'static str,
    operation: &'static Value,
}

impl Route {
    fn response(&self, status: u16) -> Option<&'static Value> {
        self.operation["responses"].get(status.to_string())
    }
}

/// The route that a call is of: the one with the fewest parameters that has its path.
fn route(method: &str, path: &str) -> Option<Route> {
    let (path, _) = path.split_once('?').unwrap_or((path, ""));
    let routes = api::routes::table().into_iter();
    let path = routes
        .filter(|entry| entry.method.as_str() == method && is_of(path, entry.path))
        .map(|entry| entry.path)
        .min_by_key(|path| path.matches('{').count())?;
    let described = path.replace("{*", "{");
    let operation = &DESCRIPTION["paths"][described][method.to_ascii_lowercase()];
    Some(Route { path, operation })
}

fn is_of(path: &str, pattern: &str) -> bool {
    let (mut parts, mut wanted) = (path.split('/'), pattern.split('/'));
    loop {
        match (parts.next(), wanted.next()) {
            (None, None) => return true,
            (Some(_), Some(wanted)) if wanted.starts_with("{*") => return true,
            (Some(part), Some(wanted)) if wanted.starts_with('{') && !part.is_empty() => {}
            (Some(part), Some(wanted)) if part == wanted => {}
            (_, _) => return false,
        }
    }
}

fn validator(name: &str, schema: &Value) -> Arc<Validator> {
    if let Some(validator) = VALIDATORS.lock().unwrap().get(name) {
        return Arc::clone(validator);
    }
    let whole = json!({"allOf": [schema], "components": DESCRIPTION["components"]});
    let validator = Arc::new(jsonschema::validator_for(&whole).unwrap());
    let mut validators = VALIDATORS.lock().unwrap();
    validators.insert(name.to_owned(), Arc::clone(&validator));
    validator
}

/// Lets no object have a field that is not described.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            object.values_mut().for_each(close);
            if object.get("type") == Some(&json!("object")) && object.contains_key("properties") {
                object.insert("additionalProperties".to_owned(), false.into());
            }
        }
        Value::Array(schemas) => schemas.iter_mut().for_each(close),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
#[should_panic(expected = "`.refusing(..)`")]
fn an_answer_with_a_code_that_its_route_does_not_describe_is_found() {
    hold(
        "GET",
        "/plans",
        422,
        &json!({"error": "No.", "code": "relay-limit"}),
    );
}

#[test]
#[should_panic(expected = "derives ToSchema")]
fn an_answer_with_a_field_that_is_not_described_is_found() {
    hold(
        "GET",
        "/healthz",
        200,
        &json!({"data": {"status": "ok", "mood": "good"}, "code": "ok"}),
    );
}

#[test]
#[should_panic(expected = "derives ToSchema")]
fn an_answer_without_a_field_that_is_described_is_found() {
    hold("GET", "/healthz", 200, &json!({"data": {}, "code": "ok"}));
}
