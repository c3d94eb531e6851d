//! `/operator`: what operators see of the whole fleet. Everything is decided in [`shared::query::operator`]; here it is
//! asked for and answered.

mod attempts;
mod audit;
mod fleet;
mod groups;
mod relay;
mod syncs;

use crate::route::Route;

pub(super) fn routes() -> Vec<Route> {
    [
        fleet::routes(),
        syncs::routes(),
        groups::routes(),
        attempts::routes(),
        relay::routes(),
        audit::routes(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
