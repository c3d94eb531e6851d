//! The counter that says which desired state is newer.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Malformed;

/// A version of a relay's desired state: 1 when the relay is created, one more with every write that zooid must learn of.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[schema(minimum = 1)]
#[serde(try_from = "i64")]
pub struct Generation(i64);

impl Generation {
    /// The generation of a relay that was just created.
    pub const FIRST: Self = Self(1);

    /// The number, at least 1.
    #[must_use]
    pub fn get(self) -> i64 {
        self.0
    }

    /// The generation after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl TryFrom<i64> for Generation {
    type Error = Malformed;

    fn try_from(number: i64) -> Result<Self, Self::Error> {
        if number >= 1 {
            Ok(Self(number))
        } else {
            Err(Malformed {
                what: "generation",
                rule: "must be at least 1",
            })
        }
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Generation {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse::<i64>()
            .map_err(|_| Malformed {
                what: "generation",
                rule: "must be a whole number",
            })?
            .try_into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generations_start_at_one_and_grow() {
        assert_eq!(Generation::FIRST.get(), 1);
        assert_eq!(Generation::FIRST.next().get(), 2);
        assert!(Generation::FIRST.next() > Generation::FIRST);
        assert!(Generation::try_from(0).is_err());
        assert!("-1".parse::<Generation>().is_err());
        assert!(serde_json::from_str::<Generation>("0").is_err());
        assert_eq!(serde_json::from_str::<Generation>("3").unwrap().get(), 3);
    }
}
