//! `/relays/{id}/members`: who belongs to a relay.

use serde::Serialize;
use shared::domain::Pubkey;

use crate::access::{OwnerOrAdmin, RelayAccess};
use crate::data::Data;
use crate::error::ApiError;
use crate::route::Route;
use crate::state::ApiState;

pub(super) fn routes() -> Vec<Route> {
    vec![Route::get("/relays/{id}/members", OwnerOrAdmin, list)]
}

#[derive(Serialize)]
struct MemberList {
    members: Vec<Pubkey>,
}

async fn list(state: ApiState, relay: RelayAccess, (): ()) -> Result<Data<MemberList>, ApiError> {
    let members = state.members().of(&relay.into_relay()).await?;
    Ok(Data::ok(MemberList { members }))
}
