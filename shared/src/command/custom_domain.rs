//! Verifying custom domains, and giving them up: what a look-up in DNS makes of a relay.
//!
//! Invariant: the relay's host, its line in the log and the sync that tells zooid change in the write that records the
//! look-up.

use std::{sync::Arc, time::Duration};

use super::{
    Command, CommandError, Context, Trace,
    relay::{change, get},
};
use crate::{
    db::WriteTx,
    domain::{ActivityType, DomainFinding, Relay},
    repositories::relay_domain::{self, DueDomain},
};

/// What became of a look-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LookedUp {
    /// The relay's host is what it was.
    Same,
    /// The domain is verified, and the relay's host from now on.
    Verified,
    /// The domain failed for too long: the relay is at its host name under the served domain again.
    FellBack,
    /// The domain or the subdomain changed meanwhile, or somebody else has taken the look-up: nothing was written.
    Outdated,
}

impl Command {
    /// Takes at most `limit` due look-ups of custom domains for whoever calls, who makes them within `lease`.
    ///
    /// # Errors
    /// [`CommandError::Database`], [`CommandError::Write`].
    pub async fn take_due_domains(
        &self,
        lease: Duration,
        limit: usize,
    ) -> Result<Vec<DueDomain>, CommandError> {
        let now = self.context.clock.now();
        self.db
            .write(async move |tx: &mut WriteTx| {
                Ok(relay_domain::take_due(tx, now, lease, limit).await?)
            })
            .await
    }

    /// Records what a look-up found; `every` is the shortest pause before the next.
    ///
    /// # Errors
    /// [`CommandError::Database`], [`CommandError::Write`].
    pub async fn record_domain(
        &self,
        due: DueDomain,
        finding: DomainFinding,
        every: Duration,
    ) -> Result<LookedUp, CommandError> {
        let context = Arc::clone(&self.context);
        self.db
            .write(async move |tx: &mut WriteTx| record(tx, &context, &due, &finding, every).await)
            .await
    }
}

/// Records what a look-up found.
///
/// # Errors
/// As [`Command::record_domain`].
pub async fn record(
    tx: &mut WriteTx,
    context: &Context,
    due: &DueDomain,
    finding: &DomainFinding,
    every: Duration,
) -> Result<LookedUp, CommandError> {
    let Some(row) = relay_domain::find(&mut *tx, &due.relay)
        .await?
        .filter(|row| row.next_check_at == due.taken_until)
    else {
        return Ok(LookedUp::Outdated);
    };
    let now = context.clock.now();
    let verification = row.verification.after(finding, now.timestamp_millis());
    let pause = verification.pause(row.set_at, now.timestamp_millis(), every);
    relay_domain::record(tx, &due.relay, now, &verification, now + pause).await?;

    let before = get(tx, &due.relay).await?;
    let looked_up = match (before.custom_domain_verified, verification.is_verified()) {
        (false, true) => LookedUp::Verified,
        (true, false) => LookedUp::FellBack,
        (true, true) | (false, false) => return Ok(LookedUp::Same),
    };
    let after = Relay {
        custom_domain_verified: verification.is_verified(),
        ..before.clone()
    };
    change(
        tx,
        context,
        &Trace::none(),
        ActivityType::UpdateRelay,
        before,
        after,
    )
    .await?;
    Ok(looked_up)
}
