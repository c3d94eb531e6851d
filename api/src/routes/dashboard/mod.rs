//! `/dashboard`: the operators' page, and signing in there.

mod files;
mod session;

use crate::route::Route;

pub(super) fn routes() -> Vec<Route> {
    [session::routes(), files::routes()]
        .into_iter()
        .flatten()
        .collect()
}
