//! `/openapi.json` and `/docs`: what this server can be asked, for programs and for people.
//!
//! Invariant: the routes are those that are served, what they take and answer is what the types of their handlers say, and
//! the codes are those of the errors, so nothing can be missing. What a route is for is said once, in the API reference, and
//! read from there; tests hold the reference to the table.

use std::sync::LazyLock;

use axum::response::{Html, IntoResponse, Response};
use http::header::CONTENT_SECURITY_POLICY;
use http::{HeaderValue, StatusCode};
use serde_json::{Map, Value, json};

use crate::access::{Access, Anybody, Public};
use crate::data::{self, Answer};
use crate::description::{Operation, Schemas};
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

impl Answer for Description {
    fn describe(operation: &mut Operation<'_>) {
        let content = json!({"application/json": {"schema": {"type": "object"}}});
        operation.succeeds(StatusCode::OK, content);
    }
}

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

impl Answer for Page {
    fn describe(operation: &mut Operation<'_>) {
        let content = json!({"text/html; charset=utf-8": {"schema": {"type": "string"}}});
        operation.succeeds(StatusCode::OK, content);
    }
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        ([(CONTENT_SECURITY_POLICY, PAGE_POLICY)], Html(PAGE)).into_response()
    }
}

async fn browse(_: ApiState, _: Anybody, (): ()) -> Result<Page, ApiError> {
    Ok(Page)
}

/// The description by `OpenAPI` 3.1 (<https://spec.openapis.org/oas/v3.1.1.html>).
#[must_use]
pub fn openapi() -> Value {
    let mut schemas = Schemas::default();
    let mut paths = Map::new();
    for route in super::routes() {
        let path = paths
            .entry(route.path.replace("{*", "{"))
            .or_insert_with(|| Value::Object(Map::new()));
        path[route.method.as_str().to_ascii_lowercase()] = operation(&route, &mut schemas);
    }
    let paths = Value::Object(paths);
    let mut named = schemas.named(&paths);
    named.insert("Error".to_owned(), error());
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
            "schemas": named,
        },
    })
}

/// The envelope of failure.
fn error() -> Value {
    let codes: Vec<&str> = CODES.iter().map(|code| code.code).collect();
    let meanings: Map<String, Value> = CODES
        .iter()
        .map(|code| {
            let meaning = json!({"status": code.status.as_u16(), "meaning": code.meaning});
            (code.code.to_owned(), meaning)
        })
        .collect();
    json!({
        "type": "object",
        "description": "Why a request was not carried out.",
        "required": ["error", "code"],
        "properties": {
            "error": {"type": "string", "minLength": 1, "description": "A sentence for a person."},
            "code": {"type": "string", "enum": codes, "description": "For programs; it does not change."},
            "field": {"type": "string", "description": "The field at fault, where one is."},
            "affected": {"type": "integer", "description": "How many relays match by now, where that is why."},
        },
        "x-codes": meanings,
    })
}

fn operation(route: &Route, schemas: &mut Schemas) -> Value {
    let mut described = Operation::new(schemas, &route.method, route.path);
    (route.describe)(&mut described);
    described.may_refuse(route.refusals);
    let mut operation = described.finish();
    let security = match route.access {
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
    let tag = route.path.split('/').nth(1).unwrap_or_default();
    operation.extend([
        ("summary".to_owned(), summary(route).into()),
        (
            "description".to_owned(),
            format!("For {}.", route.access).into(),
        ),
        ("tags".to_owned(), json!([tag])),
        ("security".to_owned(), security),
    ]);
    operation.into()
}

/// What the reference says that the route answers; empty where it does not, which a test refuses.
fn summary(route: &Route) -> &'static str {
    let row = format!("| `{} {}` | {} | ", route.method, route.path, route.access);
    REFERENCE
        .lines()
        .find_map(|line| line.strip_prefix(&row)?.strip_suffix(" |"))
        .unwrap_or_default()
}
