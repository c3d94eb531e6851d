//! How a commit in one process is noticed in the others: an empty datagram to every socket in `<db>.wake/`.
//!
//! A hint, never a promise: who misses one (a crash between commit and send, a tool that writes the database) finds the
//! work at its next tick. Nothing is read from a datagram.

use std::{
    io::ErrorKind,
    os::unix::net::UnixDatagram as StdDatagram,
    path::{Path, PathBuf},
};

use tokio::net::UnixDatagram;
use ulid::Ulid;

use super::advisory_lock::beside;

/// Who listens, and so what is worth waking it for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WakeKind {
    /// A worker: there may be something to claim.
    Worker,
    /// A follower of what happens (event streams): there is something new to show.
    Follower,
}

impl WakeKind {
    fn prefix(self) -> &'static str {
        match self {
            Self::Worker => "w",
            Self::Follower => "f",
        }
    }
}

/// What a commit has for others; both may be due.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Due {
    pub(super) workers: bool,
    pub(super) followers: bool,
}

impl Due {
    pub(super) fn add(&mut self, kind: WakeKind) {
        match kind {
            WakeKind::Worker => self.workers = true,
            WakeKind::Follower => self.followers = true,
        }
    }

    pub(super) fn join(&mut self, other: Self) {
        self.workers |= other.workers;
        self.followers |= other.followers;
    }

    fn wants(self, file_name: &str) -> bool {
        (self.workers && file_name.starts_with(WakeKind::Worker.prefix()))
            || (self.followers && file_name.starts_with(WakeKind::Follower.prefix()))
    }
}

/// The sending side, one per writer.
#[derive(Debug)]
pub(super) struct Waker {
    folder: PathBuf,
    socket: StdDatagram,
}

impl Waker {
    pub(super) fn new(database: &Path) -> std::io::Result<Self> {
        let folder = folder(database)?;
        let socket = StdDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        Ok(Self { folder, socket })
    }

    /// Tells every listener that `due` concerns. Never waits; sockets whose process is gone are removed.
    pub(super) fn wake(&self, due: Due) {
        if !due.workers && !due.followers {
            return;
        }
        let Ok(entries) = std::fs::read_dir(&self.folder) else {
            return;
        };
        for entry in entries.flatten() {
            if !entry
                .file_name()
                .to_str()
                .is_some_and(|name| due.wants(name))
            {
                continue;
            }
            let path = entry.path();
            if let Err(error) = self.socket.send_to(&[], &path)
                && error.kind() == ErrorKind::ConnectionRefused
            {
                let _ = std::fs::remove_file(path);
            }
        }
    }
}

/// The listening side. Dropping it removes its socket.
#[derive(Debug)]
pub struct WakeListener {
    path: PathBuf,
    socket: UnixDatagram,
}

impl WakeListener {
    pub(super) fn bind(database: &Path, kind: WakeKind) -> std::io::Result<Self> {
        let name = Ulid::generate().to_string();
        let path = folder(database)?.join(format!("{}{name}", kind.prefix()));
        let socket = UnixDatagram::bind(&path)?;
        Ok(Self { path, socket })
    }

    /// Waits for a commit that concerns this listener. Many commits may be one answer. Cancel-safe.
    ///
    /// # Errors
    /// When the socket is broken.
    pub async fn woken(&self) -> std::io::Result<()> {
        let mut nothing = [0; 1];
        self.socket.recv(&mut nothing).await?;
        while self.socket.try_recv(&mut nothing).is_ok() {}
        Ok(())
    }
}

impl Drop for WakeListener {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

fn folder(database: &Path) -> std::io::Result<PathBuf> {
    let folder = beside(database, "wake");
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}
