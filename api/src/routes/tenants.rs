//! `/tenants`: the people who own relays.

use shared::domain::{CreateTenantInput, Relay, Tenant, UpdateTenantInput};
use shared::repositories::relay::Presence;
use shared::repositories::tenant::TenantCursor;

use crate::access::{Admin, AdminAccess, Caller, Signed, TenantAccess, TenantOrAdmin};
use crate::body::Json;
use crate::data::Data;
use crate::error::ApiError;
use crate::filters::Filters;
use crate::page::{OLDEST_FIRST, PageQuery};
use crate::route::Route;
use crate::state::ApiState;

use super::relays;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/tenants", Admin, list),
        Route::post("/tenants", Signed, create),
        Route::get("/tenants/{pubkey}", TenantOrAdmin, show),
        Route::put("/tenants/{pubkey}", TenantOrAdmin, update),
        Route::get("/tenants/{pubkey}/relays", TenantOrAdmin, list_relays),
    ]
}

async fn list(
    state: ApiState,
    _: AdminAccess,
    (query, filters): (PageQuery, Filters),
) -> Result<Data<Vec<Tenant>>, ApiError> {
    let wanted = query.read(&filters, OLDEST_FIRST)?;
    let tenants = state.query().list_tenants(&wanted.page).await?;
    Ok(wanted.answer(&state, tenants, |tenant| {
        TenantCursor::of(tenant).to_string()
    }))
}

/// Creates the signer's tenant, or answers the one there is: clients call it at every sign-in, and always read 200.
async fn create(
    state: ApiState,
    caller: Caller,
    Json(input): Json<CreateTenantInput>,
) -> Result<Data<Tenant>, ApiError> {
    let new = input.validate(caller.pubkey().clone())?;
    Ok(Data::ok(state.command().create_tenant(new).await?))
}

async fn show(state: ApiState, tenant: TenantAccess, (): ()) -> Result<Data<Tenant>, ApiError> {
    let pubkey = tenant.into_pubkey();
    Ok(Data::ok(state.query().get_tenant(&pubkey).await?))
}

async fn update(
    state: ApiState,
    tenant: TenantAccess,
    Json(input): Json<UpdateTenantInput>,
) -> Result<Data<Tenant>, ApiError> {
    let change = input.validate()?;
    // Here an unknown tenant is one that the path names: 404. Tenants are never deleted, so there will be one below.
    let tenant = state.query().get_tenant(&tenant.into_pubkey()).await?;
    let updated = state.command().update_tenant(tenant.pubkey, change).await?;
    Ok(Data::ok(updated))
}

/// A tenant who never signed in has no relays, which is no error: clients ask before they create.
async fn list_relays(
    state: ApiState,
    tenant: TenantAccess,
    (query, filters): (PageQuery, Filters),
) -> Result<Data<Vec<Relay>>, ApiError> {
    let tenant = Some(tenant.into_pubkey());
    relays::list_of(&state, tenant, Presence::Present, &query, &filters).await
}
