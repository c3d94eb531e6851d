//! The network side: a listener that can go down and come up again on its port, and connections that can be dropped
//! without an answer.
//!
//! Each request's work is a task of its own. When the client leaves, the work goes on, as a Go handler's does.

use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::answer::Answer;
use crate::lock::lock;
use crate::routes::{App, End};

/// How long a stop waits for answers that are under way; zooid's own figure.
const GRACE: Duration = Duration::from_secs(10);

/// How many connections may wait to be accepted; tokio's own figure.
const BACKLOG: u32 = 1024;

/// The listener and its connections.
pub(crate) struct Server {
    app: Arc<App>,
    addr: SocketAddr,
    session: Mutex<Session>,
    /// Keeps the port from being given to somebody else while down; it does not listen, so connections are refused.
    reserved: Mutex<Option<TcpSocket>>,
    /// The work of requests, which outlives their connections.
    work: TaskTracker,
}

/// The time between coming up and going down.
#[derive(Clone)]
struct Session {
    /// Stops listening and ends each connection after the answer under way.
    stopping: CancellationToken,
    /// Drops every connection at once.
    dead: CancellationToken,
    /// The accept loop and the connections.
    tasks: TaskTracker,
}

impl Session {
    fn new() -> Self {
        Self {
            stopping: CancellationToken::new(),
            dead: CancellationToken::new(),
            tasks: TaskTracker::new(),
        }
    }

    fn die(&self) {
        self.stopping.cancel();
        self.dead.cancel();
    }

    async fn ended(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Server {
    /// Serves on a listener that is already bound.
    pub(crate) fn start(app: Arc<App>, listener: TcpListener) -> io::Result<Arc<Self>> {
        let server = Arc::new(Self {
            app,
            addr: listener.local_addr()?,
            session: Mutex::new(Session::new()),
            reserved: Mutex::default(),
            work: TaskTracker::new(),
        });
        server.accept(listener);
        Ok(server)
    }

    /// The address, which stays the same over [`Self::down`] and [`Self::up`].
    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Closes the listener and every connection, answers under way included.
    pub(crate) async fn down(&self) {
        let session = lock(&self.session).clone();
        session.die();
        session.ended().await;
        let mut reserved = lock(&self.reserved);
        if reserved.is_none() {
            // Without the reservation, coming up finds out whether the port is still free.
            *reserved = bind(self.addr).ok();
        }
    }

    /// The same without waiting for it.
    pub(crate) fn die(&self) {
        lock(&self.session).die();
    }

    /// Whether it listens.
    pub(crate) fn is_up(&self) -> bool {
        !lock(&self.session).stopping.is_cancelled()
    }

    /// Listens again after it went down.
    pub(crate) async fn up(self: &Arc<Self>) -> io::Result<()> {
        let last = lock(&self.session).clone();
        last.ended().await;
        let reserved = lock(&self.reserved).take();
        let socket = match reserved {
            Some(socket) => socket,
            None => bind(self.addr)?,
        };
        let listener = socket.listen(BACKLOG)?;
        *lock(&self.session) = Session::new();
        self.accept(listener);
        Ok(())
    }

    /// Stops listening, lets answers under way go out for up to ten seconds, and waits for the work to end.
    pub(crate) async fn stop(&self) {
        let session = lock(&self.session).clone();
        session.stopping.cancel();
        self.work.close();
        let quiet = async {
            session.ended().await;
            self.work.wait().await;
        };
        if tokio::time::timeout(GRACE, quiet).await.is_err() {
            tracing::warn!("stopped with calls still under way");
        }
        session.die();
    }

    fn accept(self: &Arc<Self>, listener: TcpListener) {
        let session = lock(&self.session).clone();
        let server = Arc::clone(self);
        let tasks = session.tasks.clone();
        tasks.spawn(async move {
            let accept_all = async {
                loop {
                    match listener.accept().await {
                        Ok((stream, _)) => {
                            let connection =
                                Arc::clone(&server).connection(stream, session.clone());
                            session.tasks.spawn(connection);
                        }
                        Err(error) => {
                            tracing::warn!(%error, "could not accept a connection");
                            // Out of file descriptors, most likely: give the others time to close.
                            tokio::time::sleep(Duration::from_millis(10)).await;
                        }
                    }
                }
            };
            tokio::select! {
                () = session.stopping.cancelled() => {}
                () = accept_all => {}
            }
        });
    }

    /// Does a request's work; without an answer the connection is to be dropped.
    async fn see_through(self: Arc<Self>, request: Request<Incoming>) -> Option<Answer> {
        match self.app.handle(request).await {
            End::Answer(answer) => Some(answer),
            End::Drop => None,
            End::Down(fatal) => {
                tracing::error!(%fatal, "down");
                self.die();
                None
            }
        }
    }

    async fn connection(self: Arc<Self>, stream: TcpStream, session: Session) {
        // Go's sockets send small answers at once too. A failure shows in the next read.
        let _ = stream.set_nodelay(true);
        let dropped = session.dead.child_token();
        let service = service_fn(|request| {
            let work = self.work.spawn(Arc::clone(&self).see_through(request));
            let dropped = dropped.clone();
            async move {
                match work.await {
                    Ok(Some(answer)) => return Ok::<_, hyper::Error>(answer.into_response()),
                    Ok(None) => {}
                    Err(panic) => tracing::error!(%panic, "a request's work ended early"),
                }
                dropped.cancel();
                pending().await
            }
        });
        let mut serving =
            pin!(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        tokio::select! {
            biased;
            // Dropping the connection closes its socket, with nothing said.
            () = dropped.cancelled() => return,
            () = session.stopping.cancelled() => serving.as_mut().graceful_shutdown(),
            _ = serving.as_mut() => return,
        }
        tokio::select! {
            biased;
            () = dropped.cancelled() => {}
            _ = serving => {}
        }
    }
}

fn bind(addr: SocketAddr) -> io::Result<TcpSocket> {
    let socket = match addr {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // Connections that were just closed do not hold the port.
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    Ok(socket)
}
