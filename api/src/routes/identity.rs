//! `GET /identity`: who the caller is to us.

use serde::Serialize;
use shared::domain::Pubkey;
use utoipa::ToSchema;

use crate::access::{Caller, Signed};
use crate::data::Data;
use crate::error::ApiError;
use crate::role::Role;
use crate::route::Route;
use crate::state::ApiState;

/// Who the caller is to us.
#[derive(Serialize, ToSchema)]
struct Identity {
    /// Their key.
    pubkey: Pubkey,
    /// Whether they are an admin.
    is_admin: bool,
    /// What they may do as an operator; null for nothing.
    role: Option<Role>,
}

pub(super) fn routes() -> Vec<Route> {
    vec![Route::get("/identity", Signed, show)]
}

async fn show(_: ApiState, caller: Caller, (): ()) -> Result<Data<Identity>, ApiError> {
    Ok(Data::ok(Identity {
        pubkey: caller.pubkey().clone(),
        is_admin: caller.is_admin(),
        role: caller.role(),
    }))
}
