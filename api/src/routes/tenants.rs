//! `/tenants`: the people who own relays.

use shared::domain::{CreateTenantInput, Relay, Tenant, UpdateTenantInput, ValidationError};
use shared::repositories::relay::RelayFilter;
use shared::repositories::tenant::{TenantCursor, TenantFilter};

use crate::access::{Admin, AdminAccess, Caller, Signed, TenantAccess, TenantOrAdmin};
use crate::body::Json;
use crate::data::{Data, Paged};
use crate::error::ApiError;
use crate::filters::Filters;
use crate::page::{OLDEST_FIRST, PageQuery};
use crate::query::{Query, QueryInput, Unknown};
use crate::route::Route;
use crate::state::ApiState;

use super::relays::{self, OfOneTenant};

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
    (page, Query(filter)): (PageQuery, Query<TenantFilter>),
) -> Result<Paged<Vec<Tenant>>, ApiError> {
    let wanted = page.read(OLDEST_FIRST)?;
    let tenants = state.query().list_tenants(&filter, &wanted.page).await?;
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
    (page, Query(OfOneTenant(filter))): (PageQuery, Query<OfOneTenant>),
) -> Result<Paged<Vec<Relay>>, ApiError> {
    let filter = RelayFilter {
        tenant: Some(tenant.into_pubkey()),
        ..filter
    };
    relays::list_of(&state, &filter, &page).await
}

impl QueryInput for TenantFilter {
    const UNKNOWN: Unknown = Unknown::Ignored;

    fn read(filters: &mut Filters) -> Result<Self, ValidationError> {
        Ok(Self {
            nwc_is_set: filters.flag("nwc_is_set")?,
            past_due: filters.flag("past_due")?,
            churned: filters.flag("churned")?,
        })
    }
}
