//! One sync: what was claimed goes to zooid, and what zooid said comes back.
//!
//! Invariant: a relay's secret is opened only when zooid has to be sent it, and it goes nowhere else.

use std::sync::Arc;

use futures::{FutureExt as _, future::BoxFuture};
use shared::{
    clock::SharedClock,
    config::WorkerConfig,
    crypto::Sealer,
    domain::SyncReport,
    queue::ClaimedSync,
    zooid::{Renderer, ZooidClient, ZooidClientError},
};
use tracing::{Instrument as _, Span, field};

/// What every sync of one worker shares.
struct Syncs {
    zooid: ZooidClient,
    renderer: Renderer,
    sealer: Sealer,
    clock: SharedClock,
}

/// The handler of [`start`](crate::start) that carries syncs out as configured.
pub(crate) fn handler(
    config: &WorkerConfig,
    clock: SharedClock,
) -> Result<
    impl Fn(ClaimedSync) -> BoxFuture<'static, SyncReport> + Clone + Send + Sync + 'static,
    ZooidClientError,
> {
    let syncs = Arc::new(Syncs {
        zooid: ZooidClient::new(config.zooid.clone(), config.redactor(), clock.clone())?,
        renderer: Renderer::new(
            config.storage.clone(),
            config.livekit.clone(),
            config.sealer.clone(),
        ),
        sealer: config.sealer.clone(),
        clock,
    });
    Ok(move |sync| carry_out(Arc::clone(&syncs), sync).boxed())
}

async fn carry_out(syncs: Arc<Syncs>, sync: ClaimedSync) -> SyncReport {
    let span = tracing::info_span!(
        "job.sync_relay",
        relay.id = %sync.desired.id,
        job.id = %sync.job,
        job.attempt = sync.attempts,
        sync.generation = sync.desired.generation.get(),
        request.id = sync.trace,
        sync.outcome = field::Empty,
        duration_ms = field::Empty,
    );
    send(&syncs, &sync).instrument(span).await
}

async fn send(syncs: &Syncs, sync: &ClaimedSync) -> SyncReport {
    let started = syncs.clock.monotonic();
    let relay = &sync.desired;
    // The relay's id is what its secret was sealed for.
    let open_secret = || syncs.sealer.open(&sync.secret, relay.id.as_str());
    tracing::trace!(target: "caravel::step", step = "sync.before_send", relay.id = %relay.id);
    let report = syncs.zooid.sync(&syncs.renderer, relay, open_secret).await;
    tracing::trace!(target: "caravel::step", step = "sync.after_answer", relay.id = %relay.id);
    let took = syncs.clock.monotonic().saturating_sub(started);
    let span = Span::current();
    span.record("duration_ms", took.as_millis());
    match &report.result {
        Ok(_) => {
            span.record("sync.outcome", "accepted");
            tracing::info!("zooid accepted the relay");
        }
        Err(failure) => {
            span.record("sync.outcome", failure.kind.as_str());
            tracing::warn!(
                error = failure as &dyn std::error::Error,
                "zooid did not accept the relay"
            );
        }
    }
    report
}
