//! The fleet at a glance: overview, series, targets and workers.

use shared::domain::{ValidationError, ZooidDomain};
use shared::query::operator::{Overview, Series, SeriesRange, TargetView, WorkerView};
use shared::repositories::operator::keyset::Page;
use utoipa::ToSchema;

use crate::access::{OperatorRead, OperatorReadAccess};
use crate::data::Data;
use crate::error::ApiError;
use crate::filters::Filters;
use crate::query::{Nothing, Query, QueryInput, Unknown};
use crate::route::Route;
use crate::state::ApiState;

/// The longest series: two weeks.
const MINUTES_MAX: u32 = 20_160;

/// The longest point: a day.
const STEP_MAX: u32 = 1440;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/operator/overview", OperatorRead, overview),
        Route::get("/operator/series", OperatorRead, series),
        Route::get("/operator/targets", OperatorRead, targets),
        Route::get("/operator/workers", OperatorRead, workers),
    ]
}

/// Of which target.
#[derive(ToSchema)]
struct OverviewQuery {
    /// Of this target alone.
    target: Option<ZooidDomain>,
}

impl QueryInput for OverviewQuery {
    const UNKNOWN: Unknown = Unknown::Refused;

    fn read(filters: &mut Filters) -> Result<Self, ValidationError> {
        Ok(Self {
            target: filters.get("target")?,
        })
    }
}

async fn overview(
    state: ApiState,
    _: OperatorReadAccess,
    Query(OverviewQuery { target }): Query<OverviewQuery>,
) -> Result<Data<Overview>, ApiError> {
    let view = state.viewpoint();
    Ok(Data::ok(
        state.query().overview(&view, target.as_ref()).await?,
    ))
}

/// Of which target, how far back, and how finely.
#[derive(ToSchema)]
struct SeriesQuery {
    /// Of this target alone.
    target: Option<ZooidDomain>,
    /// How many minutes up to the present one.
    #[schema(minimum = 1, maximum = 20160, default = 180)]
    minutes: u32,
    /// Minutes of one point.
    #[schema(minimum = 1, maximum = 1440, default = 1)]
    step: u32,
}

impl QueryInput for SeriesQuery {
    const UNKNOWN: Unknown = Unknown::Refused;

    fn read(filters: &mut Filters) -> Result<Self, ValidationError> {
        Ok(Self {
            target: filters.get("target")?,
            minutes: filters.within("minutes", 1, MINUTES_MAX, 180)?,
            step: filters.within("step", 1, STEP_MAX, 1)?,
        })
    }
}

async fn series(
    state: ApiState,
    _: OperatorReadAccess,
    Query(SeriesQuery {
        target,
        minutes,
        step,
    }): Query<SeriesQuery>,
) -> Result<Data<Series>, ApiError> {
    let range = SeriesRange { minutes, step };
    let view = state.viewpoint();
    Ok(Data::ok(
        state.query().series(&view, range, target.as_ref()).await?,
    ))
}

async fn targets(
    state: ApiState,
    _: OperatorReadAccess,
    _: Query<Nothing>,
) -> Result<Data<Page<TargetView>>, ApiError> {
    let targets = state.query().list_targets(&state.viewpoint()).await?;
    Ok(Data::ok(Page::whole(targets)))
}

async fn workers(
    state: ApiState,
    _: OperatorReadAccess,
    _: Query<Nothing>,
) -> Result<Data<Page<WorkerView>>, ApiError> {
    let workers = state.query().list_workers(&state.viewpoint()).await?;
    Ok(Data::ok(Page::whole(workers)))
}
