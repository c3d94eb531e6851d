//! The page itself: the files under `api/dashboard`, compiled in.
//!
//! Invariant: the page needs nothing but this server, and is told so: its policy allows no other origin, no inline script,
//! and no frame around it.

use std::convert::Infallible;
use std::str::FromStr;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, StatusCode};
use rust_embed::{EmbeddedFile, RustEmbed};

use crate::access::{Anybody, Public};
use crate::data::Answer;
use crate::error::ApiError;
use crate::path::{PathKey, PathParam};
use crate::route::Route;
use crate::state::ApiState;

/// What the page may do (<https://www.w3.org/TR/CSP3/>).
const POLICY: &str = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'";

/// The page; scripts decide what it shows.
const PAGE: &str = "index.html";

#[derive(RustEmbed)]
#[folder = "dashboard/"]
struct Files;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/dashboard", Public, page),
        Route::get("/dashboard/{*view}", Public, page),
        Route::get("/dashboard/assets/{*file}", Public, file),
    ]
}

/// The name of a file, folders included.
struct FileName(String);

impl FromStr for FileName {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}

impl PathKey for FileName {
    const ENTITY: &'static str = "file";
}

async fn page(_: ApiState, _: Anybody, headers: HeaderMap) -> Result<Asset, ApiError> {
    Asset::of(PAGE, &headers)
}

async fn file(
    _: ApiState,
    _: Anybody,
    (PathParam(FileName(name)), headers): (PathParam<FileName>, HeaderMap),
) -> Result<Asset, ApiError> {
    Asset::of(&name, &headers)
}

/// A file, or that the browser has it already.
struct Asset {
    file: EmbeddedFile,
    media_type: &'static str,
    etag: String,
    is_known: bool,
}

impl Asset {
    fn of(name: &str, headers: &HeaderMap) -> Result<Self, ApiError> {
        let file = Files::get(name).ok_or(ApiError::NotFound("file"))?;
        // Weak, for the bytes on the wire are compressed or not, as the browser likes.
        let etag = format!("W/\"{}\"", hex::encode(file.metadata.sha256_hash()));
        let known = headers.get_all(IF_NONE_MATCH).iter();
        let is_known = known
            .filter_map(|list| list.to_str().ok())
            .flat_map(|list| list.split(','))
            .any(|known| known.trim() == etag);
        Ok(Self {
            file,
            media_type: media_type(name),
            etag,
            is_known,
        })
    }
}

impl Answer for Asset {}

impl IntoResponse for Asset {
    fn into_response(self) -> Response {
        let (status, body) = if self.is_known {
            (StatusCode::NOT_MODIFIED, Body::empty())
        } else {
            (StatusCode::OK, Body::from(self.file.data))
        };
        let headers: [(HeaderName, &str); 6] = [
            (CONTENT_TYPE, self.media_type),
            (ETAG, &self.etag),
            // Asked for anew each time, and answered without the file when it is still the same.
            (CACHE_CONTROL, "no-cache"),
            (CONTENT_SECURITY_POLICY, POLICY),
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (REFERRER_POLICY, "no-referrer"),
        ];
        (status, headers, body).into_response()
    }
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        // Licences and checksums.
        Some(_) | None => "text/plain; charset=utf-8",
    }
}
