//! The job queue: apalis's `Jobs` and `Workers` tables, consumed by a backend of our own.
//!
//! What each state and key of a row means, and who moves it, stands in `docs/job-lifecycle.md`. The invariants:
//!
//! - One waiting and at most one running job per relay: `idempotency_key` (unique with `job_type`) is the relay id while
//!   a job waits, `<relay id>:running` while it runs, and NULL once it has ended.
//! - A job names a relay and carries no settings; the worker sends the newest desired state it finds when it claims.
//! - An outcome counts only while its attempt row is open. Claims, outcomes and everything they entail are one write
//!   transaction, a *turn*; no transaction spans a network call.
//! - Statuses: `Pending` with `lock_by` NULL waits; `Running` runs; `Done` ended well or needlessly; `Killed` ended
//!   otherwise. `Failed` and `Queued` are never written: stock consumers would claim such rows.

mod backend;
mod backoff;
mod circuit;
mod claim;
mod conflict;
mod engine;
mod enqueue;
mod failure;
mod failure_group;
mod figures;
mod hours;
mod job;
mod liveness;
pub mod observation;
pub(crate) mod operator;
pub mod outcome;
mod periodic;
pub mod probe;
mod prune;
mod reconcile;
pub mod settings;
mod settle;
mod transition;
mod turn;

pub use backend::{SyncBackend, SyncLayer};
pub use backoff::RetryPolicy;
pub use claim::ClaimedSync;
pub use engine::{Engine, EngineConfig, EngineError};
pub use enqueue::{Enqueue, Enqueued, enqueue, enqueue_first};
pub use figures::{Fleet, TargetFigures, fleet, last_beat, oldest_due, touch};
pub use hours::{SumHoursError, sum_hours};
pub use job::{JOB_TYPE, Priority, SyncJob};
pub use prune::{PruneError, Pruned, prune};
pub use reconcile::reconcile;

#[cfg(test)]
mod tests;
