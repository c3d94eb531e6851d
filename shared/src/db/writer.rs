//! The one writer of this process: group commit.
//!
//! SQLite has a single write lock, and a durable commit costs an fsync. One task owns the writing connection, runs the
//! closures that have gathered, each in a savepoint of its own, commits them as one group, and only then answers each
//! caller, the failed ones too. Invariant: nobody is told anything about a write before the group it ran in is durable
//! or gone.

use std::{
    any::Any,
    future::Future,
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{FutureExt, future::BoxFuture};
use sqlx::{Connection, Executor, SqliteConnection};
use tokio::{
    sync::{Mutex, broadcast, mpsc, oneshot},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use super::{
    advisory_lock::{AdvisoryLock, beside},
    connect::{self, Create, DatabaseOptions, OpenError, Role},
    wake::{Due, Waker},
    write_tx::{Staged, WriteTx, primary_code},
};
use crate::{domain::Activity, metrics};

/// Closures waiting for the writer before callers have to wait to hand theirs over.
const QUEUE: usize = 1024;
/// Closures in one group, at most: what a lost group can take down with it.
const GROUP_CLOSURES: usize = 256;
/// How long a group may gather after its first closure: what its first caller waits for the others.
const GROUP_TIME: Duration = Duration::from_millis(20);
/// How long one closure may hold the write lock before it is undone.
const CLOSURE_LIMIT: Duration = Duration::from_secs(10);
/// How long to stand in line for the write lock before going on without a place in it.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);
/// How long to wait before asking again for a database that does not answer.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// Why a write was lost although its closure may have succeeded.
#[derive(Debug, Clone, thiserror::Error)]
pub enum WriteError {
    /// The group this write ran in was undone as a whole: nothing of it is in the database.
    #[error("the write was undone together with its group")]
    GroupLost(#[source] Arc<sqlx::Error>),
    /// The closure held the write lock for too long and was undone.
    #[error("the write took longer than {} s and was undone", CLOSURE_LIMIT.as_secs())]
    TooLong,
    /// The writer has ended: the program is stopping.
    #[error("the database is closed for writing")]
    Closed,
}

/// A closure that works on a write transaction; implemented for `async move |tx: &mut WriteTx| { … }`.
pub trait WriteFn<'t, T, E>: FnOnce(&'t mut WriteTx) -> Self::Fut + Send {
    /// What the closure returns.
    type Fut: Future<Output = Result<T, E>> + Send + 't;
}

impl<'t, T, E, F, Fut> WriteFn<'t, T, E> for F
where
    F: FnOnce(&'t mut WriteTx) -> Fut + Send,
    Fut: Future<Output = Result<T, E>> + Send + 't,
{
    type Fut = Fut;
}

/// The handle through which closures reach the writer task.
#[derive(Debug)]
pub(super) struct Writer {
    queue: mpsc::Sender<Box<dyn QueuedWrite>>,
    task: Mutex<Option<JoinHandle<()>>>,
    stop: CancellationToken,
}

impl Writer {
    pub(super) async fn start(
        options: &DatabaseOptions,
        notify: broadcast::Sender<Activity>,
    ) -> Result<Self, OpenError> {
        let connection = connect::writer(options, Create::Never).await?;
        Self::start_with(options, notify, connection)
    }

    fn start_with(
        options: &DatabaseOptions,
        notify: broadcast::Sender<Activity>,
        connection: SqliteConnection,
    ) -> Result<Self, OpenError> {
        let lock = |suffix| {
            let path = beside(&options.path, suffix);
            AdvisoryLock::open(&path).map_err(|source| OpenError::Io { path, source })
        };
        let waker = Waker::new(&options.path).map_err(|source| OpenError::Io {
            path: beside(&options.path, "wake"),
            source,
        })?;
        let lane = match options.role {
            Role::Background => Some(lock("lane")?),
            Role::Interactive => None,
        };
        let task = WriterTask {
            connection: Some(connection),
            ticket: lock("ticket")?,
            lane,
            waker,
            notify,
            options: options.clone(),
        };
        let (queue, calls) = mpsc::channel(QUEUE);
        let stop = CancellationToken::new();
        let task = tokio::spawn(task.run(calls, stop.clone()));
        Ok(Self {
            queue,
            task: Mutex::new(Some(task)),
            stop,
        })
    }

    pub(super) async fn write<T, E, F>(&self, f: F) -> Result<T, E>
    where
        F: for<'t> WriteFn<'t, T, E> + Send + 'static,
        T: Send + 'static,
        E: From<WriteError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let call = Call {
            closure: Some(f),
            end: None,
            reply,
        };
        self.queue
            .send(Box::new(call))
            .await
            .map_err(|_| WriteError::Closed)?;
        match answer.await.map_err(|_| WriteError::Closed)? {
            End::Returned(result) => result,
            End::Panicked(panic) => std::panic::resume_unwind(panic),
        }
    }

    /// Lets the writes already queued finish, then ends the task.
    pub(super) async fn close(&self) {
        self.stop.cancel();
        if let Some(task) = self.task.lock().await.take()
            && let Err(error) = task.await
        {
            tracing::error!(%error, "the database writer ended badly");
        }
    }
}

/// What a closure came to.
enum End<T, E> {
    Returned(Result<T, E>),
    Panicked(Box<dyn Any + Send>),
}

/// Whether a closure's changes stay in the group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Keep,
    Undo,
}

/// A closure in the queue, its types forgotten.
trait QueuedWrite: Send {
    /// Runs the closure and remembers how it ended.
    fn run<'t>(&'t mut self, tx: &'t mut WriteTx) -> BoxFuture<'t, Verdict>;
    /// Tells the caller: how the closure ended, or that its group was lost.
    fn answer(self: Box<Self>, group: Result<(), WriteError>);
}

struct Call<T, E, F> {
    closure: Option<F>,
    end: Option<End<T, E>>,
    reply: oneshot::Sender<End<T, E>>,
}

impl<T, E, F> QueuedWrite for Call<T, E, F>
where
    F: for<'t> WriteFn<'t, T, E> + Send,
    T: Send,
    E: From<WriteError> + Send,
{
    fn run<'t>(&'t mut self, tx: &'t mut WriteTx) -> BoxFuture<'t, Verdict> {
        async move {
            let Some(closure) = self.closure.take() else {
                return Verdict::Undo;
            };
            let closure = AssertUnwindSafe(async move { closure(tx).await }).catch_unwind();
            let (end, verdict) = match tokio::time::timeout(CLOSURE_LIMIT, closure).await {
                Ok(Ok(Ok(value))) => (End::Returned(Ok(value)), Verdict::Keep),
                Ok(Ok(Err(error))) => (End::Returned(Err(error)), Verdict::Undo),
                Ok(Err(panic)) => (End::Panicked(panic), Verdict::Undo),
                Err(_elapsed) => (
                    End::Returned(Err(WriteError::TooLong.into())),
                    Verdict::Undo,
                ),
            };
            self.end = Some(end);
            verdict
        }
        .boxed()
    }

    fn answer(self: Box<Self>, group: Result<(), WriteError>) {
        let end = match (group, self.end) {
            (Ok(()), Some(end)) => end,
            // A panic is the caller's own, whatever became of the group.
            (Err(_), Some(End::Panicked(panic))) => End::Panicked(panic),
            (Ok(()), None) => End::Returned(Err(WriteError::Closed.into())),
            (Err(error), _) => End::Returned(Err(error.into())),
        };
        // A caller that went away does not need the answer.
        let _ = self.reply.send(end);
    }
}

type Calls = mpsc::Receiver<Box<dyn QueuedWrite>>;

struct WriterTask {
    connection: Option<SqliteConnection>,
    ticket: AdvisoryLock,
    lane: Option<AdvisoryLock>,
    waker: Waker,
    notify: broadcast::Sender<Activity>,
    options: DatabaseOptions,
}

/// A group while it runs.
struct Group {
    tx: WriteTx,
    ran: Vec<Box<dyn QueuedWrite>>,
    staged: Vec<Staged>,
}

impl WriterTask {
    async fn run(mut self, mut calls: Calls, stop: CancellationToken) {
        loop {
            let first = tokio::select! {
                biased;
                call = calls.recv() => call,
                () = stop.cancelled(), if !calls.is_closed() => {
                    calls.close();
                    continue;
                }
            };
            let Some(first) = first else { break };
            self.run_group(first, &mut calls).await;
        }
        if let Some(connection) = self.connection.take()
            && let Err(error) = connection.close().await
        {
            tracing::warn!(%error, "cannot close the writing connection cleanly");
        }
    }

    async fn run_group(&mut self, first: Box<dyn QueuedWrite>, calls: &mut Calls) {
        let lined_up = Instant::now();
        let (committed, connection, began) = {
            // In this order everywhere, so that two processes cannot wait for each other.
            let lane = match &self.lane {
                Some(lane) => Some(lane.acquire(PATIENCE).await),
                None => None,
            };
            let ticket = self.ticket.acquire(PATIENCE).await;
            let tx = begin(&self.options, self.connection.take()).await;
            let began = Instant::now();
            tracing::trace!(target: "caravel::step", step = "write.begun");
            let (committed, connection) = Group::new(tx).run(first, calls).await;
            drop((ticket, lane));
            (committed, connection, began)
        };
        match committed {
            Ok((ran, staged)) => {
                metrics::observe_commit(began - lined_up, began.elapsed());
                self.connection = Some(connection);
                tracing::trace!(target: "caravel::step", step = "write.committed");
                self.announce(staged);
                for call in ran {
                    call.answer(Ok(()));
                }
            }
            Err((ran, error)) => {
                metrics::observe_lost_group();
                tracing::error!(%error, closures = ran.len(), "a group of writes was lost");
                // Its state is unknown: the next group gets a new one.
                if let Err(error) = connection.close_hard().await {
                    tracing::debug!(%error, "cannot close the connection of a lost group");
                }
                let error = WriteError::GroupLost(Arc::new(error));
                for call in ran {
                    call.answer(Err(error.clone()));
                }
            }
        }
    }

    fn announce(&self, staged: Vec<Staged>) {
        let mut due = Due::default();
        for staged in staged {
            due.join(staged.wake);
            for activity in staged.activities {
                // Nobody following is fine.
                let _ = self.notify.send(activity);
            }
        }
        self.waker.wake(due);
    }
}

type Committed =
    Result<(Vec<Box<dyn QueuedWrite>>, Vec<Staged>), (Vec<Box<dyn QueuedWrite>>, sqlx::Error)>;

impl Group {
    fn new(tx: WriteTx) -> Self {
        Self {
            tx,
            ran: Vec::new(),
            staged: Vec::new(),
        }
    }

    /// Runs `first` and whatever else has gathered, then commits. Gives the connection back beside the result.
    async fn run(
        mut self,
        first: Box<dyn QueuedWrite>,
        calls: &mut Calls,
    ) -> (Committed, SqliteConnection) {
        let began = Instant::now();
        let mut next = Some(first);
        while let Some(call) = next {
            let ended = self.run_one(call).await;
            let full = self.ran.len() >= GROUP_CLOSURES || began.elapsed() >= GROUP_TIME;
            next = if full || ended.is_err() {
                None
            } else {
                calls.try_recv().ok()
            };
            let settled = match ended {
                Ok(verdict) => self.settle(verdict, next.is_some()).await,
                Err(error) => Err(error),
            };
            if let Err(error) = settled {
                // A call already taken from the queue is part of what is lost.
                self.ran.extend(next);
                return self.lost(error);
            }
        }
        tracing::trace!(target: "caravel::step", step = "write.ran");
        match self.tx.connection().execute(sqlx::query("COMMIT")).await {
            Ok(_) => (Ok((self.ran, self.staged)), self.tx.into_connection()),
            Err(error) => self.lost(error),
        }
    }

    /// Runs one closure in its savepoint. An error means that the transaction as a whole is gone.
    async fn run_one(&mut self, mut call: Box<dyn QueuedWrite>) -> Result<Verdict, sqlx::Error> {
        let verdict = call.run(&mut self.tx).await;
        self.ran.push(call);
        let staged = self.tx.take_staged();
        if let Some(cause) = self.tx.lost_to() {
            return Err(sqlx::Error::Protocol(cause));
        }
        match verdict {
            Verdict::Keep => self.staged.push(staged),
            Verdict::Undo => drop(staged),
        }
        Ok(verdict)
    }

    /// Keeps or undoes what the last closure wrote, and opens the savepoint of the next one, if there is one. The commit
    /// releases the last savepoint by itself: every statement saved is a way to the connection's thread and back.
    async fn settle(&mut self, verdict: Verdict, more: bool) -> Result<(), sqlx::Error> {
        let control = match (verdict, more) {
            (Verdict::Keep, true) => "RELEASE w; SAVEPOINT w",
            (Verdict::Keep, false) => return Ok(()),
            (Verdict::Undo, _) => "ROLLBACK TO w",
        };
        self.tx.connection().execute(sqlx::query(control)).await?;
        Ok(())
    }

    fn lost(self, error: sqlx::Error) -> (Committed, SqliteConnection) {
        (Err((self.ran, error)), self.tx.into_connection())
    }
}

/// Begins a group's transaction on `connection`, or on a new one where there is none. Waits as long as that takes: for
/// another process's lock, and for a database that cannot be opened.
async fn begin(options: &DatabaseOptions, mut connection: Option<SqliteConnection>) -> WriteTx {
    loop {
        let attempt = match connection.take() {
            Some(connection) => Ok(connection),
            None => connect::writer(options, Create::Never).await,
        };
        match attempt {
            Ok(mut open) => match open
                .execute(sqlx::query("BEGIN IMMEDIATE; SAVEPOINT w"))
                .await
            {
                Ok(_) => return WriteTx::new(open),
                Err(error) => {
                    tracing::warn!(%error, "cannot begin a write; trying again");
                    if is_busy(&error) {
                        connection = Some(open);
                        continue;
                    }
                }
            },
            Err(error) => {
                tracing::warn!(%error, "cannot reopen the database for writing; trying again");
            }
        }
        tokio::time::sleep(RETRY_PAUSE).await;
    }
}

/// BUSY in any form (<https://sqlite.org/rescode.html#busy>): another connection holds the lock, and waiting helps.
fn is_busy(error: &sqlx::Error) -> bool {
    primary_code(error) == Some(5)
}

#[cfg(test)]
mod tests;
