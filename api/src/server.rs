//! The listening side: takes connections until told to stop, then sees the requests under way through.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::serve::ListenerExt as _;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::routes::router;
use crate::state::ApiState;

/// How long requests under way have to finish after the stop. A client that sends half a request must not keep the
/// program alive; a write takes milliseconds.
const GRACE: Duration = Duration::from_secs(10);

/// Serves the API on `listener` until `stop`, then finishes what it has begun.
///
/// # Errors
/// When the listener cannot be used.
pub async fn serve(
    listener: TcpListener,
    state: ApiState,
    stop: CancellationToken,
) -> io::Result<()> {
    // Answers are small and each is wanted at once. A socket that is gone already shows in the next read.
    let listener = listener.tap_io(|socket| {
        let _ = socket.set_nodelay(true);
    });
    let feeding = async {
        state.feed().run(state.db(), &stop).await;
        std::future::pending::<()>().await;
    };
    let stopped = {
        let (state, stop) = (state.clone(), stop.clone());
        async move {
            stop.cancelled().await;
            // Those who only wait for news would keep us from ending.
            state.following().close();
        }
    };
    // Limits are about addresses, too.
    let service = router(state.clone()).into_make_service_with_connect_info::<SocketAddr>();
    let serving = axum::serve(listener, service).with_graceful_shutdown(stopped);
    let out_of_patience = async {
        stop.cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        ended = serving.into_future() => ended,
        () = feeding => Ok(()),
        () = out_of_patience => {
            tracing::warn!("stopped with requests still under way");
            Ok(())
        }
    }
}
