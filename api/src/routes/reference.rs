//! `/openapi.json` and `/docs`: what this server can be asked, for programs and for people.
//!
//! Invariant: the routes are those of the route table and the codes those of the errors, so neither can be missing. What a
//! route answers is said once, in the API reference, and read from there; tests hold the reference to the table.

use std::sync::LazyLock;

use axum::response::{Html, IntoResponse, Response};
use http::header::CONTENT_SECURITY_POLICY;
use http::{HeaderValue, Method, StatusCode};
use serde_json::{Map, Value, json};

use super::{Entry, table};
use crate::access::{Access, Anybody, Public};
use crate::data::{self, Answer};
use crate::error::{ApiError, CODES};
use crate::route::Route;
use crate::state::ApiState;

/// The API reference, whose tables say what each route answers.
const REFERENCE: &str = include_str!("../../../docs/http-api.md");

/// The page that shows the description: it asks for nothing but `openapi.json`.
const PAGE: &str = include_str!("reference.html");

/// What the page may do: run what it brings, and ask us.
const PAGE_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; frame-ancestors 'none'",
);

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/openapi.json", Public, describe),
        Route::get("/docs", Public, browse),
    ]
}

/// The description, which is no answer in an envelope: tools expect it bare.
struct Description;

impl Answer for Description {}

impl IntoResponse for Description {
    fn into_response(self) -> Response {
        static TEXT: LazyLock<Vec<u8>> = LazyLock::new(|| openapi().to_string().into_bytes());
        data::json(StatusCode::OK, TEXT.clone())
    }
}

async fn describe(_: ApiState, _: Anybody, (): ()) -> Result<Description, ApiError> {
    Ok(Description)
}

struct Page;

impl Answer for Page {}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        ([(CONTENT_SECURITY_POLICY, PAGE_POLICY)], Html(PAGE)).into_response()
    }
}

async fn browse(_: ApiState, _: Anybody, (): ()) -> Result<Page, ApiError> {
    Ok(Page)
}

/// The description by `OpenAPI` 3.1.
fn openapi() -> Value {
    let mut paths = Map::new();
    for entry in table() {
        let path = paths
            .entry(entry.path.replace("{*", "{"))
            .or_insert_with(|| Value::Object(Map::new()));
        path[entry.method.as_str().to_ascii_lowercase()] = operation(&entry);
    }
    let codes: Vec<&str> = CODES.iter().map(|code| code.code).collect();
    let meanings: Map<String, Value> = CODES
        .iter()
        .map(|code| {
            let meaning = json!({"status": code.status.as_u16(), "meaning": code.meaning});
            (code.code.to_owned(), meaning)
        })
        .collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Caravel",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Hosted Nostr relays. Every success is `{\"data\": ..., \"code\": \"ok\"}`, every failure has a sentence and a code.",
        },
        "servers": [{"url": "."}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "nip98": {
                    "type": "http",
                    "scheme": "Nostr",
                    "description": "NIP-98: `Authorization: Nostr <base64 of a signed event of kind 27235>`.",
                },
                "metrics": {"type": "http", "scheme": "bearer"},
                "dashboard": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": "caravel_session",
                    "description": "Signed in at the dashboard. Changes need its `csrf` as `X-CSRF-Token`.",
                },
            },
            "schemas": {
                "Error": {
                    "type": "object",
                    "required": ["error", "code"],
                    "properties": {
                        "error": {"type": "string", "description": "A sentence for a person."},
                        "code": {"type": "string", "enum": codes},
                        "field": {"type": "string", "description": "The field at fault, where one is."},
                        "affected": {"type": "integer"},
                    },
                    "x-codes": meanings,
                },
            },
        },
    })
}

fn operation(entry: &Entry) -> Value {
    let parameters: Vec<Value> = entry
        .path
        .split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
        .map(|name| {
            // OpenAPI has no word for "and all that follows".
            let name = name.trim_start_matches('*');
            let schema = json!({"type": "string"});
            json!({"name": name, "in": "path", "required": true, "schema": schema})
        })
        .collect();
    let security = match entry.access {
        Access::Public => json!([]),
        Access::MetricsToken => json!([{"metrics": []}]),
        Access::Signed
        | Access::TenantOrAdmin
        | Access::OwnerOrAdmin
        | Access::Admin
        | Access::SignIn => json!([{"nip98": []}]),
        Access::Operator | Access::OperatorRead => json!([{"nip98": []}, {"dashboard": []}]),
        Access::SignedIn => json!([{"dashboard": []}]),
    };
    let mut operation = json!({
        "summary": summary(entry),
        "description": format!("For {}.", entry.access),
        "tags": [entry.path.split('/').nth(1).unwrap_or_default()],
        "parameters": parameters,
        "security": security,
        "responses": {
            "2XX": {"description": "Done.", "content": success(entry)},
            "default": {
                "description": "Not done.",
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
            },
        },
    });
    if matches!(entry.method, Method::POST | Method::PUT) {
        operation["requestBody"] = json!({
            "required": false,
            "content": {"application/json": {"schema": {"type": "object"}}},
        });
    }
    operation
}

/// What a success looks like.
fn success(entry: &Entry) -> Value {
    let text = json!({"schema": {"type": "string"}});
    match entry.path {
        "/metrics" => json!({"application/openmetrics-text": text}),
        "/openapi.json" => json!({"application/json": {"schema": {"type": "object"}}}),
        "/docs" | "/dashboard" | "/dashboard/{*view}" => json!({"text/html": text}),
        "/dashboard/assets/{*file}" => json!({"*/*": {}}),
        path if path.ends_with("/events") => json!({"text/event-stream": text}),
        _ => {
            let data = json!({"description": summary(entry)});
            let code = json!({"const": "ok"});
            let schema = json!({
                "type": "object",
                "required": ["data", "code"],
                "properties": {"data": data, "code": code},
            });
            json!({"application/json": {"schema": schema}})
        }
    }
}

/// What the reference says that the route answers; empty where it does not, which a test refuses.
fn summary(entry: &Entry) -> &'static str {
    let row = format!("| `{} {}` | {} | ", entry.method, entry.path, entry.access);
    REFERENCE
        .lines()
        .find_map(|line| line.strip_prefix(&row)?.strip_suffix(" |"))
        .unwrap_or_default()
}
