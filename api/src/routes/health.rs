//! `GET /healthz`: the process lives and answers. Says nothing of the database or zooid.

use serde::Serialize;

use crate::access::{Anybody, Public};
use crate::data::Data;
use crate::error::ApiError;
use crate::route::Route;
use crate::state::ApiState;

#[derive(Serialize)]
struct Health {
    status: &'static str,
}

pub(super) fn routes() -> Vec<Route> {
    vec![Route::get("/healthz", Public, healthz)]
}

async fn healthz(_: ApiState, _: Anybody, (): ()) -> Result<Data<Health>, ApiError> {
    Ok(Data::ok(Health { status: "ok" }))
}
