//! `/relays/{id}/members`: who belongs to a relay.

use serde::Serialize;
use shared::domain::Pubkey;
use utoipa::ToSchema;

use crate::access::{OwnerOrAdmin, RelayAccess};
use crate::data::Data;
use crate::error::{ApiError, MEMBERS_UNAVAILABLE};
use crate::route::Route;
use crate::state::ApiState;

pub(super) fn routes() -> Vec<Route> {
    vec![Route::get("/relays/{id}/members", OwnerOrAdmin, list).refusing(&[MEMBERS_UNAVAILABLE])]
}

/// Who belongs to a relay.
#[derive(Serialize, ToSchema)]
struct MemberList {
    /// Their keys, sorted; none before zooid has accepted the relay.
    members: Vec<Pubkey>,
}

async fn list(state: ApiState, relay: RelayAccess, (): ()) -> Result<Data<MemberList>, ApiError> {
    let members = state.members().of(&relay.into_relay()).await?;
    Ok(Data::ok(MemberList { members }))
}
