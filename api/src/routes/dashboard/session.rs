//! Signing in at the dashboard, by a signature or by a one-time link, and out.

use chrono::{DateTime, Utc};
use http::HeaderValue;
use http::header::{CACHE_CONTROL, SET_COOKIE};
use serde::Serialize;
use shared::crypto::SecretText;
use shared::domain::{DashboardSession, LinkInput, Pubkey, SessionScope};
use utoipa::ToSchema;

use crate::access::{Anybody, Public, SignIn, SignInAccess, SignedIn, SignedInAccess};
use crate::auth::{OurPage, cookie, cookie_that_ends, role_of};
use crate::body::Json;
use crate::data::Data;
use crate::error::{ApiError, FORBIDDEN, LINK_INVALID};
use crate::role::Role;
use crate::route::Route;
use crate::state::ApiState;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/dashboard/session", SignedIn, show),
        Route::post("/dashboard/session", SignIn, sign_in),
        Route::post("/dashboard/session/link", Public, sign_in_by_link)
            .refusing(&[LINK_INVALID, FORBIDDEN]),
        Route::delete("/dashboard/session", SignedIn, sign_out),
    ]
}

/// Somebody's session, as their page sees it.
#[derive(Serialize, ToSchema)]
struct SessionView {
    /// Who is signed in.
    pubkey: Pubkey,
    /// What they may do now.
    role: Role,
    /// What changes need in `X-CSRF-Token`.
    csrf: String,
    /// Unix milliseconds.
    expires_at: i64,
}

impl SessionView {
    fn new(state: &ApiState, token: &SecretText, session: DashboardSession, role: Role) -> Self {
        Self {
            pubkey: session.pubkey,
            role,
            csrf: state.command().csrf_token(token),
            expires_at: session.expires_at.timestamp_millis(),
        }
    }
}

async fn show(
    state: ApiState,
    access: SignedInAccess,
    (): (),
) -> Result<Data<SessionView>, ApiError> {
    let signed_in = access.into_session();
    Ok(private(SessionView::new(
        &state,
        &signed_in.token,
        signed_in.who,
        signed_in.role,
    )))
}

async fn sign_in(
    state: ApiState,
    access: SignInAccess,
    (): (),
) -> Result<Data<SessionView>, ApiError> {
    begin(&state, access.into_pubkey(), SessionScope::Configured).await
}

async fn sign_in_by_link(
    state: ApiState,
    _: Anybody,
    (_, Json(input)): (OurPage, Json<LinkInput>),
) -> Result<Data<SessionView>, ApiError> {
    let link = state.command().take_login_link(&input.token).await?;
    let link = link.ok_or(ApiError::LinkInvalid)?;
    begin(&state, link.pubkey, link.scope).await
}

async fn sign_out(
    state: ApiState,
    access: SignedInAccess,
    (): (),
) -> Result<Data<Empty>, ApiError> {
    let token = access.into_session().token;
    state.command().sign_out(&token).await?;
    Ok(with_cookie(
        private(Empty {}),
        cookie_that_ends(state.base_url()),
    ))
}

/// Nothing more to say.
#[derive(Serialize, ToSchema)]
struct Empty {}

async fn begin(
    state: &ApiState,
    pubkey: Pubkey,
    scope: SessionScope,
) -> Result<Data<SessionView>, ApiError> {
    let now: DateTime<Utc> = state.clock().now();
    // A key that lost its role since its link was made begins no session.
    state.role(&pubkey).ok_or(ApiError::Forbidden)?;
    let lifetime = state.session_lifetime();
    let begun = state.command().sign_in(pubkey, scope, lifetime).await?;
    let role = role_of(state, &begun.session).ok_or(ApiError::Forbidden)?;
    let cookie = cookie(
        state.base_url(),
        &begun.token,
        now,
        begun.session.expires_at,
    );
    let view = SessionView::new(state, &begun.token, begun.session, role);
    Ok(with_cookie(private(view), cookie))
}

/// Nobody on the way may keep it.
fn private<T: Serialize>(value: T) -> Data<T> {
    Data::ok(value).with(CACHE_CONTROL, HeaderValue::from_static("no-store"))
}

fn with_cookie<T: Serialize>(data: Data<T>, cookie: Option<HeaderValue>) -> Data<T> {
    match cookie {
        Some(cookie) => data.with(SET_COOKIE, cookie),
        None => data,
    }
}
