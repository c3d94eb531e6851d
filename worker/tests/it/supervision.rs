//! A part of a worker that breaks is started again.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use shared::clock::{Clock, ManualClock};

use crate::fixture::{Fixture, SYNCED, accepted};

/// A clock that panics the next time somebody asks it, once it has been told to.
#[derive(Debug)]
struct FragileClock {
    inner: ManualClock,
    breaks: AtomicBool,
}

impl Clock for FragileClock {
    fn now(&self) -> DateTime<Utc> {
        assert!(
            !self.breaks.swap(false, Ordering::SeqCst),
            "the clock fell down"
        );
        self.inner.now()
    }

    fn monotonic(&self) -> Duration {
        self.inner.monotonic()
    }

    fn sleep_until(&self, at: DateTime<Utc>) -> BoxFuture<'static, ()> {
        self.inner.sleep_until(at)
    }
}

#[tokio::test]
async fn an_engine_that_breaks_is_started_again_under_another_name() {
    let fixture = Fixture::new().await;
    let clock = Arc::new(FragileClock {
        inner: fixture.clock.clone(),
        breaks: AtomicBool::new(false),
    });
    let worker = fixture
        .start_by(clock.clone(), 1, Duration::from_secs(30), async |_| {
            accepted()
        })
        .await;
    fixture.create("before").await;
    fixture.until(1, SYNCED).await;

    // Whoever asks next breaks. That may be somebody else, who looked something up at the start; then it is tried again.
    let names = format!(
        "SELECT count(*) FROM worker_heartbeat WHERE worker_id IN ('{0}', '{0}.1')",
        worker.id
    );
    let names: &'static str = names.leak();
    let mut relays = 1;
    while fixture.count(names).await < 2 {
        assert!(relays < 20, "the engine does not break");
        clock.breaks.store(true, Ordering::SeqCst);
        fixture.create(&format!("after-{relays}")).await;
        relays += 1;
        fixture.until(relays, SYNCED).await;
    }

    assert!(!clock.breaks.load(Ordering::SeqCst), "nothing broke");
}
