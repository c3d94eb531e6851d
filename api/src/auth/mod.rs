//! Authentication: from a request to the key that signed it.

mod nip98;
mod session;
mod verified;

use axum::extract::Request;

pub use nip98::{Form, Rejection};
pub use session::{OurPage, Session, cookie, cookie_that_ends, of_cookie, role_of};
pub use verified::VerifiedTokens;

use crate::body;
use crate::error::ApiError;
use crate::state::ApiState;
use shared::config::AuthMode;
use shared::domain::Pubkey;

/// Somebody who proved to hold a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The key.
    pub pubkey: Pubkey,
    /// How they proved it.
    pub form: Form,
}

/// How often one event that was signed for a request is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Uses {
    /// Until it is too old, as clients expect who repeat what got no answer; once in strict mode.
    UntilTooOld,
    /// Once.
    Once,
}

/// Finds out who signed `request`, whose event is `accepted` so often. The body is read only when it was signed too, and is
/// put back.
///
/// # Errors
/// [`ApiError::Unauthorized`] whatever is wrong with the proof; an error of the body when it cannot be read.
pub async fn authenticate(
    state: &ApiState,
    request: &mut Request,
    accepted: Uses,
) -> Result<Identity, ApiError> {
    let uri = request.uri();
    let target = nip98::Target {
        method: request.method(),
        path_and_query: uri
            .path_and_query()
            .map_or(uri.path(), |both| both.as_str()),
    };
    let signer = nip98::verify(
        request.headers(),
        target,
        state.base_url(),
        state.auth(),
        state.clock().now(),
        state.verified(),
    )
    .map_err(ApiError::Unauthorized)?;
    if let Some(payload) = &signer.payload {
        let bytes = body::read(std::mem::take(request.body_mut())).await?;
        if !nip98::is_payload(payload, &bytes) {
            return Err(ApiError::Unauthorized(Rejection::Payload));
        }
        *request.body_mut() = bytes.into();
    }
    // Before anything is written for it.
    state
        .limits()
        .count_key(&signer.pubkey, state.clock().monotonic())?;
    let counts_once = match (state.auth().mode, signer.form, accepted) {
        (AuthMode::Strict, _, _) | (AuthMode::Compatible, Form::Request, Uses::Once) => true,
        // The event of a session is for many requests, and opens nothing where each counts once.
        (AuthMode::Compatible, Form::Session, _)
        | (AuthMode::Compatible, Form::Request, Uses::UntilTooOld) => false,
    };
    if counts_once {
        let using = state.command().use_event(signer.event, signer.expires_at);
        if !using.await? {
            return Err(ApiError::Unauthorized(Rejection::Used));
        }
    }
    Ok(Identity {
        pubkey: signer.pubkey,
        form: signer.form,
    })
}
