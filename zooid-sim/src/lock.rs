//! Taking a lock whose last holder may have panicked.
//!
//! Every lock here guards plain data that is valid after each statement, so a poisoned one is as good as any.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks `mutex`, poisoned or not.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
