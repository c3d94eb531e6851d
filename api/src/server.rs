//! The listening side: takes connections until told to stop, then sees the requests under way through.
//!
//! Invariant: a client that is slow, or silent, holds a connection for a bounded time and a bounded memory, and nothing else.

use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::serve::Listener;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service as _;

use crate::routes::router;
use crate::state::ApiState;

/// How long requests under way have to finish after the stop. A client that sends half a request must not keep the
/// program alive; a write takes milliseconds.
const GRACE: Duration = Duration::from_secs(10);

/// How long a client has for the header of a request, the first or one more on the same connection. So it is also how long
/// a connection may be idle.
const HEADER_TIMEOUT: Duration = Duration::from_secs(15);

/// What is kept of a connection that was not read yet, in bytes. A header that does not fit is refused: it is far longer
/// than those that are refused in so many words. So is one of more than a hundred fields.
const UNREAD_MAX_BYTES: usize = 64 * 1024;

/// Serves the API on `listener` until `stop`, then finishes what it has begun.
pub async fn serve(listener: TcpListener, state: ApiState, stop: CancellationToken) {
    let feeding = async {
        tokio::join!(
            state.feed().run(state.db(), &stop),
            state.following().run(state.db(), &stop)
        );
        std::future::pending::<()>().await;
    };
    let out_of_patience = async {
        stop.cancelled().await;
        // Those who only wait for news would keep us from ending.
        state.closing().cancel();
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        () = accept(listener, router(state.clone()), &stop) => {}
        () = feeding => {}
        () = out_of_patience => tracing::warn!("stopped with requests still under way"),
    }
}

/// Takes connections until `stop`, and waits for the last to end.
async fn accept(mut listener: TcpListener, router: Router, stop: &CancellationToken) {
    let connections = TaskTracker::new();
    loop {
        let (socket, peer) = tokio::select! {
            () = stop.cancelled() => break,
            accepted = Listener::accept(&mut listener) => accepted,
        };
        connections.spawn(answer(socket, peer, router.clone(), stop.clone()));
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

/// Answers the requests of a connection, until it ends or `stop` and the one under way is done.
async fn answer(socket: TcpStream, peer: SocketAddr, router: Router, stop: CancellationToken) {
    // Answers are small and each is wanted at once. A socket that is gone already shows in the next read.
    let _ = socket.set_nodelay(true);
    let service = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        // Limits are about addresses, too.
        request.extensions_mut().insert(ConnectInfo(peer));
        router.clone().call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(UNREAD_MAX_BYTES)
        .serve_connection(TokioIo::new(socket), service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke");
    }
}
