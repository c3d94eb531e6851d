//! Parts of a worker that must not die quietly.

use std::{future::Future, time::Duration};

use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument as _;

/// The pause before a part that broke is started again.
const RESTART_PAUSE: Duration = Duration::from_secs(1);

/// Runs a part to its end. One that panics is logged and made anew.
pub(crate) async fn keep_going<F>(part: &'static str, make: impl Fn() -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    loop {
        match AbortOnDropHandle::new(tokio::spawn(make().in_current_span())).await {
            Ok(()) => return,
            Err(error) => tracing::error!(%error, part, "broke; starting it again"),
        }
        tokio::time::sleep(RESTART_PAUSE).await;
    }
}
