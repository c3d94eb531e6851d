//! Waiting on conditions, never on time alone.

use std::time::Duration;

/// Longest wait for anything that should happen soon. Generous: the machine may be busy with other tests.
pub const SOON: Duration = Duration::from_mins(1);

/// Looks every few milliseconds until `done`, at most for [`SOON`]. `what` is waited for.
pub async fn until(what: &str, done: impl AsyncFn() -> bool) {
    let looking = async {
        let mut look = tokio::time::interval(Duration::from_millis(10));
        while !done().await {
            look.tick().await;
        }
    };
    soon(what, looking).await;
}

/// What `future` comes to, which must be [`SOON`].
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    let in_time = tokio::time::timeout(SOON, future).await;
    in_time.unwrap_or_else(|_| panic!("waited in vain for {what}"))
}
