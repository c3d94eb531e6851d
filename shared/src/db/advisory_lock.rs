//! Turn-taking between the writers of several processes.
//!
//! SQLite's busy handler is unfair: one busy worker can make another process's commit wait for seconds. Lining up on an
//! advisory file lock first makes the order fair. It is a courtesy and never a condition: whoever cannot get the lock in
//! time goes on without it, and SQLite's own lock keeps the data right.

use std::{
    ffi::OsString,
    fs::{File, TryLockError},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::oneshot;

/// The path of a file that belongs to the database: `<db>.<suffix>`.
pub(super) fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(database);
    name.push(".");
    name.push(suffix);
    PathBuf::from(name)
}

/// One advisory lock, used by one task of this process.
#[derive(Debug)]
pub(super) struct AdvisoryLock {
    file: Arc<File>,
    wait: Arc<Mutex<Wait>>,
}

/// What the thread that waits for the lock, if there is one, has to do when it gets it.
#[derive(Debug)]
enum Wait {
    /// No thread waits.
    Nobody,
    /// Tell this caller.
    Caller(oneshot::Sender<()>),
    /// The caller went on without the lock: give it back.
    GaveUp,
}

impl AdvisoryLock {
    pub(super) fn open(path: &Path) -> std::io::Result<Self> {
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path)?;
        Ok(Self {
            file: Arc::new(file),
            wait: Arc::new(Mutex::new(Wait::Nobody)),
        })
    }

    /// Takes the lock, or goes on without it after `patience`. Dropping the guard releases it.
    pub(super) async fn acquire(&self, patience: Duration) -> Held<'_> {
        let granted = {
            let mut wait = self.wait.lock().unwrap_or_else(PoisonError::into_inner);
            match *wait {
                // A thread from an earlier call still waits: let it answer this one.
                Wait::GaveUp => {
                    let (grant, granted) = oneshot::channel();
                    *wait = Wait::Caller(grant);
                    granted
                }
                Wait::Nobody | Wait::Caller(_) => match self.file.try_lock() {
                    Ok(()) => return Held(Some(&self.file)),
                    Err(TryLockError::Error(error)) => {
                        tracing::debug!(%error, "cannot line up for the write lock");
                        return Held(None);
                    }
                    Err(TryLockError::WouldBlock) => {
                        let (grant, granted) = oneshot::channel();
                        *wait = Wait::Caller(grant);
                        self.wait_in_a_thread();
                        granted
                    }
                },
            }
        };
        let mut granted = granted;
        if tokio::time::timeout(patience, &mut granted).await.is_ok() {
            return Held(Some(&self.file));
        }
        let mut wait = self.wait.lock().unwrap_or_else(PoisonError::into_inner);
        if granted.try_recv().is_ok() {
            return Held(Some(&self.file));
        }
        *wait = Wait::GaveUp;
        Held(None)
    }

    fn wait_in_a_thread(&self) {
        let file = Arc::clone(&self.file);
        let wait = Arc::clone(&self.wait);
        tokio::task::spawn_blocking(move || {
            let locked = file.lock();
            let mut wait = wait.lock().unwrap_or_else(PoisonError::into_inner);
            let answered = match std::mem::replace(&mut *wait, Wait::Nobody) {
                Wait::Caller(caller) => caller.send(()).is_ok(),
                Wait::Nobody | Wait::GaveUp => false,
            };
            if locked.is_ok() && !answered {
                // The caller is gone, and nobody else of this process can hold it: give it back.
                let _ = file.unlock();
            }
        });
    }
}

/// The lock while held, or the permission to go on without it.
#[derive(Debug)]
pub(super) struct Held<'a>(Option<&'a File>);

impl Held<'_> {
    #[cfg(test)]
    fn is_held(&self) -> bool {
        self.0.is_some()
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if let Some(file) = self.0
            && let Err(error) = file.unlock()
        {
            tracing::warn!(%error, "cannot leave the line for the write lock");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_processes() -> (tempfile::TempDir, AdvisoryLock, AdvisoryLock) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db.ticket");
        let one = AdvisoryLock::open(&path).unwrap();
        let two = AdvisoryLock::open(&path).unwrap();
        (folder, one, two)
    }

    #[tokio::test]
    async fn a_waiter_gets_the_lock_when_the_holder_leaves() {
        let (_folder, one, two) = two_processes();
        let held = one.acquire(Duration::from_secs(1)).await;
        let (waiting, ()) =
            tokio::join!(two.acquire(Duration::from_secs(30)), async { drop(held) });
        assert!(waiting.is_held());
    }

    #[tokio::test]
    async fn a_waiter_goes_on_without_the_lock_and_a_late_grant_is_given_back() {
        let (_folder, one, two) = two_processes();
        let held = one.acquire(Duration::from_secs(1)).await;
        assert!(!two.acquire(Duration::from_millis(5)).await.is_held());

        drop(held);

        let again = one.acquire(Duration::from_secs(30)).await;
        assert!(again.is_held());
    }

    #[tokio::test]
    async fn a_caller_that_gave_up_can_line_up_again() {
        let (_folder, one, two) = two_processes();
        let held = one.acquire(Duration::from_secs(1)).await;
        assert!(!two.acquire(Duration::from_millis(5)).await.is_held());
        let (again, ()) = tokio::join!(two.acquire(Duration::from_secs(30)), async { drop(held) });
        assert!(again.is_held());
    }
}
