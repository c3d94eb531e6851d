//! One sync: what was claimed goes to zooid, and what zooid said comes back.
//!
//! Invariant: a relay's secret is opened only when zooid has to be sent it, and it goes nowhere else.

use std::sync::Arc;

use futures::{FutureExt as _, future::BoxFuture};
use shared::{
    clock::SharedClock,
    crypto::Sealer,
    domain::{DesiredRelay, FailureKind, SyncFailure, SyncReport},
    queue::ClaimedSync,
};
use tracing::{Instrument as _, Span, field};

use crate::zooids::{Zooid, Zooids};

/// What every sync of one worker shares.
struct Syncs {
    zooids: Arc<Zooids>,
    sealer: Sealer,
    clock: SharedClock,
}

/// The handler of [`start`](crate::start): each relay goes to the zooid that serves its domain.
pub(crate) fn handler(
    zooids: Arc<Zooids>,
    sealer: Sealer,
    clock: SharedClock,
) -> impl Fn(ClaimedSync) -> BoxFuture<'static, SyncReport> + Clone + Send + Sync + 'static {
    let syncs = Arc::new(Syncs {
        zooids,
        sealer,
        clock,
    });
    move |sync| carry_out(Arc::clone(&syncs), sync).boxed()
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
    let report = match syncs.zooids.of(&relay.zooid_domain) {
        Some(zooid) => {
            let Zooid { client, renderer } = zooid;
            client.sync(renderer, relay, open_secret).await
        }
        None => foreign(relay),
    };
    tracing::trace!(target: "caravel::step", step = "sync.after_answer", relay.id = %relay.id);
    let took = syncs.clock.monotonic().saturating_sub(started);
    let span = Span::current();
    span.record("duration_ms", took.as_millis());
    match &report.result {
        Ok(_) => {
            span.record("sync.outcome", "accepted");
            if relay.is_removed {
                tracing::info!("zooid has no file of the relay any more");
            } else {
                tracing::info!("zooid accepted the relay");
            }
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

/// A relay of a domain that this worker does not serve. Claims name the domains they are for, so there is none.
fn foreign(relay: &DesiredRelay) -> SyncReport {
    let failure = SyncFailure {
        kind: FailureKind::OurFault,
        status: None,
        message: format!("this worker serves no relays of {}", relay.zooid_domain),
        excerpt: None,
        retry_after: None,
        taken: None,
    };
    SyncReport {
        verb: None,
        status: None,
        result: Err(failure),
    }
}
