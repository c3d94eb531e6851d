//! What can happen.

use proptest::prelude::*;

use super::world::{RELAYS, WORKERS};
use crate::domain::{FailureKind, RelayAction};

/// One thing that happens. Numbers beyond what there is are taken modulo.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    /// The owner changes a setting, or the relay is switched off for want of payment: a new generation and its job.
    Edit(usize),
    /// The owner gives the relay another name, if no other relay has it.
    Rename(usize, usize),
    /// An admin removes the relay for good.
    Remove(usize),
    /// A worker fills its free slots.
    Claim(usize, usize),
    /// A held sync ends.
    End(usize, Ending),
    /// A worker falls silent for a lease while the others beat and watch: it was killed, or only stopped.
    Silence(usize),
    /// Everybody is stalled for longer than a lease.
    Stall,
    /// An operator's action on one relay.
    Act(RelayAction, usize),
    /// An operator holds the target or lets it go on.
    HoldTarget(bool),
    /// An operator holds the queue or lets it go on.
    HoldQueue(bool),
    /// A probe of the target that is due or was asked for, and whether zooid answers.
    Probe(bool),
    /// Somebody looks for relays that no job covers.
    Reconcile,
    /// Jobs are lost: a backup was restored, a row deleted by hand.
    LoseWaitingJobs,
    /// Seconds pass.
    Pass(i64),
}

/// How a sync ends.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ending {
    /// zooid did it and said so, unless another relay has the host.
    Accepted,
    /// It failed without effect.
    Failed(FailureKind),
    /// No answer came. The call lands after so many seconds, or never.
    Unknown(Option<i64>),
    /// The worker stopped before it began.
    NotStarted,
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    let relay = 0..RELAYS;
    let worker = 0..WORKERS.len();
    prop_oneof![
        14 => relay.clone().prop_map(Step::Edit),
        4 => (relay.clone(), 0..RELAYS + 1).prop_map(|(relay, name)| Step::Rename(relay, name)),
        1 => relay.clone().prop_map(Step::Remove),
        24 => (worker.clone(), 1..4_usize).prop_map(|(worker, slots)| Step::Claim(worker, slots)),
        30 => (0..100_usize, ending()).prop_map(|(held, ending)| Step::End(held, ending)),
        5 => worker.prop_map(Step::Silence),
        1 => Just(Step::Stall),
        8 => (action(), relay).prop_map(|(action, relay)| Step::Act(action, relay)),
        2 => any::<bool>().prop_map(Step::HoldTarget),
        2 => any::<bool>().prop_map(Step::HoldQueue),
        3 => any::<bool>().prop_map(Step::Probe),
        3 => Just(Step::Reconcile),
        1 => Just(Step::LoseWaitingJobs),
        16 => (1..40_i64).prop_map(Step::Pass),
    ]
}

fn ending() -> impl Strategy<Value = Ending> {
    prop_oneof![
        6 => Just(Ending::Accepted),
        5 => kind().prop_map(Ending::Failed),
        3 => prop::option::of(0..50_i64).prop_map(Ending::Unknown),
        1 => Just(Ending::NotStarted),
    ]
}

/// The kinds that a worker reports of a call without effect.
fn kind() -> impl Strategy<Value = FailureKind> {
    prop::sample::select(vec![
        FailureKind::Unreachable,
        FailureKind::Throttled,
        FailureKind::CredentialsRefused,
        FailureKind::KeyNotAllowed,
        FailureKind::Conflict,
        FailureKind::Invalid,
        FailureKind::TargetDisk,
        FailureKind::ServerError,
        FailureKind::OurFault,
    ])
}

fn action() -> impl Strategy<Value = RelayAction> {
    prop::sample::select(vec![
        RelayAction::Retry,
        RelayAction::Sync,
        RelayAction::Cancel,
        RelayAction::Pause,
        RelayAction::Resume,
        RelayAction::Release,
    ])
}
