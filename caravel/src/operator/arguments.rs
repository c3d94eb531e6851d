//! The command lines of operators.

use std::{num::NonZeroUsize, path::PathBuf};

use clap::{ArgGroup, Args, Subcommand};
use shared::domain::{FailureKind, SyncState, ZooidDomain};

/// What an operator can ask for from the shell.
#[derive(Subcommand)]
pub enum OperatorCommand {
    /// List how relays stand, the latest news first
    #[command(long_about = SYNCS)]
    Syncs(SyncsArgs),
    /// Explain why a relay stands as it does, and what to do
    #[command(long_about = EXPLAIN)]
    Explain(ExplainArgs),
    /// List attempts, the newest first
    Attempts(AttemptsArgs),
    /// List what relays fail with now, grouped by cause
    Groups(GroupsArgs),
    /// List the zooids, their circuits and how many of their relays are in step
    Targets(OutputArgs),
    /// List the workers and what they are at
    Workers(OutputArgs),
    /// List what operators did, the latest first
    Audit(AuditArgs),
    /// Try relays again as soon as possible, with a fresh budget
    #[command(long_about = RETRY)]
    Retry(RelaysArgs),
    /// Send relays once more, although zooid may have their newest state
    #[command(long_about = SYNC)]
    Sync(RelaysArgs),
    /// Give up what has not reached zooid, until the next edit
    #[command(long_about = CANCEL)]
    Cancel(RelaysArgs),
    /// Hold syncs back: of relays, of a target, or all
    #[command(long_about = PAUSE)]
    Pause(HoldArgs),
    /// Let paused syncs go on
    #[command(long_about = RESUME)]
    Resume(HoldArgs),
    /// Release relays from quarantine, and send them
    #[command(long_about = RELEASE)]
    Release(RelaysArgs),
    /// Remove a relay for good
    #[command(long_about = REMOVE)]
    Remove(RemoveArgs),
    /// Probe a target as soon as possible
    #[command(long_about = PROBE)]
    Probe(ProbeArgs),
    /// Enqueue relays that are out of step without a job, or all
    #[command(long_about = RECONCILE)]
    Reconcile(ReconcileArgs),
    /// Copy the database to a file while everything runs
    #[command(long_about = BACKUP)]
    Backup(BackupArgs),
    /// Seal stored secrets anew, after their key was changed
    #[command(long_about = ROTATE_SECRETS)]
    RotateSecrets(OutputArgs),
}

const SYNCS: &str = "\
Lists how relays stand on their way to zooid, the latest news first. Several values of an option are separated by commas; \
a relay must pass every option given.

  caravel syncs --state failed,quarantined
  caravel syncs --group 17 --limit 1000 --json";

const EXPLAIN: &str = "\
Explains why a relay stands as it does, and what to do: its state, what keeps it, its job, what differs from what zooid \
accepted, the next request, its attempts and what happened to it. The relay is named by its id, its host or its subdomain.";

const RETRY: &str = "\
Tries relays again as soon as possible, with a fresh budget, those that were given up included.

Relays are named by id, host or subdomain, or chosen by options, of which each must pass. What is chosen by options is \
counted first, and done after a yes; without a terminal to ask at, it needs --yes.

  caravel retry bakery.relays.example.com
  caravel retry --group 17
  caravel retry --state failed --kind target_disk --yes";

const SYNC: &str = "\
Sends relays once more as soon as possible, although zooid may have their newest state: after zooid lost files, or when \
in doubt. Relays are named or chosen as with retry.";

const CANCEL: &str = "\
Gives up what has not reached zooid: waiting syncs end, running ones are not tried again, until the next edit or retry. \
Relays are named or chosen as with retry.";

const PAUSE: &str = "\
Holds syncs back until they are resumed; those that run may end. Of relays, named or chosen as with retry; of everything \
that a zooid serves, with --target alone; of all, with --queue.

  caravel pause bakery
  caravel pause --target relays.example.com
  caravel pause --queue";

const RESUME: &str = "\
Lets paused syncs go on: of relays, of a target or of all, as they were paused. One does not end the other: a relay that \
is paused itself stays so when its target is resumed.";

const RELEASE: &str = "\
Releases relays from quarantine, forgets the crashes and faults that led to it, and sends them. Find out first what they \
did to the workers: caravel explain. Relays are named or chosen as with retry.";

const REMOVE: &str = "\
Removes a relay for good, named by its id, host or subdomain. zooid is told to delete its configuration; events, members \
and media stay in zooid's folders, and nobody is ever given them again. The relay's secret key is wiped at once. Its names \
become free when zooid has confirmed; caravel explain tells. Nothing takes this back.

It is done after a yes; without a terminal to ask at, it needs --yes.";

const PROBE: &str = "\
Asks for a probe of a target as soon as possible, by the workers that serve it. When it succeeds, an open circuit closes. \
caravel targets shows what came of it.";

const RECONCILE: &str = "\
Enqueues relays that are out of step although no job covers them, as workers do from time to time.

With --all it sends every relay once more, those that were given up included: after a backup was restored, or when zooid \
lost its files. Only what is quarantined is left alone.";

const BACKUP: &str = "\
Copies the database to a file while everything runs.

The copy is one moment's state, checked for integrity and written through to the disk; only then it gets its name. A \
file that is there already is never replaced. How to restore it is in docs/operations.md. Keep it apart from \
CARAVEL_SECRETS_KEY, and keep both: secrets in it are sealed under that key.";

const ROTATE_SECRETS: &str = "\
Seals relay keys and wallet URLs anew under CARAVEL_SECRETS_KEY, where they lie under CARAVEL_SECRETS_KEY_PREVIOUS.

The secrets themselves stay what they are, and zooid is not told anything. Restart all programs with the new key first: \
until then they go on sealing under the former one. It may be stopped at any time; the next run goes on from there. \
Fails when some value cannot be opened, and names it.";

/// How to print.
#[derive(Args)]
pub struct OutputArgs {
    /// Print JSON, for scripts
    #[arg(long)]
    pub json: bool,
}

/// How much of a list to print, and how.
#[derive(Args)]
pub struct ListArgs {
    /// At most so many rows
    #[arg(long, value_name = "ROWS", default_value = "50")]
    pub limit: NonZeroUsize,
    /// How to print
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Which relays, by what they are like.
#[derive(Args)]
pub struct FilterArgs {
    /// In one of these states: synced, pending, running, retrying, failed, held, paused, quarantined
    #[arg(long, value_name = "STATES", value_delimiter = ',')]
    pub state: Vec<SyncState>,
    /// Failing in one of these ways, such as unreachable or conflict
    #[arg(long, value_name = "KINDS", value_delimiter = ',')]
    pub kind: Vec<FailureKind>,
    /// Failing with one of these causes, as numbered by `caravel groups`
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',')]
    pub group: Vec<i64>,
    /// Found by this: the beginning of an id, host or subdomain, a tenant's key, a job's id, words of an error
    #[arg(long, value_name = "TEXT")]
    pub q: Option<String>,
}

/// Relays served by certain zooids.
#[derive(Args)]
pub struct TargetsArgs {
    /// Served under one of these domains
    #[arg(long, value_name = "DOMAINS", value_delimiter = ',')]
    pub target: Vec<ZooidDomain>,
}

/// What to list of syncs.
#[derive(Args)]
pub struct SyncsArgs {
    /// Which relays
    #[command(flatten)]
    pub filter: FilterArgs,
    /// Which zooids
    #[command(flatten)]
    pub targets: TargetsArgs,
    /// How much
    #[command(flatten)]
    pub list: ListArgs,
}

/// Which relay to explain.
#[derive(Args)]
pub struct ExplainArgs {
    /// The relay's id, host or subdomain
    pub relay: String,
    /// How to print
    #[command(flatten)]
    pub output: OutputArgs,
}

/// What to list of attempts.
#[derive(Args)]
pub struct AttemptsArgs {
    /// Of this relay: its id, host or subdomain
    #[arg(long)]
    pub relay: Option<String>,
    /// That failed in one of these ways
    #[arg(long, value_name = "KINDS", value_delimiter = ',')]
    pub kind: Vec<FailureKind>,
    /// That failed with one of these causes, as numbered by `caravel groups`
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',')]
    pub group: Vec<i64>,
    /// At one of these zooids
    #[command(flatten)]
    pub targets: TargetsArgs,
    /// How much
    #[command(flatten)]
    pub list: ListArgs,
}

/// What to list of failure groups.
#[derive(Args)]
pub struct GroupsArgs {
    /// Of one of these kinds
    #[arg(long, value_name = "KINDS", value_delimiter = ',')]
    pub kind: Vec<FailureKind>,
    /// At one of these zooids
    #[command(flatten)]
    pub targets: TargetsArgs,
    /// How much
    #[command(flatten)]
    pub list: ListArgs,
}

/// What to list of operators' actions.
#[derive(Args)]
pub struct AuditArgs {
    /// By this operator: a public key, or `shell`
    #[arg(long)]
    pub actor: Option<String>,
    /// Such as retry or pause
    #[arg(long)]
    pub action: Option<String>,
    /// How much
    #[command(flatten)]
    pub list: ListArgs,
}

/// Which relays to act on: those named, or those that pass every option.
#[derive(Args)]
#[command(group = some_of(&["relays", "state", "kind", "group", "q", "target"]))]
pub struct RelaysArgs {
    /// Relays by id, host or subdomain
    #[arg(value_name = "RELAY", conflicts_with_all = ["state", "kind", "group", "q", "target"])]
    pub relays: Vec<String>,
    /// Which relays
    #[command(flatten)]
    pub filter: FilterArgs,
    /// Which zooids
    #[command(flatten)]
    pub targets: TargetsArgs,
    /// Whether to ask
    #[command(flatten)]
    pub consent: ConsentArgs,
}

/// Which syncs to hold back or let go.
#[derive(Args)]
#[command(group = some_of(&["relays", "state", "kind", "group", "q", "target", "queue"]))]
pub struct HoldArgs {
    /// Relays by id, host or subdomain
    #[arg(value_name = "RELAY", conflicts_with_all = ["state", "kind", "group", "q", "target", "queue"])]
    pub relays: Vec<String>,
    /// Which relays
    #[command(flatten)]
    pub filter: FilterArgs,
    /// Everything that this zooid serves, now and later
    #[arg(long, value_name = "DOMAIN", conflicts_with_all = ["state", "kind", "group", "q", "queue"])]
    pub target: Option<ZooidDomain>,
    /// The queue as a whole
    #[arg(long, conflicts_with_all = ["state", "kind", "group", "q"])]
    pub queue: bool,
    /// Whether to ask
    #[command(flatten)]
    pub consent: ConsentArgs,
}

/// Whether to ask before acting on what options choose.
#[derive(Args)]
pub struct ConsentArgs {
    /// Act on all relays that the options choose without asking
    #[arg(long)]
    pub yes: bool,
    /// How to print
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Which relay to remove.
#[derive(Args)]
pub struct RemoveArgs {
    /// The relay's id, host or subdomain
    pub relay: String,
    /// Remove it without asking
    #[arg(long)]
    pub yes: bool,
    /// How to print
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Which target to probe.
#[derive(Args)]
pub struct ProbeArgs {
    /// The domain that it serves
    pub target: ZooidDomain,
    /// How to print
    #[command(flatten)]
    pub output: OutputArgs,
}

/// What to reconcile.
#[derive(Args)]
pub struct ReconcileArgs {
    /// Every relay, in step or not
    #[arg(long)]
    pub all: bool,
    /// Only relays served under this domain
    #[arg(long, value_name = "DOMAIN")]
    pub target: Option<ZooidDomain>,
    /// How to print
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Where to copy the database.
#[derive(Args)]
pub struct BackupArgs {
    /// The file to make; its folder must exist
    pub file: PathBuf,
    /// How to print
    #[command(flatten)]
    pub output: OutputArgs,
}

/// To act on everything is never what leaving everything out means.
fn some_of(arguments: &[&'static str]) -> ArgGroup {
    ArgGroup::new("which")
        .args(arguments)
        .required(true)
        .multiple(true)
}
