//! Time as something that is handed in, so that every timing rule can be tested without waiting.
//!
//! Two readings, for two questions. *What time is it?* is the calendar: rows, tokens and schedules use it, and an
//! administrator or NTP may move it. *How long did that take?* is the monotonic reading: leases, deadlines and
//! durations use it, because it never jumps. Nothing outside this module asks the operating system for the time.

use std::fmt::Debug;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::sync::watch;

/// A clock shared by all parts of one program.
pub type SharedClock = Arc<dyn Clock>;

/// Where the time comes from.
pub trait Clock: Debug + Send + Sync {
    /// The calendar time. It may jump, in both directions, when the machine's clock is corrected.
    fn now(&self) -> DateTime<Utc>;

    /// The time since an arbitrary origin of this process. It never goes back, and means nothing to other processes.
    fn monotonic(&self) -> Duration;

    /// Completes once [`now`](Self::now) is `at` or later: at once when that is so already.
    fn sleep_until(&self, at: DateTime<Utc>) -> BoxFuture<'static, ()>;
}

/// The machine's own clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

/// What [`SystemClock::monotonic`] counts from: its first use in this process.
static ORIGIN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// How long a sleeper trusts the calendar before it looks again. A machine's clock can be corrected while somebody
/// sleeps; this bounds how late they notice.
const RECHECK: Duration = Duration::from_secs(30);

impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        #[expect(
            clippy::disallowed_methods,
            reason = "this is the one place that asks the machine"
        )]
        Utc::now()
    }

    fn monotonic(&self) -> Duration {
        ORIGIN.elapsed()
    }

    fn sleep_until(&self, at: DateTime<Utc>) -> BoxFuture<'static, ()> {
        let clock = *self;
        async move {
            // A negative difference does not convert: then the moment has come.
            while let Ok(left) = (at - clock.now()).to_std()
                && !left.is_zero()
            {
                tokio::time::sleep(left.min(RECHECK)).await;
            }
        }
        .boxed()
    }
}

/// A clock that stands still until a test moves it.
///
/// Clones are handles on the same clock. Both readings start at the construction; moving time wakes whoever sleeps on
/// a moment that has come.
#[derive(Debug, Clone)]
pub struct ManualClock {
    reading: Arc<watch::Sender<Reading>>,
}

#[derive(Debug, Clone, Copy)]
struct Reading {
    now: DateTime<Utc>,
    monotonic: Duration,
}

impl ManualClock {
    /// A clock that shows `start`, its monotonic reading at zero.
    #[must_use]
    pub fn new(start: DateTime<Utc>) -> Self {
        let reading = Reading {
            now: start,
            monotonic: Duration::ZERO,
        };
        Self {
            reading: Arc::new(watch::Sender::new(reading)),
        }
    }

    /// Lets time pass: both readings grow by `by`.
    pub fn advance(&self, by: Duration) {
        self.reading.send_modify(|reading| {
            reading.now += by;
            reading.monotonic += by;
        });
    }

    /// Corrects the calendar, forward or back, as NTP would: no time passes, so the monotonic reading stays.
    pub fn set(&self, now: DateTime<Utc>) {
        self.reading.send_modify(|reading| reading.now = now);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> DateTime<Utc> {
        self.reading.borrow().now
    }

    fn monotonic(&self) -> Duration {
        self.reading.borrow().monotonic
    }

    fn sleep_until(&self, at: DateTime<Utc>) -> BoxFuture<'static, ()> {
        let clock = self.clone();
        async move {
            let mut readings = clock.reading.subscribe();
            // Fails only when every sender is gone, and `clock` is one.
            let _ = readings.wait_for(|reading| reading.now >= at).await;
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noon() -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + Duration::from_hours(12)
    }

    #[test]
    fn advancing_moves_both_readings() {
        let clock = ManualClock::new(noon());

        clock.advance(Duration::from_secs(5));

        assert_eq!(clock.now(), noon() + Duration::from_secs(5));
        assert_eq!(clock.monotonic(), Duration::from_secs(5));
    }

    #[test]
    fn a_corrected_calendar_leaves_the_monotonic_reading_alone() {
        let clock = ManualClock::new(noon());
        clock.advance(Duration::from_secs(5));

        clock.set(DateTime::UNIX_EPOCH);

        assert_eq!(clock.now(), DateTime::UNIX_EPOCH);
        assert_eq!(clock.monotonic(), Duration::from_secs(5));
    }

    #[test]
    fn a_sleeper_wakes_when_a_clone_reaches_its_moment_and_not_before() {
        let clock = ManualClock::new(noon());
        let mut sleep = clock.sleep_until(noon() + Duration::from_secs(10));

        assert_eq!((&mut sleep).now_or_never(), None);
        clock.clone().advance(Duration::from_secs(9));
        assert_eq!((&mut sleep).now_or_never(), None);
        clock.clone().advance(Duration::from_secs(1));
        assert_eq!((&mut sleep).now_or_never(), Some(()));
    }

    #[test]
    fn a_moment_that_has_passed_needs_no_sleep() {
        let clock = ManualClock::new(noon());

        assert_eq!(clock.sleep_until(noon()).now_or_never(), Some(()));
        assert_eq!(SystemClock.sleep_until(noon()).now_or_never(), Some(()));
    }

    #[tokio::test]
    async fn the_system_clock_sleeps_until_the_moment_asked_for() {
        let clock: SharedClock = Arc::new(SystemClock);
        let before = clock.monotonic();
        let at = clock.now() + Duration::from_millis(20);

        clock.sleep_until(at).await;

        assert!(clock.now() >= at);
        assert!(clock.monotonic() > before);
    }
}
