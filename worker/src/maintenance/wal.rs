//! Watches the size of the write-ahead log.

use std::time::Duration;

use shared::db::{Db, WalLimits, WalState};

/// Between two looks of each worker. At full load the log grows by some ten MiB meanwhile.
pub(super) const EVERY: Duration = Duration::from_secs(10);
/// Looks in a row that find the log longer than before, until somebody is told: a minute.
const LOOKS: u32 = 6;

/// One look, and what it takes.
pub(super) async fn once(db: &Db, growth: &mut Growth) {
    match db.check_wal(WalLimits::default()).await {
        Ok(state) => {
            if let Some(bytes) = growth.see(state) {
                tracing::warn!(
                    wal.bytes = bytes,
                    "the write-ahead log keeps growing: something reads the database in one long transaction"
                );
            }
        }
        Err(error) => tracing::warn!(
            error = &error as &dyn std::error::Error,
            "cannot look after the write-ahead log; trying again next time"
        ),
    }
}

/// For how long the log has been growing.
#[derive(Debug, Default)]
pub(super) struct Growth {
    bytes: u64,
    looks: u32,
}

impl Growth {
    /// Takes in one look; answers the size when it is time to tell somebody.
    fn see(&mut self, state: WalState) -> Option<u64> {
        match state {
            WalState::Short | WalState::WrittenBack { .. } => {
                *self = Self::default();
                None
            }
            WalState::Pinned { bytes } => {
                if bytes > self.bytes {
                    self.looks += 1;
                }
                self.bytes = bytes;
                (self.looks >= LOOKS).then(|| {
                    self.looks = 0;
                    bytes
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(states: impl IntoIterator<Item = WalState>) -> Vec<u64> {
        let mut growth = Growth::default();
        states
            .into_iter()
            .filter_map(|state| growth.see(state))
            .collect()
    }

    #[test]
    fn a_log_that_grows_for_a_minute_is_told_of_once_a_minute() {
        let growing = (1..=12).map(|bytes| WalState::Pinned { bytes });

        assert_eq!(told(growing), [6, 12]);
    }

    #[test]
    fn a_log_that_stands_still_or_was_written_back_is_not_told_of() {
        let still = [WalState::Pinned { bytes: 9 }; 20];
        let saved = (1..=20).map(|bytes| match bytes % 5 {
            0 => WalState::WrittenBack { bytes },
            _ => WalState::Pinned { bytes },
        });

        assert_eq!(told(still), [0; 0]);
        assert_eq!(told(saved), [0; 0]);
    }
}
