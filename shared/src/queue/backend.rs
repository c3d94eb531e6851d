//! apalis's view of the queue: a backend that hands out what the engine claimed, and a layer that reports how it ended.
//!
//! apalis runs the handler and its middleware; every decision about rows stays with the engine. A handler that panics or
//! returns an error is an outcome like any other and never ends the worker.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use apalis_core::{
    backend::{Backend, BackendConfig, finalize::Ephemeral},
    error::BoxDynError,
    task::{Task, builder::TaskBuilder, task_id::TaskId},
    worker::context::WorkerContext,
};
use futures::{FutureExt, Stream, channel::mpsc as claims};
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tower::{Layer, Service};

use super::{
    claim::ClaimedSync,
    outcome::{End, Finished},
};
use crate::domain::{FailureKind, SyncFailure, SyncReport};

/// What apalis polls for tasks.
#[derive(Debug)]
pub struct SyncBackend {
    claims: claims::UnboundedReceiver<ClaimedSync>,
    layer: SyncLayer,
    stop: Pin<Box<WaitForCancellationFutureOwned>>,
    stopping: bool,
}

impl SyncBackend {
    pub(super) fn new(
        claims: claims::UnboundedReceiver<ClaimedSync>,
        layer: SyncLayer,
        stop: CancellationToken,
    ) -> Self {
        Self {
            claims,
            layer,
            stop: Box::pin(stop.cancelled_owned()),
            stopping: false,
        }
    }
}

impl Backend for SyncBackend {
    type Task = Task<ClaimedSync>;
    type Error = Infallible;

    fn poll_ready(
        &mut self,
        _cx: &mut Context<'_>,
        _worker: &WorkerContext,
    ) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        _worker: &WorkerContext,
    ) -> Poll<Option<Result<Self::Task, Infallible>>> {
        self.stopping = self.stopping || self.stop.poll_unpin(cx).is_ready();
        loop {
            return match Pin::new(&mut self.claims).poll_next(cx) {
                Poll::Ready(Some(sync)) if self.stopping => {
                    self.layer.report(Finished::new(&sync, End::NotStarted));
                    continue;
                }
                Poll::Ready(Some(sync)) => {
                    let id = TaskId::from_string(sync.job.as_str());
                    Poll::Ready(Some(Ok(TaskBuilder::new(sync).task_id(id).build())))
                }
                // The engine is gone: nothing will ever come.
                Poll::Ready(None) => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            };
        }
    }

    fn poll_close(
        &mut self,
        _cx: &mut Context<'_>,
        _worker: &WorkerContext,
    ) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }
}

impl BackendConfig for SyncBackend {
    type Args = ClaimedSync;
    type Id = String;
    type Kind = Ephemeral;
    type Config = ();
    type Layer = SyncLayer;

    fn config(&self) -> &() {
        &()
    }

    fn middleware(&mut self, _worker: &mut WorkerContext) -> SyncLayer {
        self.layer.clone()
    }
}

/// The middleware that tells the engine how each sync ended.
#[derive(Debug, Clone)]
pub struct SyncLayer {
    outcomes: mpsc::UnboundedSender<Finished>,
}

impl SyncLayer {
    pub(super) fn new(outcomes: mpsc::UnboundedSender<Finished>) -> Self {
        Self { outcomes }
    }

    fn report(&self, finished: Finished) {
        // Without an engine nobody records: other workers take the job over.
        let _ = self.outcomes.send(finished);
    }
}

impl<S> Layer<S> for SyncLayer {
    type Service = ReportingService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        ReportingService {
            inner,
            layer: self.clone(),
        }
    }
}

/// The handler with its middleware, and the report behind it.
#[derive(Debug, Clone)]
pub struct ReportingService<S> {
    inner: S,
    layer: SyncLayer,
}

impl<S> Service<Task<ClaimedSync>> for ReportingService<S>
where
    S: Service<Task<ClaimedSync>, Response = SyncReport>,
    S::Error: Into<BoxDynError>,
    S::Future: Send + 'static,
{
    type Response = ();
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<(), S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, task: Task<ClaimedSync>) -> Self::Future {
        let layer = self.layer.clone();
        let sync = task.args.clone();
        // A handler may panic before it gives a future as well as inside of it.
        let called =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.inner.call(task)));
        let handler = std::panic::AssertUnwindSafe(async move {
            match called {
                Ok(handler) => handler.await,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
        .catch_unwind();
        async move {
            let report = match handler.await {
                Ok(Ok(report)) => report,
                // Its text may quote a secret; the panic hook has logged what is safe.
                Ok(Err(_)) => our_fault("the sync ended without an outcome"),
                Err(_panic) => our_fault("the sync panicked"),
            };
            layer.report(Finished::new(&sync, End::Reported(report)));
            Ok(())
        }
        .boxed()
    }
}

/// The handler itself failed: nothing is known of what was sent.
fn our_fault(message: &'static str) -> SyncReport {
    SyncReport {
        verb: None,
        status: None,
        result: Err(SyncFailure {
            kind: FailureKind::OurFault,
            status: None,
            message: message.to_owned(),
            excerpt: None,
            retry_after: None,
            taken: None,
        }),
    }
}
