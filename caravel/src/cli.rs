//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use shared::domain::Pubkey;

use crate::operator::arguments::OperatorCommand;

/// The control plane for hosted Nostr relays
#[derive(Parser)]
#[command(
    version,
    long_about = "\
The control plane for hosted Nostr relays.

Tenants create and configure relays over HTTP; workers make the remote zooid server match. Everything durable, the job \
queue included, is one SQLite database.

To see it work, with nothing to configure: caravel demo"
)]
pub struct Cli {
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// What the program can do.
#[derive(Subcommand)]
pub enum Command {
    /// Show everything at work: API, worker and a stand-in for zooid, with sample relays
    #[command(long_about = DEMO)]
    Demo(DemoArgs),
    /// Serve the API and run a worker, in one process
    #[command(long_about = SERVE)]
    Serve,
    /// Serve the API alone, as caravel-api does
    #[command(long_about = api::program::HELP)]
    Api,
    /// Run a worker alone, as caravel-worker does
    #[command(long_about = worker::program::HELP)]
    Worker,
    #[command(flatten)]
    Operator(OperatorCommand),
    /// Sign a request to the API and print its Authorization header
    #[command(long_about = SIGN)]
    Sign(SignArgs),
    /// Print a fresh key
    #[command(long_about = KEYGEN)]
    Keygen(KeygenArgs),
    /// Print a link that signs in at the dashboard, once
    #[command(name = "login-link", long_about = LOGIN_LINK)]
    LoginLink(LoginLinkArgs),
    /// Fill a database with an invented fleet and its history
    #[command(long_about = SEED)]
    Seed(SeedArgs),
}

const DEMO: &str = "\
Shows everything at work, with nothing to configure.

Runs the API, a worker and two stand-ins for zooid in this process, on an embedded SQLite database. Three tenants sign in \
and create thirteen relays over HTTP, with real signatures. Then things go wrong, on purpose: an answer is lost, a zooid \
goes down and comes back, is overloaded, hangs, has a file of its own in the way, and a stored key is damaged, so that a \
relay ends in quarantine. Each line says when something happened, to which relay, and how many relays are in step.

It prints a link to the dashboard that signs in. The stand-ins have ports of their own for faults: break them yourself and \
watch. Ctrl-C drains and says what was done.";

const SERVE: &str = "\
Serves the API and runs a worker, in one process on one database. Enough for one host; further `caravel worker` \
processes may join at any time.

Configured by environment variables, or by a file .env in the working directory; .env.example explains each. It needs \
SERVER_URL, CARAVEL_SECRETS_KEY, and RELAY_DOMAIN, ZOOID_API_URL and ZOOID_API_SECRET, or ZOOID_TARGETS for several zooids.

Prints `listening on http://HOST:PORT` and `worker ID ready` on standard output; logs go to standard error. SIGTERM or \
SIGINT drains both: requests and calls under way end and are recorded. A second signal stops at once.

Exit codes: 0 drained; 1 could not start, or the drain was cut short; 78 the configuration is wrong; 130 stopped by a \
second signal.";

const SIGN: &str = "\
Signs a request to the API (NIP-98) and prints the value of its Authorization header.

With --method, the header is good for that one request, for a minute:
  curl -H \"Authorization: $(caravel sign --url http://localhost:2892/identity --method GET)\" \\
      http://localhost:2892/identity

Without, it opens a session: --url is then SERVER_URL as the server has it, and the header is good for every route of a \
tenant, for 15 minutes unless AUTH_SESSION_SECONDS says otherwise.

The key is read from CARAVEL_SIGN_KEY unless --key gives it. Mind that other users of a machine can see arguments.";

const KEYGEN: &str = "\
Prints a fresh key pair in all its forms: for ZOOID_API_SECRET (its public half goes into zooid's API_WHITELIST), for \
SERVER_ADMIN_PUBKEYS and CARAVEL_SIGN_KEY.

With --secrets-key, a fresh CARAVEL_SECRETS_KEY instead. Keep a copy of it: without it, stored secrets are lost.";

const LOGIN_LINK: &str = "\
Prints a link that signs in at the dashboard without a Nostr extension. It works once, and for ten minutes.

Takes the configuration of the API, in the same places: it writes to its database, and the link begins with SERVER_URL. \
Whoever opens it acts as the first of SERVER_ADMIN_PUBKEYS, unless another key is named that has a role.";

const SEED: &str = "\
Fills the configured database with an invented fleet and fourteen days of its history, to look at the dashboard with, or \
to measure it: tenants, relays in every state, attempts with their failures, the log, counts and charts.

The same seed gives the same fleet, with times that end at the present. Nothing is ever sent for it: its domains end in \
.seed.example, which no worker serves. Needs DATABASE_URL and CARAVEL_SECRETS_KEY; makes the database if there is none.

  DATABASE_URL=sqlite://data/seed.db caravel seed --relays 100000 --attempts 1000000";

/// How to show everything at work.
#[derive(Args)]
pub struct DemoArgs {
    /// Keep database, keys and zooid's files in this folder, and go on from what is there; a temporary one if absent
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Port of the API on 127.0.0.1; a free one if absent
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    pub port: u16,
    /// How fast the story is told: 2 halves its pauses
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = speed)]
    pub speed: f64,
    /// End when the story does: exit 0 if every relay is in step, 1 if not within two minutes
    #[arg(long)]
    pub once: bool,
    /// Which log lines to show on standard error: directives of the form target=level
    #[arg(long, value_name = "DIRECTIVES", default_value = "off")]
    pub log: String,
}

/// What to sign, and with which key.
#[derive(Args)]
pub struct SignArgs {
    /// The URL of the request, query included; for a session, the API's own
    #[arg(long)]
    pub url: String,
    /// The verb of the request, such as PUT; a session if absent
    #[arg(long)]
    pub method: Option<String>,
    /// The secret key, as hex or nsec
    #[arg(
        long,
        value_name = "HEX_OR_NSEC",
        env = "CARAVEL_SIGN_KEY",
        hide_env_values = true
    )]
    pub key: String,
}

/// Which key to make.
#[derive(Args)]
pub struct KeygenArgs {
    /// The key that seals stored secrets, instead of a key pair
    #[arg(long)]
    pub secrets_key: bool,
}

/// Whom to sign in.
#[derive(Args)]
pub struct LoginLinkArgs {
    /// Only to look, whatever the key may do
    #[arg(long)]
    pub readonly: bool,
    /// As whom: an admin's or a reader's public key, as hex or npub
    #[arg(value_name = "PUBKEY")]
    pub pubkey: Option<Pubkey>,
}

/// What to fill a database with.
#[derive(Args)]
pub struct SeedArgs {
    /// How many relays
    #[arg(long, default_value_t = 1000)]
    pub relays: usize,
    /// How many attempts, of all of them together
    #[arg(long, default_value_t = 10_000)]
    pub attempts: usize,
    /// What makes another fleet of the same size
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub seed: u64,
    /// Add to the relays that are there already
    #[arg(long)]
    pub add: bool,
}

fn speed(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(factor) if (0.01..=100.0).contains(&factor) => Ok(factor),
        Ok(_) | Err(_) => Err("expected a number from 0.01 to 100".to_owned()),
    }
}
