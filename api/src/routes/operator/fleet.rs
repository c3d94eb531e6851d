//! The fleet at a glance: overview, series, targets and workers.

use serde::Serialize;
use shared::query::operator::{Overview, Series, SeriesRange, TargetView, WorkerView};

use crate::access::{OperatorRead, OperatorReadAccess};
use crate::data::Data;
use crate::error::ApiError;
use crate::filters::Filters;
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

/// A list that has no pages.
#[derive(Serialize)]
struct Whole<T> {
    items: Vec<T>,
    next: Option<String>,
}

impl<T> Whole<T> {
    fn of(items: Vec<T>) -> Self {
        Self { items, next: None }
    }
}

async fn overview(
    state: ApiState,
    _: OperatorReadAccess,
    filters: Filters,
) -> Result<Data<Overview>, ApiError> {
    filters.only(&["target"])?;
    let target = filters.get("target")?;
    let view = state.viewpoint();
    Ok(Data::ok(
        state.query().overview(&view, target.as_ref()).await?,
    ))
}

async fn series(
    state: ApiState,
    _: OperatorReadAccess,
    filters: Filters,
) -> Result<Data<Series>, ApiError> {
    filters.only(&["target", "minutes", "step"])?;
    let target = filters.get("target")?;
    let range = SeriesRange {
        minutes: filters.within("minutes", 1, MINUTES_MAX, 180)?,
        step: filters.within("step", 1, STEP_MAX, 1)?,
    };
    let view = state.viewpoint();
    Ok(Data::ok(
        state.query().series(&view, range, target.as_ref()).await?,
    ))
}

async fn targets(
    state: ApiState,
    _: OperatorReadAccess,
    filters: Filters,
) -> Result<Data<Whole<TargetView>>, ApiError> {
    filters.only(&[])?;
    let targets = state.query().list_targets(&state.viewpoint()).await?;
    Ok(Data::ok(Whole::of(targets)))
}

async fn workers(
    state: ApiState,
    _: OperatorReadAccess,
    filters: Filters,
) -> Result<Data<Whole<WorkerView>>, ApiError> {
    filters.only(&[])?;
    let workers = state.query().list_workers(&state.viewpoint()).await?;
    Ok(Data::ok(Whole::of(workers)))
}
