//! Noticing that the database is gone: a process that cannot use it any more must end, and let a supervisor decide.

use std::time::Duration;

use super::{Db, WriteError, WriteTx};
use crate::clock::SharedClock;

/// How often the database is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// How long the database may refuse every write before it counts as gone.
const PATIENCE: Duration = Duration::from_mins(1);

/// Why the database is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DatabaseLost {
    /// The path leads to another file, or to none: nobody would ever see what this process writes.
    #[error("the database file was replaced or removed")]
    Replaced,
    /// No write has succeeded for a minute.
    #[error("the database has refused every write for a minute")]
    Refusing,
}

impl Db {
    /// Waits until the database is gone. Pending as long as all is well, or may become so again.
    pub async fn lost(&self, clock: &SharedClock) -> DatabaseLost {
        let mut writable_at = clock.monotonic();
        loop {
            // Before the look: time that passes meanwhile counts.
            let next_look = clock.now() + LOOK_EVERY;
            if !self.is_same_file() {
                return DatabaseLost::Replaced;
            }
            match tokio::time::timeout(PATIENCE, self.try_write()).await {
                Ok(Ok(())) => writable_at = clock.monotonic(),
                Ok(Err(error)) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "the database cannot be written"
                    );
                    if clock.monotonic().saturating_sub(writable_at) >= PATIENCE {
                        return DatabaseLost::Refusing;
                    }
                }
                // Somebody has held the write lock all that time.
                Err(_elapsed) => return DatabaseLost::Refusing,
            }
            clock.sleep_until(next_look).await;
        }
    }

    /// A write that changes nothing: it takes the lock, and leaves no trace in the log.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn try_write(&self) -> Result<(), WriteError> {
        self.write(async move |_: &mut WriteTx| Ok(())).await
    }
}
