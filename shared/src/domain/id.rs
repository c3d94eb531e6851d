//! Identifiers of relays, jobs, attempts and workers.
//!
//! Invariant: a relay id holds nothing but `[a-z0-9]`, so it is safe in zooid's path, in a file name and in an SQL identifier.

use std::fmt;
use std::str::FromStr;

use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};
use ulid::Ulid;
use utoipa::ToSchema;

use super::text::{Malformed, text_type};

/// Characters of a ULID in Crockford's base 32.
const ULID_CHARS: usize = 26;

/// Longest worker id we accept, in bytes: it ends up in socket names and log lines.
const WORKER_ID_MAX_BYTES: usize = 128;

text_type! {
    /// The id of a relay: a lower-case ULID, so ids sort by creation. zooid receives it in paths, as `[a-z0-9]{26}`.
    #[schema(pattern = "^[a-z0-9]{26}$", example = "01j9zx3v8qj5s3r5t3n0v2k4m6")]
    RelayId, "relay id", "must be 26 lower-case letters or digits", |text| {
        let valid = text.len() == ULID_CHARS && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        valid.then(|| text.to_owned())
    }
}

impl RelayId {
    /// A new id for `now_ms`, milliseconds since the Unix epoch, with 80 bits from `rng`.
    #[must_use]
    pub fn generate(now_ms: i64, rng: &mut impl Rng) -> Self {
        Self(
            Ulid::from_parts(now_ms.unsigned_abs(), rng.random())
                .to_string()
                .to_ascii_lowercase(),
        )
    }
}

text_type! {
    /// The id of a job: an upper-case ULID, the form apalis stores.
    #[schema(pattern = "^[0-7][0-9A-HJKMNP-TV-Z]{25}$", example = "01J9ZX3V8QJ5S3R5T3N0V2K4M6")]
    JobId, "job id", "must be an upper-case ULID", |text| {
        let ulid = Ulid::from_string(text).ok()?;
        (ulid.to_string() == text).then(|| text.to_owned())
    }
}

impl From<Ulid> for JobId {
    fn from(ulid: Ulid) -> Self {
        Self(ulid.to_string())
    }
}

text_type! {
    /// The name of a worker process, unique among those that live.
    #[schema(pattern = "^[!-~]{1,128}$", example = "worker-1@host")]
    WorkerId, "worker id", "must be 1 to 128 visible ASCII characters", |text| {
        let valid = (1..=WORKER_ID_MAX_BYTES).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        valid.then(|| text.to_owned())
    }
}

/// The id of one attempt of a sync, and the fence of its outcome.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(transparent)]
pub struct AttemptId(i64);

impl AttemptId {
    /// The id of the row `id`.
    #[must_use]
    pub fn new(id: i64) -> Self {
        Self(id)
    }

    /// The number of the row.
    #[must_use]
    pub fn get(self) -> i64 {
        self.0
    }
}

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for AttemptId {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self).map_err(|_| Malformed {
            what: "attempt id",
            rule: "must be a whole number",
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    use super::*;

    #[test]
    fn relay_ids_sort_by_the_time_they_were_made() {
        let mut rng = SmallRng::seed_from_u64(7);
        let early = RelayId::generate(1_700_000_000_000, &mut rng);
        let late = RelayId::generate(1_700_000_000_001, &mut rng);
        assert!(early < late);
    }

    #[test]
    fn ids_of_the_wrong_form_are_refused() {
        assert!("01J9ZX3V8QJ5S3R5T3N0V2K4M6".parse::<RelayId>().is_err());
        assert!("../../etc/passwd/aaaaaaaaa".parse::<RelayId>().is_err());
        assert!("".parse::<RelayId>().is_err());
        assert!("01j9zx3v8qj5s3r5t3n0v2k4m6".parse::<JobId>().is_err());
        assert!("8ZZZZZZZZZZZZZZZZZZZZZZZZZ".parse::<JobId>().is_err());
        assert!("01J9ZX3V8QJ5S3R5T3N0V2K4M6".parse::<JobId>().is_ok());
        assert!("worker one".parse::<WorkerId>().is_err());
        assert!("worker-1@host".parse::<WorkerId>().is_ok());
        assert_eq!("12".parse::<AttemptId>().unwrap(), AttemptId::new(12));
        assert!("twelve".parse::<AttemptId>().is_err());
    }

    proptest! {
        #[test]
        fn every_generated_relay_id_parses_back(now_ms in 0_i64..(1 << 47), seed: u64) {
            let id = RelayId::generate(now_ms, &mut SmallRng::seed_from_u64(seed));
            prop_assert_eq!(id.as_str().parse::<RelayId>().unwrap(), id);
        }
    }
}
