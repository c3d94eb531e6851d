//! `/healthz`, `/readyz` and `/metrics`: how this process is, for supervisors and monitoring.

use serde::Serialize;
use shared::watch::metrics_text;
use utoipa::ToSchema;

use crate::access::{Anybody, MetricsAccess, MetricsToken, Public};
use crate::data::{Data, Metrics};
use crate::error::{
    ApiError, DATABASE_REPLACED, DATABASE_UNREADABLE, DATABASE_UNWRITABLE, QUEUE_LATE,
    WORKER_SILENT,
};
use crate::route::Route;
use crate::state::ApiState;

/// How this process is.
#[derive(Serialize, ToSchema)]
struct Health {
    /// `ok` or `ready`.
    status: &'static str,
}

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/healthz", Public, healthz),
        Route::get("/readyz", Public, readyz).refusing(&[
            DATABASE_REPLACED,
            DATABASE_UNWRITABLE,
            DATABASE_UNREADABLE,
            WORKER_SILENT,
            QUEUE_LATE,
        ]),
        Route::get("/metrics", MetricsToken, metrics),
    ]
}

/// The process lives and answers. Says nothing of the database or zooid.
async fn healthz(_: ApiState, _: Anybody, (): ()) -> Result<Data<Health>, ApiError> {
    Ok(Data::ok(Health { status: "ok" }))
}

/// The process can do its work.
async fn readyz(state: ApiState, _: Anybody, (): ()) -> Result<Data<Health>, ApiError> {
    state.health().check().await?;
    Ok(Data::ok(Health { status: "ready" }))
}

async fn metrics(state: ApiState, _: MetricsAccess, (): ()) -> Result<Metrics, ApiError> {
    let text = metrics_text(state.db(), state.clock()).await?;
    Ok(Metrics(text))
}
