//! Cross-origin calls: web apps on other hosts are the API's main clients.

use std::time::Duration;

use http::header::{
    AUTHORIZATION, CONTENT_TYPE, ETAG, HeaderName, IF_MATCH, LINK, LOCATION, RETRY_AFTER,
};
use http::{HeaderValue, Method};
use shared::config::AllowOrigins;
use tower_http::cors::{AllowOrigin, CorsLayer};

/// How long a browser may remember what it is allowed to do, and save itself the question before each call.
const MAX_AGE: Duration = Duration::from_mins(10);

/// The layer that answers preflight requests, unsigned as they come, and marks the answers for allowed origins.
pub fn layer(origins: &AllowOrigins) -> CorsLayer {
    let origins = match origins {
        AllowOrigins::Any => AllowOrigin::any(),
        AllowOrigins::Only(list) => AllowOrigin::list(
            list.iter()
                .filter_map(|origin| HeaderValue::from_str(origin).ok()),
        ),
    };
    CorsLayer::new()
        .allow_origin(origins)
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE])
        .allow_headers([
            AUTHORIZATION,
            CONTENT_TYPE,
            IF_MATCH,
            HeaderName::from_static("idempotency-key"),
            HeaderName::from_static("last-event-id"),
            HeaderName::from_static("prefer"),
        ])
        .expose_headers([ETAG, LINK, LOCATION, RETRY_AFTER])
        .max_age(MAX_AGE)
}
