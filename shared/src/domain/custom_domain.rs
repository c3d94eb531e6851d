//! Whether a tenant's own domain leads to their relay: what DNS must say of it, and what follows.
//!
//! A domain is verified when its chain of aliases (CNAME) reaches the relay's own host name, or when it has no other
//! addresses than that name. Invariant: nothing but a look-up verifies it, and a verified one is given up only when the
//! look-ups of a whole [`CUSTOM_DOMAIN_GRACE`] have failed.

use std::{collections::BTreeSet, net::IpAddr, time::Duration};

use super::{CustomDomain, Subdomain, ZooidDomain};

/// How long a verified domain may fail before its relay falls back: longer than an outage of somebody's name servers, and
/// than the time a wrong record is kept in caches.
pub const CUSTOM_DOMAIN_GRACE: Duration = Duration::from_hours(24);

/// For how long after it was set a domain is looked up often. Whoever has not set the record by then has forgotten it.
const EAGER: Duration = Duration::from_hours(24);

/// How much longer the pauses are for a domain that is verified, or that nobody is waiting for any more.
const RELAXED: u32 = 15;

/// Addresses that a sentence names.
const NAMED_ADDRESSES: usize = 4;

/// A custom domain, and where it must lead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainCheck {
    /// The domain.
    pub domain: CustomDomain,
    /// The relay's own host name, as [`canonical_name`] has it.
    pub canonical: String,
    /// All domains under which relays are served.
    pub served: Vec<ZooidDomain>,
}

/// What a look-up found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DomainFinding {
    /// The domain leads to the relay.
    LeadsHere,
    /// It does not, or DNS does not answer for it: a sentence for its tenant.
    Fails(String),
    /// Nothing is known, by no fault of the domain's: a sentence for its tenant.
    Inconclusive(String),
}

/// How far a domain is verified. Times are unix milliseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DomainVerification {
    /// Since when it is verified.
    pub verified_at: Option<i64>,
    /// Since when every look-up of the verified domain has failed.
    pub failing_since: Option<i64>,
    /// What its tenant has to know; "" when there is nothing to say.
    pub error: String,
}

/// The host name at which a relay can always be looked up: under the served domain, without a port.
#[must_use]
pub fn canonical_name(subdomain: &Subdomain, zooid_domain: &ZooidDomain) -> String {
    format!("{subdomain}.{}", zooid_domain.name())
}

impl DomainCheck {
    /// What follows from `alias`, the next name in the domain's chain: nothing, unless it is the relay's own or another
    /// relay's. Whoever points to another relay has chosen that one, although all relays may have the same addresses.
    #[must_use]
    pub fn judge_alias(&self, alias: &str) -> Option<DomainFinding> {
        if alias == self.canonical {
            return Some(DomainFinding::LeadsHere);
        }
        let is_ours = self.served.iter().any(|served| {
            alias
                .strip_suffix(served.name())
                .is_some_and(|rest| rest.ends_with('.'))
        });
        is_ours.then(|| {
            DomainFinding::Fails(format!(
                "{} points to {alias}, which is not this relay. Let its CNAME record point to {}.",
                self.domain, self.canonical
            ))
        })
    }

    /// What follows from its addresses and those of the relay's own host name, of which there is one at least, when the chain
    /// of aliases, which ends in `last_alias`, said nothing.
    #[must_use]
    pub fn judge_addresses(
        &self,
        last_alias: Option<&str>,
        addresses: &BTreeSet<IpAddr>,
        canonical: &BTreeSet<IpAddr>,
    ) -> DomainFinding {
        if !addresses.is_empty() && addresses.is_subset(canonical) {
            return DomainFinding::LeadsHere;
        }
        let found = match (last_alias, addresses.is_empty()) {
            (None, true) => "has no address in DNS".to_owned(),
            (Some(alias), true) => format!("points to {alias}, which has no address in DNS"),
            (None, false) => format!("has the address {}", list(addresses)),
            (Some(alias), false) => {
                format!(
                    "points to {alias}, which has the address {}",
                    list(addresses)
                )
            }
        };
        DomainFinding::Fails(format!(
            "{} {found}. Give it a CNAME record that points to {}, or the addresses of that host and no others.",
            self.domain, self.canonical
        ))
    }

    /// DNS did not answer for the domain.
    #[must_use]
    pub fn unanswered(&self, why: &str) -> DomainFinding {
        DomainFinding::Fails(format!(
            "DNS could not tell where {} leads ({why}). It is looked up again.",
            self.domain
        ))
    }

    /// DNS tells no address of the relay's own host name, so nobody can tell whether the domain leads there.
    #[must_use]
    pub fn inconclusive(&self, why: &str) -> DomainFinding {
        DomainFinding::Inconclusive(format!(
            "{} could not be compared with {}, whose addresses could not be looked up ({why}). It is looked up again.",
            self.domain, self.canonical
        ))
    }
}

fn list(addresses: &BTreeSet<IpAddr>) -> String {
    let named: Vec<String> = addresses
        .iter()
        .take(NAMED_ADDRESSES)
        .map(ToString::to_string)
        .collect();
    let named = named.join(", ");
    match addresses.len().saturating_sub(NAMED_ADDRESSES) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

impl DomainVerification {
    /// Whether the domain is the relay's host.
    #[must_use]
    pub fn is_verified(&self) -> bool {
        self.verified_at.is_some()
    }

    /// When a verified domain is given up if every look-up until then fails; `None` while there is no reason to.
    #[must_use]
    pub fn falls_back_at(&self) -> Option<i64> {
        self.failing_since
            .map(|since| since.saturating_add(millis(CUSTOM_DOMAIN_GRACE)))
    }

    /// What it is after a look-up at `now`.
    #[must_use]
    pub fn after(&self, finding: &DomainFinding, now: i64) -> Self {
        match (finding, self.verified_at) {
            (DomainFinding::LeadsHere, verified_at) => Self {
                verified_at: verified_at.or(Some(now)),
                failing_since: None,
                error: String::new(),
            },
            (DomainFinding::Inconclusive(_), Some(_)) => self.clone(),
            (DomainFinding::Fails(error) | DomainFinding::Inconclusive(error), None) => Self {
                error: error.clone(),
                ..Self::default()
            },
            (DomainFinding::Fails(error), Some(_)) => {
                let failing = Self {
                    failing_since: self.failing_since.or(Some(now)),
                    error: error.clone(),
                    ..*self
                };
                if failing.falls_back_at() > Some(now) {
                    failing
                } else {
                    Self {
                        verified_at: None,
                        failing_since: None,
                        ..failing
                    }
                }
            }
        }
    }

    /// How long to wait for the next look-up, for a domain that was set at `set_at`; `every` is the shortest pause.
    #[must_use]
    pub fn pause(&self, set_at: i64, now: i64, every: Duration) -> Duration {
        let is_new = now.saturating_sub(set_at) < millis(EAGER);
        if is_new && !self.is_verified() {
            every
        } else {
            every * RELAXED
        }
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: i64 = 3_600_000;
    const EVERY: Duration = Duration::from_mins(1);

    fn check() -> DomainCheck {
        DomainCheck {
            domain: "chat.example.org".parse().unwrap(),
            canonical: canonical_name(
                &"mine".parse().unwrap(),
                &"spaces.example.com:8443".parse().unwrap(),
            ),
            served: vec![
                "spaces.example.com:8443".parse().unwrap(),
                "eu.example.com".parse().unwrap(),
            ],
        }
    }

    fn addresses(texts: &[&str]) -> BTreeSet<IpAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn fails(finding: DomainFinding) -> String {
        match finding {
            DomainFinding::Fails(sentence) => sentence,
            other => panic!("{other:?}"),
        }
    }

    fn failing() -> DomainFinding {
        DomainFinding::Fails("Wrong.".to_owned())
    }

    #[test]
    fn an_alias_decides_when_it_is_the_relay_or_another_one() {
        assert_eq!(
            check().judge_alias("mine.spaces.example.com"),
            Some(DomainFinding::LeadsHere)
        );
        for other in ["yours.spaces.example.com", "mine.eu.example.com"] {
            let sentence = fails(check().judge_alias(other).unwrap());
            assert_eq!(
                sentence,
                format!(
                    "chat.example.org points to {other}, which is not this relay. Let its CNAME record point to \
                     mine.spaces.example.com."
                )
            );
        }
        for open in [
            "edge.example.net",
            "spaces.example.com",
            "notspaces.example.com",
        ] {
            assert_eq!(check().judge_alias(open), None, "{open}");
        }
    }

    #[test]
    fn a_domain_leads_here_when_it_has_addresses_and_none_that_is_not_the_relays() {
        let ours = addresses(&["192.0.2.1", "192.0.2.2", "2001:db8::1"]);

        for theirs in [&["192.0.2.2"][..], &["192.0.2.1", "2001:db8::1"]] {
            assert_eq!(
                check().judge_addresses(None, &addresses(theirs), &ours),
                DomainFinding::LeadsHere
            );
        }
        for theirs in [&[][..], &["192.0.2.9"], &["192.0.2.1", "192.0.2.9"]] {
            fails(check().judge_addresses(None, &addresses(theirs), &ours));
        }
    }

    #[test]
    fn a_sentence_names_what_was_found_and_what_to_do() {
        let ours = addresses(&["192.0.2.1"]);
        let many = addresses(&["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5"]);
        let elsewhere = Some("edge.example.net");
        let what_to_do = "Give it a CNAME record that points to mine.spaces.example.com, or the addresses of that host and no others.";

        for (alias, theirs, found) in [
            (None, BTreeSet::new(), "has no address in DNS"),
            (
                elsewhere,
                BTreeSet::new(),
                "points to edge.example.net, which has no address in DNS",
            ),
            (
                None,
                addresses(&["10.0.0.1", "10.0.0.2"]),
                "has the address 10.0.0.1, 10.0.0.2",
            ),
            (
                elsewhere,
                many,
                "points to edge.example.net, which has the address 10.0.0.1, 10.0.0.2, 10.0.0.3, 10.0.0.4 and 1 more",
            ),
        ] {
            assert_eq!(
                fails(check().judge_addresses(alias, &theirs, &ours)),
                format!("chat.example.org {found}. {what_to_do}")
            );
        }
    }

    #[test]
    fn a_verified_domain_is_given_up_after_a_day_of_failures_and_not_before() {
        let verified = DomainVerification::default().after(&DomainFinding::LeadsHere, HOUR);
        let mut now = 5 * HOUR;
        let mut failed = verified.after(&failing(), now);
        assert_eq!(failed.falls_back_at(), Some(29 * HOUR));
        while now < 29 * HOUR - 1 {
            now += HOUR - 1;
            failed = failed.after(&failing(), now.min(29 * HOUR - 1));
            assert_eq!(failed.verified_at, Some(HOUR));
        }

        let given_up = failed.after(&failing(), 29 * HOUR);

        assert_eq!(
            given_up,
            DomainVerification {
                error: "Wrong.".to_owned(),
                ..DomainVerification::default()
            }
        );
    }

    #[test]
    fn one_good_look_up_forgives_all_failures() {
        let verified = DomainVerification::default().after(&DomainFinding::LeadsHere, 1);

        let again = verified
            .after(&failing(), HOUR)
            .after(&DomainFinding::LeadsHere, 20 * HOUR);

        assert_eq!(again, verified);
        let later = again.after(&failing(), 30 * HOUR);
        assert!(later.is_verified());
    }

    #[test]
    fn what_is_not_the_domains_fault_never_counts_against_it() {
        let unknown = DomainFinding::Inconclusive("Unknown.".to_owned());
        let verified = DomainVerification::default().after(&DomainFinding::LeadsHere, 1);
        let failed = verified.after(&failing(), HOUR);

        assert_eq!(verified.after(&unknown, 100 * HOUR), verified);
        assert_eq!(failed.after(&unknown, 100 * HOUR), failed);
        let unverified = DomainVerification::default().after(&unknown, 1);
        assert_eq!(
            (unverified.is_verified(), unverified.error.as_str()),
            (false, "Unknown.")
        );
    }

    #[test]
    fn only_a_new_domain_that_is_not_verified_is_looked_up_often() {
        let unverified = DomainVerification::default();
        let verified = unverified.after(&DomainFinding::LeadsHere, 1);

        assert_eq!(unverified.pause(0, 24 * HOUR - 1, EVERY), EVERY);
        assert_eq!(unverified.pause(0, 24 * HOUR, EVERY), EVERY * 15);
        assert_eq!(verified.pause(0, 1, EVERY), EVERY * 15);
    }

    proptest! {
        /// What the table's own checks demand.
        #[test]
        fn after_any_look_ups_an_error_is_told_exactly_while_something_is_wrong(
            steps in proptest::collection::vec((0_u8..3, 0_i64..40 * HOUR), 1..20)
        ) {
            let (mut state, mut now) = (DomainVerification::default(), 1);
            for (finding, passed) in steps {
                now += passed;
                let finding = match finding {
                    0 => DomainFinding::LeadsHere,
                    1 => failing(),
                    _ => DomainFinding::Inconclusive("Unknown.".to_owned()),
                };
                state = state.after(&finding, now);
                prop_assert!(state.failing_since.is_none() || state.is_verified());
                let is_well = state.is_verified() && state.failing_since.is_none();
                prop_assert_eq!(state.error.is_empty(), is_well);
            }
        }
    }
}
