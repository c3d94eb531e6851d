//! What zooid should be told about a relay: the input of a sync.

use super::{
    Generation, Pubkey, Relay, RelayId, RelaySettings, RelayStatus, Schema, Verb, ZooidDomain,
};

/// What is remembered of a relay that zooid has accepted not to have: the whole of its accepted state.
pub const ABSENT: &str = r#"{"absent":true}"#;

/// The desired state of one relay at one generation. The relay's sealed secret travels beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DesiredRelay {
    /// The relay, and its name in zooid.
    pub id: RelayId,
    /// The version of this state.
    pub generation: Generation,
    /// The owner, which zooid publishes as `info.pubkey`.
    pub tenant_pubkey: Pubkey,
    /// The domain of ours under which it answers.
    pub zooid_domain: ZooidDomain,
    /// Its name in zooid's database.
    pub schema: Schema,
    /// Whether zooid is to have no configuration of it at all, whatever else is desired.
    pub is_removed: bool,
    /// Whether it answers.
    pub status: RelayStatus,
    /// Whether the custom domain is known to lead here.
    pub custom_domain_verified: bool,
    /// What its tenant set.
    pub settings: RelaySettings,
    /// What zooid has of it, as far as we know: decides how it is sent.
    pub in_zooid: InZooid,
}

/// What zooid has of a relay, as far as we know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InZooid {
    /// Nothing: it never accepted anything.
    Nothing,
    /// A configuration that it accepted.
    Accepted,
    /// One with another key than the relay's own, as it was seen to answer: only the whole configuration brings that back.
    OtherKey,
}

impl DesiredRelay {
    /// The host name zooid serves it at: the custom domain once that is verified, else the subdomain under our domain.
    #[must_use]
    pub fn host(&self) -> String {
        match &self.settings.custom_domain {
            Some(domain) if self.custom_domain_verified => domain.to_string(),
            Some(_) | None => format!("{}.{}", self.settings.subdomain, self.zooid_domain),
        }
    }

    /// How it is sent: DELETE if it was removed; POST if zooid never accepted it, else PATCH; PUT where the secret in zooid's
    /// file has to be replaced, which a PATCH leaves alone.
    #[must_use]
    pub fn verb(&self) -> Verb {
        if self.is_removed {
            return Verb::Delete;
        }
        match self.in_zooid {
            InZooid::Nothing => Verb::Post,
            InZooid::Accepted => Verb::Patch,
            InZooid::OtherKey => Verb::Put,
        }
    }

    /// Whether zooid must keep it from answering.
    #[must_use]
    pub fn is_inactive(&self) -> bool {
        match self.status {
            RelayStatus::Active => false,
            RelayStatus::Inactive | RelayStatus::Delinquent => true,
        }
    }
}

impl From<&Relay> for DesiredRelay {
    fn from(relay: &Relay) -> Self {
        Self {
            id: relay.id.clone(),
            generation: relay.generation,
            tenant_pubkey: relay.tenant_pubkey.clone(),
            zooid_domain: relay.zooid_domain.clone(),
            schema: relay.schema.clone(),
            is_removed: relay.removed_at.is_some(),
            status: relay.status,
            custom_domain_verified: relay.custom_domain_verified,
            settings: relay.settings.clone(),
            in_zooid: if relay.synced {
                InZooid::Accepted
            } else {
                InZooid::Nothing
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::PlanId;
    use crate::domain::relay::tests::relay;

    #[test]
    fn a_custom_domain_becomes_the_host_only_when_it_is_verified() {
        let mut desired = DesiredRelay::from(&relay(PlanId::Basic));
        assert_eq!(desired.host(), "mine.spaces.example.com");
        desired.settings.custom_domain = Some("chat.example.org".parse().unwrap());
        assert_eq!(desired.host(), "mine.spaces.example.com");
        desired.custom_domain_verified = true;
        assert_eq!(desired.host(), "chat.example.org");
        desired.settings.custom_domain = None;
        assert_eq!(desired.host(), "mine.spaces.example.com");
    }

    #[test]
    fn only_active_relays_answer() {
        for (status, inactive) in [
            (RelayStatus::Active, false),
            (RelayStatus::Inactive, true),
            (RelayStatus::Delinquent, true),
        ] {
            let desired = DesiredRelay {
                status,
                ..DesiredRelay::from(&relay(PlanId::Basic))
            };
            assert_eq!(desired.is_inactive(), inactive);
        }
    }
}
