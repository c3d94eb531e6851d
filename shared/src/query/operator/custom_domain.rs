//! A relay's custom domain for operators: whether it is the relay's host, and why not.

use serde::Serialize;
use utoipa::ToSchema;

use super::explanation::{clock, span};
use crate::{
    domain::{CustomDomain, Relay, canonical_name},
    repositories::relay_domain::RelayDomain,
};

/// How far a custom domain is verified. Times are unix milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CustomDomainReport {
    /// The domain.
    pub domain: CustomDomain,
    /// The answer, for a tired person.
    pub sentence: String,
    /// Since when it is verified, and the relay's host.
    pub verified_at: Option<i64>,
    /// Since when every look-up of the verified domain has failed.
    pub failing_since: Option<i64>,
    /// When the relay falls back to its own host if that goes on.
    pub falls_back_at: Option<i64>,
    /// When it was last looked up.
    pub checked_at: Option<i64>,
    /// When it is looked up next.
    pub next_check_at: i64,
    /// What its tenant is told; "" when there is nothing to say.
    pub error: String,
}

/// That of `relay`, as it is at `now`.
pub(super) fn report(
    now: i64,
    relay: &Relay,
    domain: &CustomDomain,
    row: RelayDomain,
) -> CustomDomainReport {
    let falls_back_at = row.verification.falls_back_at();
    let verification = row.verification;
    let canonical = canonical_name(&relay.settings.subdomain, &relay.zooid_domain);
    let error = &verification.error;
    let sentence = match (
        verification.verified_at,
        verification.failing_since,
        falls_back_at,
    ) {
        (Some(verified_at), Some(since), Some(until)) => format!(
            "{domain} is verified since {}, but its look-ups have failed for {}: {error} The relay falls back to {canonical} \
             at {} if that goes on.",
            clock(now, verified_at),
            span(now - since),
            clock(now, until)
        ),
        (Some(verified_at), _, _) => format!(
            "{domain} is verified since {}, and the relay's host.",
            clock(now, verified_at)
        ),
        (None, _, _) if row.checked_at.is_none() => format!(
            "{domain} has not been looked up yet; until it is verified, the relay's host is {canonical}."
        ),
        (None, _, _) => {
            format!("{domain} is not verified, so the relay's host is {canonical}. {error}")
        }
    };
    CustomDomainReport {
        domain: domain.clone(),
        sentence,
        verified_at: verification.verified_at,
        failing_since: verification.failing_since,
        falls_back_at,
        checked_at: row.checked_at,
        next_check_at: row.next_check_at,
        error: verification.error,
    }
}
