//! `GET /identity`: who the caller is to us.

use serde::Serialize;
use shared::domain::Pubkey;

use crate::access::{Caller, Signed};
use crate::data::Data;
use crate::error::ApiError;
use crate::role::Role;
use crate::route::Route;
use crate::state::ApiState;

#[derive(Serialize)]
struct Identity {
    pubkey: Pubkey,
    is_admin: bool,
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
