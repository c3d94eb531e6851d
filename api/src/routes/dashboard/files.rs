//! The page itself: the files under `api/dashboard`, compiled in.
//!
//! Invariant: the page needs nothing but this server, and is told so: its policy allows no other origin, no inline script,
//! and no frame around it.

use std::convert::Infallible;
use std::str::FromStr;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderName, StatusCode};
use rust_embed::{EmbeddedFile, RustEmbed};
use serde_json::{Map, Value, json};

use crate::access::{Anybody, Public};
use crate::conditions::IfNoneMatch;
use crate::data::Answer;
use crate::description::Operation;
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
        Route::get("/dashboard/{*view}", Public, view),
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
    const MEANING: &'static str = "The file, folders included.";
    const PATTERN: &'static str = "^.+$";
}

async fn page(_: ApiState, _: Anybody, known: IfNoneMatch) -> Result<Asset, ApiError> {
    Asset::of(PAGE, &known)
}

/// The page reads its own address.
async fn view(
    state: ApiState,
    anybody: Anybody,
    (_, known): (PathParam<FileName>, IfNoneMatch),
) -> Result<Asset, ApiError> {
    page(state, anybody, known).await
}

async fn file(
    _: ApiState,
    _: Anybody,
    (PathParam(FileName(name)), known): (PathParam<FileName>, IfNoneMatch),
) -> Result<Asset, ApiError> {
    Asset::of(&name, &known)
}

/// A file, or that the browser has it already.
struct Asset {
    file: EmbeddedFile,
    media_type: &'static str,
    etag: String,
    is_known: bool,
}

impl Asset {
    fn of(name: &str, known: &IfNoneMatch) -> Result<Self, ApiError> {
        let file = Files::get(name).ok_or(ApiError::NotFound("file"))?;
        // Weak, for the bytes on the wire are compressed or not, as the browser likes.
        let etag = format!("W/\"{}\"", hex::encode(file.metadata.sha256_hash()));
        let is_known = known.has(&etag);
        Ok(Self {
            file,
            media_type: media_type(name),
            etag,
            is_known,
        })
    }
}

impl Answer for Asset {
    fn describe(operation: &mut Operation<'_>) {
        let text = json!({"schema": {"type": "string"}});
        let content: Map<String, Value> = MEDIA_TYPES
            .into_iter()
            .map(|media_type| (media_type.to_owned(), text.clone()))
            .collect();
        operation.succeeds(StatusCode::OK, content.into());
        operation.tells(&ETAG, "For `If-None-Match`.");
    }
}

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

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const PICTURE: &str = "image/svg+xml";
/// Licences and checksums.
const TEXT: &str = "text/plain; charset=utf-8";

/// What files there are.
const MEDIA_TYPES: [&str; 5] = [HTML, SCRIPT, STYLE, PICTURE, TEXT];

fn media_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => HTML,
        Some("js") => SCRIPT,
        Some("css") => STYLE,
        Some("svg") => PICTURE,
        Some(_) | None => TEXT,
    }
}
