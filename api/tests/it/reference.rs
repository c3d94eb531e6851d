//! The description of the API, for programs and for people. What is answered is held against it wherever a test asks
//! something ([`crate::description`]); here is what no answer shows.

use api::CODES;
use api::routes::{openapi, table};
use serde_json::{Map, Value, json};

use crate::harness::*;

/// Each operation with its name.
fn operations(description: &Value) -> Vec<(String, &Value)> {
    let paths = description["paths"].as_object().unwrap();
    paths
        .iter()
        .flat_map(|(path, methods)| {
            let methods = methods.as_object().unwrap();
            methods
                .iter()
                .map(move |(method, operation)| (format!("{method} {path}"), operation))
        })
        .collect()
}

#[tokio::test]
async fn the_description_has_every_route_and_every_code() {
    let api = start_empty(&[]).await;

    let answer = api.get("/openapi.json").send_raw().await;
    assert_eq!(answer.headers()["content-type"], "application/json");
    let description: Value = answer.json().await.unwrap();

    assert_eq!(description["openapi"], "3.1.0");
    let mut described = 0;
    for entry in table() {
        let method = entry.method.as_str().to_ascii_lowercase();
        let operation = &description["paths"][entry.path.replace("{*", "{")][&method];
        let summary = operation["summary"].as_str().unwrap_or_default();
        assert!(!summary.is_empty(), "{method} {}", entry.path);
        described += 1;
    }
    assert_eq!(operations(&description).len(), described);
    let codes = &description["components"]["schemas"]["Error"]["x-codes"];
    for code in CODES {
        assert_eq!(
            codes[code.code]["status"],
            code.status.as_u16(),
            "{}",
            code.code
        );
        assert_eq!(codes[code.code]["meaning"], code.meaning);
    }
}

#[test]
fn every_parameter_and_every_field_has_a_type_and_is_explained() {
    let description = openapi();
    let mut unexplained = Vec::new();
    for (name, operation) in operations(&description) {
        let parameters = operation["parameters"].as_array().unwrap();
        let named = parameters
            .iter()
            .filter(|parameter| parameter["in"] == "path")
            .count();
        assert_eq!(
            named,
            name.matches('{').count(),
            "the path of {name}: its handler or its rule takes a PathParam"
        );
        for parameter in parameters {
            if !is_explained(parameter) || parameter["schema"] == json!({}) {
                unexplained.push(format!("{name}: {}", parameter["name"]));
            }
        }
    }
    let schemas = description["components"]["schemas"].as_object().unwrap();
    for (name, schema) in schemas {
        let none = Map::new();
        let fields = schema["properties"].as_object().unwrap_or(&none);
        for (field, schema) in fields {
            if !is_explained(schema) {
                unexplained.push(format!("{name}: {field}"));
            }
        }
    }

    assert!(
        unexplained.is_empty(),
        "write a doc comment for {unexplained:#?}"
    );
}

fn is_explained(schema: &Value) -> bool {
    let choices = schema["oneOf"].as_array().into_iter().flatten();
    schema["description"].is_string() || choices.into_iter().any(is_explained)
}

#[test]
fn everything_that_the_description_refers_to_is_in_it() {
    let description = openapi();
    let mut names = Vec::new();
    references(&description, &mut names);
    assert!(names.len() > 100);
    for name in names {
        assert!(
            description.pointer(name.trim_start_matches('#')).is_some(),
            "{name}"
        );
    }
}

fn references(value: &Value, names: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            names.extend(
                object
                    .get("$ref")
                    .and_then(Value::as_str)
                    .map(str::to_owned),
            );
            object.values().for_each(|value| references(value, names));
        }
        Value::Array(values) => values.iter().for_each(|value| references(value, names)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[tokio::test]
async fn a_required_field_that_is_missing_is_asked_for_by_name() {
    let api = start().await;
    let description = openapi();
    let id = api.relay("required").await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let mut asked = 0;
    for (name, operation) in operations(&description) {
        let body = &operation["requestBody"]["content"]["application/json"]["schema"];
        let Some(reference) = body["$ref"].as_str() else {
            continue;
        };
        let schema = description
            .pointer(reference.trim_start_matches('#'))
            .unwrap();
        let required = schema["required"].as_array().cloned().unwrap_or_default();
        if required.is_empty() {
            continue;
        }
        let (method, path) = name.split_once(' ').unwrap();
        let path = path
            .replace("{id}", &id)
            .replace("{pubkey}", &api.owner.public_key().to_hex());
        let reply = api
            .call(&method.to_uppercase(), path)
            .signing(&api.admin)
            .send()
            .await;

        assert_eq!(reply.outcome(), (422, "field-required"), "{name}");
        assert!(
            required.contains(&reply.json["field"]),
            "{name}: {}",
            reply.json
        );
        asked += 1;
    }
    assert!(asked > 5);
}

#[tokio::test]
async fn every_parameter_of_a_query_is_read_and_lists_of_operators_read_no_other() {
    let api = start().await;
    let description = openapi();
    let id = api.relay("asked").await["id"].as_str().unwrap().to_owned();
    for (name, operation) in operations(&description) {
        let Some(path) = name.strip_prefix("get ") else {
            continue;
        };
        let path = path
            .replace("{id}", &id)
            .replace("{pubkey}", &api.owner.public_key().to_hex());
        let parameters = operation["parameters"].as_array().unwrap();
        let query = parameters
            .iter()
            .filter(|parameter| parameter["in"] == "query");
        for parameter in query {
            let parameter = parameter["name"].as_str().unwrap();
            let known = api.get(format!("{path}?{parameter}=")).signing(&api.admin);
            assert_eq!(known.send().await.status, 200, "{name}: {parameter}");
            if path.starts_with("/operator") {
                let misspelt = api.get(format!("{path}?{parameter}x=")).signing(&api.admin);
                let reply = misspelt.send().await;
                assert_eq!(
                    reply.outcome(),
                    (422, "filter-invalid"),
                    "{name}: {parameter}"
                );
            }
        }
    }
}

#[tokio::test]
async fn the_page_needs_nothing_from_elsewhere() {
    let api = start_empty(&[]).await;

    let answer = api.get("/docs").send_raw().await;

    let policy = answer.headers()["content-security-policy"]
        .to_str()
        .unwrap()
        .to_owned();
    assert!(policy.starts_with("default-src 'none'"), "{policy}");
    let page = answer.text().await.unwrap();
    assert!(page.contains("openapi.json"));
    for outside in ["http://", "https://", "src="] {
        assert!(!page.contains(outside), "{outside}");
    }
}
