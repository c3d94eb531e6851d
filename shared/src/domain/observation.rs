//! What a relay shows at its own host, against what zooid accepted for it (NIP-11; zooid.md, *What a 200 does not mean*).
//!
//! Invariant: what decides whether a relay is in effect is written here and nowhere else: that it answers, as `self`, with
//! its `pubkey` and its `name`. Its icon and description are read as well, and decide nothing.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{DesiredRelay, Pubkey, text::text_enum};

text_enum! {
    /// In what a relay can differ from what zooid accepted for it.
    DriftField, "field" {
        /// Nothing answers at its host although it is on, or it answers although it is off.
        Answers = "answers",
        /// Its own public key.
        SelfKey = "self",
        /// Its owner.
        Pubkey = "pubkey",
        /// Its name.
        Name = "name",
    }
}

/// What a NIP-11 document says of a relay, as far as Caravel told zooid of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RelayDocument {
    /// Its own public key; none when it names none that is one.
    #[serde(rename = "self")]
    pub self_key: Option<Pubkey>,
    /// Its owner; none when it names none that is one.
    pub pubkey: Option<Pubkey>,
    /// Its name; "" when it has none.
    pub name: String,
    /// The URL of its icon; "" when it has none.
    pub icon: String,
    /// Its description; "" when it has none.
    pub description: String,
}

/// One look at a relay's host that was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// In what it differs; empty when the relay is in effect.
    pub drift: Vec<DriftField>,
    /// What was shown, its texts redacted and cut; none when there is no relay at this host.
    pub document: Option<RelayDocument>,
}

/// What a relay should show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectedDocument {
    answers: bool,
    self_key: Pubkey,
    pubkey: Pubkey,
    name: String,
}

impl ExpectedDocument {
    /// What `relay` should show; `self_key` is the public half of its secret.
    #[must_use]
    pub fn new(relay: &DesiredRelay, self_key: Pubkey) -> Self {
        Self {
            answers: !relay.is_inactive(),
            self_key,
            pubkey: relay.tenant_pubkey.clone(),
            name: relay.settings.info_name.clone(),
        }
    }

    /// In what `shown` differs; `None` stands for a host at which there is no relay.
    #[must_use]
    pub fn drift(&self, shown: Option<&RelayDocument>) -> Vec<DriftField> {
        let Some(document) = shown else {
            return self
                .answers
                .then_some(DriftField::Answers)
                .into_iter()
                .collect();
        };
        let is_self = document.self_key.as_ref() == Some(&self.self_key);
        if !self.answers {
            // Another relay at the host of one that is off is not this one's doing.
            return is_self.then_some(DriftField::Answers).into_iter().collect();
        }
        [
            (is_self, DriftField::SelfKey),
            (
                document.pubkey.as_ref() == Some(&self.pubkey),
                DriftField::Pubkey,
            ),
            (document.name == self.name, DriftField::Name),
        ]
        .into_iter()
        .filter_map(|(agrees, field)| (!agrees).then_some(field))
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{PlanId, RelayStatus, relay::tests::relay};

    const OTHER: &str = "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";

    fn desired(status: RelayStatus) -> DesiredRelay {
        let mut desired = DesiredRelay::from(&relay(PlanId::Basic));
        desired.status = status;
        desired.settings.info_name = "Bakery".to_owned();
        desired
    }

    /// A relay whose own key is its owner's, and the document that it should show.
    fn in_effect(status: RelayStatus) -> (ExpectedDocument, RelayDocument) {
        let desired = desired(status);
        let key = desired.tenant_pubkey.clone();
        let document = RelayDocument {
            self_key: Some(key.clone()),
            pubkey: Some(key.clone()),
            name: "Bakery".to_owned(),
            ..RelayDocument::default()
        };
        (ExpectedDocument::new(&desired, key), document)
    }

    #[test]
    fn a_relay_that_is_on_differs_in_each_field_that_decides() {
        let (expected, document) = in_effect(RelayStatus::Active);
        let other: Option<Pubkey> = Some(OTHER.parse().unwrap());
        let described = RelayDocument {
            icon: "https://example.com/other.png".to_owned(),
            description: "changed by its admin".to_owned(),
            ..document.clone()
        };
        let foreign = RelayDocument {
            self_key: other.clone(),
            pubkey: other,
            name: "Butcher".to_owned(),
            ..document.clone()
        };

        assert_eq!(expected.drift(Some(&document)), []);
        assert_eq!(expected.drift(Some(&described)), []);
        assert_eq!(expected.drift(None), [DriftField::Answers]);
        assert_eq!(
            expected.drift(Some(&foreign)),
            [DriftField::SelfKey, DriftField::Pubkey, DriftField::Name]
        );
        assert_eq!(
            expected.drift(Some(&RelayDocument::default())),
            [DriftField::SelfKey, DriftField::Pubkey, DriftField::Name]
        );
    }

    #[test]
    fn a_relay_that_is_off_differs_when_it_answers_itself() {
        for status in [RelayStatus::Inactive, RelayStatus::Delinquent] {
            let (expected, document) = in_effect(status);
            let somebody_else = RelayDocument {
                self_key: Some(OTHER.parse().unwrap()),
                ..document.clone()
            };

            assert_eq!(expected.drift(None), []);
            assert_eq!(expected.drift(Some(&somebody_else)), []);
            assert_eq!(expected.drift(Some(&document)), [DriftField::Answers]);
        }
    }
}
