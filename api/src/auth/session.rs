//! The dashboard's sessions: a cookie that scripts cannot read, and a token that other sites cannot know.
//!
//! Invariant: a cookie alone changes nothing. Browsers send it with whatever a page of another site asks for, as long as the
//! two share a domain; the token in `X-CSRF-Token` only our own page can have read. Nor does a page of another site begin a
//! session.

use axum::extract::FromRequestParts;
use chrono::{DateTime, Utc};
use http::header::{COOKIE, ORIGIN};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use shared::config::BaseUrl;
use shared::crypto::SecretText;
use shared::domain::{DashboardSession, SessionScope};

use crate::auth::Rejection;
use crate::description::{Input, Operation};
use crate::error::{ApiError, CSRF};
use crate::role::Role;
use crate::state::ApiState;

/// The header with the session's token.
const CSRF_HEADER: HeaderName = HeaderName::from_static("x-csrf-token");

/// What a browser knows of where a request comes from.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Somebody who is signed in at the dashboard.
#[derive(Debug)]
pub struct Session {
    /// What their cookie holds.
    pub token: SecretText,
    /// Who, and until when.
    pub who: DashboardSession,
    /// What they may do now.
    pub role: Role,
}

/// Finds out whose session the request's cookie is of. What would change something must come from our own page.
///
/// # Errors
/// [`ApiError::Unauthorized`] without a session that is still on, of a key that still has a role; [`ApiError::Csrf`].
pub async fn of_cookie(
    state: &ApiState,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Session, ApiError> {
    let nobody = || ApiError::Unauthorized(Rejection::NobodySignedIn);
    let token = token(headers, state.base_url()).ok_or_else(nobody)?;
    let session = state.command().find_session(&token).await?;
    let session = session.ok_or_else(nobody)?;
    let role = role_of(state, &session).ok_or_else(nobody)?;
    if !method.is_safe() {
        check_is_our_page(state, headers)?;
        let csrf = headers.get(CSRF_HEADER).map(HeaderValue::as_bytes);
        if !csrf.is_some_and(|csrf| state.command().is_csrf_token(&token, csrf)) {
            return Err(ApiError::Csrf);
        }
    }
    Ok(Session {
        token,
        who: session,
        role,
    })
}

/// What the session may do: what its key may do by now, or less. `None` when that is nothing any more.
pub fn role_of(state: &ApiState, session: &DashboardSession) -> Option<Role> {
    let role = state.role(&session.pubkey)?;
    Some(match session.scope {
        SessionScope::Configured => role,
        SessionScope::Readonly => Role::Readonly,
    })
}

/// The request does not come from a page of another site: such a page must neither use a session nor begin one, which
/// would have people work in somebody else's name without knowing.
#[derive(Debug)]
pub struct OurPage(());

impl Input for OurPage {
    fn describe(operation: &mut Operation<'_>) {
        operation.may_refuse(&[CSRF]);
    }
}

impl FromRequestParts<ApiState> for OurPage {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, ApiError> {
        check_is_our_page(state, &parts.headers).map(|()| Self(()))
    }
}

/// Browsers say where a request comes from (<https://fetch.spec.whatwg.org/#origin-header>,
/// <https://w3c.github.io/webappsec-fetch-metadata/>); what is no browser says nothing.
fn check_is_our_page(state: &ApiState, headers: &HeaderMap) -> Result<(), ApiError> {
    let ours = state.base_url().url().origin().ascii_serialization();
    let mut origins = headers.get_all(ORIGIN).iter();
    let mut sites = headers.get_all(SEC_FETCH_SITE).iter();
    let is_ours = origins.all(|origin| origin.as_bytes() == ours.as_bytes())
        && sites.all(|site| matches!(site.as_bytes(), b"same-origin" | b"none"));
    if is_ours { Ok(()) } else { Err(ApiError::Csrf) }
}

/// The cookie that holds `token` until `expires_at`.
pub fn cookie(
    base: &BaseUrl,
    token: &SecretText,
    now: DateTime<Utc>,
    expires_at: DateTime<Utc>,
) -> Option<HeaderValue> {
    let seconds = (expires_at - now).num_seconds();
    set_cookie(base, token.expose(), seconds)
}

/// The cookie that makes a browser forget its own.
pub fn cookie_that_ends(base: &BaseUrl) -> Option<HeaderValue> {
    set_cookie(base, "", 0)
}

fn set_cookie(base: &BaseUrl, value: &str, seconds: i64) -> Option<HeaderValue> {
    let name = cookie_name(base);
    let secure = if is_https(base) { "; Secure" } else { "" };
    let text =
        format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    let mut header = HeaderValue::from_str(&text).ok()?;
    header.set_sensitive(true);
    Some(header)
}

fn token(headers: &HeaderMap, base: &BaseUrl) -> Option<SecretText> {
    let name = cookie_name(base);
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|header| header.to_str().ok())
        .flat_map(|header| header.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, token)| SecretText::new(token))
}

/// Over TLS the name keeps other hosts of the domain from setting it (RFC 6265bis, section 4.1.3.2).
fn cookie_name(base: &BaseUrl) -> &'static str {
    if is_https(base) {
        "__Host-caravel_session"
    } else {
        "caravel_session"
    }
}

fn is_https(base: &BaseUrl) -> bool {
    base.url().scheme() == "https"
}
