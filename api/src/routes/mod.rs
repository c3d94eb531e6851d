//! All routes, one file for each group of endpoints.

mod billing;
mod dashboard;
mod events;
mod health;
mod identity;
mod members;
mod operator;
mod operator_actions;
mod plans;
mod reference;
mod relay_sync;
mod relays;
mod tenants;

use axum::Router;
use axum::response::{IntoResponse as _, Response};
use http::Method;
use tower_http::catch_panic::CatchPanicLayer;

pub use crate::access::Access;
pub use reference::openapi;

use crate::compression;
use crate::cors;
use crate::error::ApiError;
use crate::limits;
use crate::route::Route;
use crate::state::ApiState;
use crate::trace;

/// A route as data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The verb.
    pub method: Method,
    /// The path, with parameters in braces.
    pub path: &'static str,
    /// Who may call it.
    pub access: Access,
}

/// Every route there is: [`router`] has these and no others.
#[must_use]
pub fn table() -> Vec<Entry> {
    routes()
        .into_iter()
        .map(|route| Entry {
            method: route.method,
            path: route.path,
            access: route.access,
        })
        .collect()
}

/// The API as a service, to be served or embedded.
pub fn router(state: ApiState) -> Router {
    routes()
        .into_iter()
        .fold(Router::new(), |router, route| {
            router.route(route.path, route.handler)
        })
        .fallback(async || ApiError::NotFound("route"))
        .method_not_allowed_fallback(async || ApiError::MethodNotAllowed)
        .layer(CatchPanicLayer::custom(|_| -> Response {
            ApiError::Panicked.into_response()
        }))
        .layer(compression::layer())
        .layer(axum::middleware::from_fn_with_state(
            state.clone(),
            limits::enforce,
        ))
        .layer(cors::layer(state.allow_origins()))
        .layer(axum::middleware::from_fn_with_state(
            state.clone(),
            trace::observe,
        ))
        .with_state(state)
}

fn routes() -> Vec<Route> {
    [
        health::routes(),
        reference::routes(),
        plans::routes(),
        identity::routes(),
        tenants::routes(),
        relays::routes(),
        relay_sync::routes(),
        members::routes(),
        billing::routes(),
        operator::routes(),
        operator_actions::routes(),
        events::routes(),
        dashboard::routes(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
