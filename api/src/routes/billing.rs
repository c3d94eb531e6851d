//! What clients ask of billing, and what the billing system, which is not part of Caravel, writes down here.
//!
//! Invariant: what it writes needs the request form, and is on record as an operator's action. Whoever can turn relays off for
//! want of payment rules the fleet.

use serde::Serialize;
use shared::domain::{BillingIdInput, Pubkey, Relay, RelayId, Tenant, WalletErrorInput};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::access::{Operator, OperatorAccess, TenantAccess, TenantOrAdmin};
use crate::body::Json;
use crate::data::Data;
use crate::error::{ApiError, RELAY_REMOVED};
use crate::path::PathParam;
use crate::route::Route;
use crate::state::ApiState;
use crate::trace::RequestTrace;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/tenants/{pubkey}/invoices", TenantOrAdmin, list_invoices),
        Route::get(
            "/tenants/{pubkey}/invoices/draft",
            TenantOrAdmin,
            show_draft,
        ),
        Route::post("/tenants/{pubkey}/reconcile", TenantOrAdmin, reconcile),
        Route::put("/tenants/{pubkey}/past-due", Operator, set_past_due),
        Route::delete("/tenants/{pubkey}/past-due", Operator, clear_past_due),
        Route::put("/tenants/{pubkey}/subscription", Operator, set_subscription),
        Route::delete(
            "/tenants/{pubkey}/subscription",
            Operator,
            clear_subscription,
        ),
        Route::put("/tenants/{pubkey}/nwc-error", Operator, set_nwc_error),
        Route::delete("/tenants/{pubkey}/nwc-error", Operator, clear_nwc_error),
        Route::put("/relays/{id}/delinquent", Operator, mark_delinquent).refusing(&[RELAY_REMOVED]),
        Route::delete("/relays/{id}/delinquent", Operator, settle).refusing(&[RELAY_REMOVED]),
        Route::put(
            "/relays/{id}/subscription-item",
            Operator,
            set_subscription_item,
        )
        .refusing(&[RELAY_REMOVED]),
        Route::delete(
            "/relays/{id}/subscription-item",
            Operator,
            clear_subscription_item,
        )
        .refusing(&[RELAY_REMOVED]),
    ]
}

/// Invoices are the billing system's: here there are none.
#[derive(Serialize, ToSchema)]
#[schema(value_type = Vec<Object>, max_items = 0)]
struct NoInvoices([(); 0]);

/// Nor is there one being drafted: null.
#[derive(Serialize)]
struct NoDraft;

impl PartialSchema for NoDraft {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::Null).into()
    }
}

impl ToSchema for NoDraft {}

/// Clients list them.
async fn list_invoices(_: ApiState, _: TenantAccess, (): ()) -> Result<Data<NoInvoices>, ApiError> {
    Ok(Data::ok(NoInvoices([])))
}

/// Clients look for it.
async fn show_draft(_: ApiState, _: TenantAccess, (): ()) -> Result<Data<NoDraft>, ApiError> {
    Ok(Data::ok(NoDraft))
}

/// Clients ask for it after a payment, and read the tenant as billing has left it.
async fn reconcile(
    state: ApiState,
    tenant: TenantAccess,
    (): (),
) -> Result<Data<Tenant>, ApiError> {
    let pubkey = tenant.into_pubkey();
    Ok(Data::ok(state.query().get_tenant(&pubkey).await?))
}

/// The tenant that a path names: 404 when there is none. Tenants are never deleted, so there still is one when we write.
async fn named(state: &ApiState, PathParam(pubkey): PathParam<Pubkey>) -> Result<Pubkey, ApiError> {
    Ok(state.query().get_tenant(&pubkey).await?.pubkey)
}

async fn set_past_due(
    state: ApiState,
    access: OperatorAccess,
    (tenant, trace): (PathParam<Pubkey>, RequestTrace),
) -> Result<Data<Tenant>, ApiError> {
    let pubkey = named(&state, tenant).await?;
    let by = access.acting(trace);
    let tenant = state.command().set_tenant_past_due(by, pubkey).await?;
    Ok(Data::ok(tenant))
}

async fn clear_past_due(
    state: ApiState,
    access: OperatorAccess,
    (tenant, trace): (PathParam<Pubkey>, RequestTrace),
) -> Result<Data<Tenant>, ApiError> {
    let pubkey = named(&state, tenant).await?;
    let by = access.acting(trace);
    let tenant = state.command().clear_tenant_past_due(by, pubkey).await?;
    Ok(Data::ok(tenant))
}

async fn set_subscription(
    state: ApiState,
    access: OperatorAccess,
    (tenant, trace, Json(input)): (PathParam<Pubkey>, RequestTrace, Json<BillingIdInput>),
) -> Result<Data<Tenant>, ApiError> {
    let pubkey = named(&state, tenant).await?;
    let by = access.acting(trace);
    let tenant = state
        .command()
        .set_tenant_subscription(by, pubkey, input.id)
        .await?;
    Ok(Data::ok(tenant))
}

async fn clear_subscription(
    state: ApiState,
    access: OperatorAccess,
    (tenant, trace): (PathParam<Pubkey>, RequestTrace),
) -> Result<Data<Tenant>, ApiError> {
    let pubkey = named(&state, tenant).await?;
    let by = access.acting(trace);
    let tenant = state
        .command()
        .clear_tenant_subscription(by, pubkey)
        .await?;
    Ok(Data::ok(tenant))
}

async fn set_nwc_error(
    state: ApiState,
    access: OperatorAccess,
    (tenant, trace, Json(input)): (PathParam<Pubkey>, RequestTrace, Json<WalletErrorInput>),
) -> Result<Data<Tenant>, ApiError> {
    let pubkey = named(&state, tenant).await?;
    let by = access.acting(trace);
    let tenant = state
        .command()
        .set_tenant_nwc_error(by, pubkey, input.message)
        .await?;
    Ok(Data::ok(tenant))
}

async fn clear_nwc_error(
    state: ApiState,
    access: OperatorAccess,
    (tenant, trace): (PathParam<Pubkey>, RequestTrace),
) -> Result<Data<Tenant>, ApiError> {
    let pubkey = named(&state, tenant).await?;
    let by = access.acting(trace);
    let tenant = state.command().clear_tenant_nwc_error(by, pubkey).await?;
    Ok(Data::ok(tenant))
}

async fn mark_delinquent(
    state: ApiState,
    access: OperatorAccess,
    (PathParam(id), trace): (PathParam<RelayId>, RequestTrace),
) -> Result<Data<Relay>, ApiError> {
    let by = access.acting(trace);
    let relay = state.command().mark_relay_delinquent(by, id).await?;
    Ok(Data::ok(relay))
}

async fn settle(
    state: ApiState,
    access: OperatorAccess,
    (PathParam(id), trace): (PathParam<RelayId>, RequestTrace),
) -> Result<Data<Relay>, ApiError> {
    let by = access.acting(trace);
    Ok(Data::ok(state.command().settle_relay(by, id).await?))
}

async fn set_subscription_item(
    state: ApiState,
    access: OperatorAccess,
    (PathParam(id), trace, Json(input)): (PathParam<RelayId>, RequestTrace, Json<BillingIdInput>),
) -> Result<Data<Relay>, ApiError> {
    let by = access.acting(trace);
    let relay = state
        .command()
        .set_relay_subscription_item(by, id, input.id)
        .await?;
    Ok(Data::ok(relay))
}

async fn clear_subscription_item(
    state: ApiState,
    access: OperatorAccess,
    (PathParam(id), trace): (PathParam<RelayId>, RequestTrace),
) -> Result<Data<Relay>, ApiError> {
    let by = access.acting(trace);
    let relay = state
        .command()
        .delete_relay_subscription_item(by, id)
        .await?;
    Ok(Data::ok(relay))
}
