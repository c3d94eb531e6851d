//! Looking custom domains up, so that a relay answers at its tenant's own domain once that leads to it.
//!
//! Every worker looks for due look-ups; the database lets each be taken once. What follows from one is decided in
//! `shared`: here is only the way to DNS.

mod dns;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use shared::{
    clock::SharedClock,
    command::{Command, CommandError, LookedUp},
    db::Db,
    domain::{DomainCheck, DomainFinding},
    repositories::relay_domain::{self, DueDomain},
};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use dns::{Dns, Unanswered};

/// Between two looks for what is due: how long somebody who has just set a domain waits for its first look-up.
const TICK: Duration = Duration::from_secs(1);

/// The pause before the resolver is set up anew when the system's configuration cannot be used.
const SETUP_PAUSE: Duration = Duration::from_mins(1);

/// Look-ups that one worker makes at the same time.
const AT_ONCE: usize = 32;

/// Names that a chain of aliases may have: more than anybody needs, and the end of a circle.
const ALIASES_MAX: usize = 8;

/// How long all questions about one domain may take together.
const DEADLINE: Duration = Duration::from_secs(30);

/// For how long a look-up is this worker's: until the deadline, and then some time to record what was found.
const LEASE: Duration = Duration::from_secs(40);

/// Look-ups on behalf of one worker.
#[derive(Clone)]
pub(crate) struct Domains {
    pub(crate) db: Db,
    pub(crate) clock: SharedClock,
    pub(crate) command: Command,
    /// The servers that are asked; those of the system when empty.
    pub(crate) resolvers: Vec<SocketAddr>,
    /// The shortest pause between two look-ups of one domain.
    pub(crate) check_every: Duration,
}

impl Domains {
    /// Looks up what is due until `stop`. Look-ups under way are dropped then; others make them when their lease is over.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let Some(dns) = stop.run_until_cancelled(self.set_up()).await else {
            return;
        };
        let this = Arc::new(self);
        let mut looking = JoinSet::new();
        loop {
            match this.take_due(AT_ONCE.saturating_sub(looking.len())).await {
                Ok(due) => {
                    for domain in due {
                        let looking_up = Arc::clone(&this).carry_out(dns.clone(), domain);
                        looking.spawn(looking_up.in_current_span());
                    }
                }
                Err(error) => tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "cannot look for custom domains to look up; looking again"
                ),
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = this.clock.sleep_until(this.clock.now() + TICK) => {}
            }
            while let Some(ended) = looking.try_join_next() {
                if let Err(error) = ended {
                    tracing::error!(%error, "the look-up of a custom domain broke; it is made again when its lease is over");
                }
            }
        }
    }

    /// The resolver, as soon as there is a configuration for it.
    async fn set_up(&self) -> Dns {
        loop {
            match Dns::new(&self.resolvers) {
                Ok(dns) => return dns,
                Err(error) => tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "cannot look custom domains up; trying again. DNS_RESOLVER names servers when the system does not"
                ),
            }
            self.clock.sleep_until(self.clock.now() + SETUP_PAUSE).await;
        }
    }

    async fn take_due(&self, limit: usize) -> Result<Vec<DueDomain>, CommandError> {
        if limit == 0 || !relay_domain::any_due(self.db.readers(), self.clock.now()).await? {
            return Ok(Vec::new());
        }
        self.command.take_due_domains(LEASE, limit).await
    }

    async fn carry_out(self: Arc<Self>, dns: Dns, due: DueDomain) {
        let check = &due.check;
        let finding = tokio::time::timeout(DEADLINE, look_up(&dns, check))
            .await
            .unwrap_or_else(|_elapsed| check.inconclusive(&Unanswered::Late.to_string()));
        let (relay, domain) = (due.relay.clone(), check.domain.clone());
        if let DomainFinding::Inconclusive(sentence) = &finding {
            tracing::warn!(relay.id = %relay, relay.custom_domain = %domain, "{sentence}");
        }
        match self
            .command
            .record_domain(due, finding, self.check_every)
            .await
        {
            Ok(LookedUp::Verified) => {
                tracing::info!(relay.id = %relay, relay.custom_domain = %domain, "a custom domain is verified, and the relay's host from now on");
            }
            Ok(LookedUp::FellBack) => {
                tracing::warn!(relay.id = %relay, relay.custom_domain = %domain, "a custom domain failed for too long; the relay falls back to its own host");
            }
            Ok(LookedUp::Same | LookedUp::Outdated) => {}
            Err(error) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                relay.id = %relay,
                "cannot record the look-up of a custom domain; it is made again when its lease is over"
            ),
        }
    }
}

/// Asks as little as it takes: an alias may decide alone.
async fn look_up(dns: &Dns, check: &DomainCheck) -> DomainFinding {
    let followed = match follow(dns, check).await {
        Ok(Followed::Decided(finding)) => return finding,
        Ok(Followed::LastAlias(alias)) => Ok(alias),
        Err(unanswered) => Err(unanswered),
    };
    // Before the domain is blamed: while DNS does not even know us, the fault is not the domain's.
    let canonical = match dns.addresses(&check.canonical).await {
        Ok(canonical) if canonical.is_empty() => return check.inconclusive("it has none"),
        Ok(canonical) => canonical,
        Err(unanswered) => return check.inconclusive(&unanswered.to_string()),
    };
    let alias = match followed {
        Ok(alias) => alias,
        Err(unanswered) => return check.unanswered(&unanswered.to_string()),
    };
    match dns.addresses(check.domain.as_str()).await {
        Ok(addresses) => check.judge_addresses(alias.as_deref(), &addresses, &canonical),
        Err(unanswered) => check.unanswered(&unanswered.to_string()),
    }
}

/// Where a chain of aliases led.
enum Followed {
    /// To a name that decides.
    Decided(DomainFinding),
    /// To this name, if there was any.
    LastAlias(Option<String>),
}

async fn follow(dns: &Dns, check: &DomainCheck) -> Result<Followed, Unanswered> {
    let mut last = None;
    for _ in 0..ALIASES_MAX {
        let name = last.as_deref().unwrap_or(check.domain.as_str());
        let Some(alias) = dns.alias(name).await? else {
            break;
        };
        if let Some(finding) = check.judge_alias(&alias) {
            return Ok(Followed::Decided(finding));
        }
        last = Some(alias);
    }
    Ok(Followed::LastAlias(last))
}
