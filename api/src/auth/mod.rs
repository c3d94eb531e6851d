//! Authentication: from a request to the key that signed it.

mod nip98;
mod session;
mod verified;

use axum::extract::Request;

pub use nip98::{Form, Rejection};
pub use session::{Session, cookie, cookie_that_ends, of_cookie, role_of};
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

/// Finds out who signed `request`. Its body is read only when it was signed too, and is put back.
///
/// # Errors
/// [`ApiError::Unauthorized`] whatever is wrong with the proof; an error of the body when it cannot be read.
pub async fn authenticate(state: &ApiState, request: &mut Request) -> Result<Identity, ApiError> {
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
    match state.auth().mode {
        AuthMode::Compatible => {}
        AuthMode::Strict => {
            let used = state.command().use_event(signer.event, signer.expires_at);
            if !used.await? {
                return Err(ApiError::Unauthorized(Rejection::Used));
            }
        }
    }
    Ok(Identity {
        pubkey: signer.pubkey,
        form: signer.form,
    })
}
