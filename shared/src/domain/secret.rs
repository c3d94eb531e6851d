//! The secret key a relay signs with.
//!
//! Invariant: it is a valid key in the form zooid wants, it never shows in `Debug` output, and its memory is wiped. It is generated once,
//! before the first POST, and never changes: the relay's identity depends on it (zooid.md, Hazards).

use std::fmt;

use nostr::key::{Keys, SecretKey};
use rand::{CryptoRng, RngExt as _};
use zeroize::Zeroizing;

use super::{Malformed, Pubkey};

/// A relay's secret key: 64 lower-case hex digits.
#[derive(Clone, PartialEq, Eq)]
pub struct RelaySecret(Zeroizing<String>);

impl RelaySecret {
    /// A new key from `rng`.
    #[must_use]
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        loop {
            let bytes: Zeroizing<[u8; SecretKey::LEN]> = Zeroizing::new(rng.random());
            // All but one in 2^128 draws are valid keys.
            if let Ok(secret) = Self::parse(hex::encode(bytes).as_bytes()) {
                return secret;
            }
        }
    }

    /// Reads a key from the bytes of its text, the form in which it is sealed.
    ///
    /// # Errors
    /// When the text is not 64 hex digits or its number is no secret key on secp256k1.
    pub fn parse(text: &[u8]) -> Result<Self, Malformed> {
        let mut hex = Zeroizing::new(str::from_utf8(text).map_err(|_| malformed())?.to_owned());
        hex.make_ascii_lowercase();
        SecretKey::from_hex(&hex).map_err(|_| malformed())?;
        Ok(Self(hex))
    }

    /// The key itself: for sealing, and for the body of a POST or PUT to zooid.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Its public half: the relay's identity, which it shows as `self` (NIP-11).
    ///
    /// # Errors
    /// Never for a key that was parsed.
    pub fn public_key(&self) -> Result<Pubkey, Malformed> {
        let secret = SecretKey::from_hex(&self.0).map_err(|_| malformed())?;
        Keys::new(secret).public_key().try_into()
    }
}

fn malformed() -> Malformed {
    Malformed {
        what: "relay secret",
        rule: "must be a secret key of 64 hex digits",
    }
}

impl fmt::Debug for RelaySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RelaySecret([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    #[test]
    fn a_generated_secret_reads_back_and_differs_from_the_next() {
        let mut rng = StdRng::seed_from_u64(1);
        let secret = RelaySecret::generate(&mut rng);
        assert_eq!(
            RelaySecret::parse(secret.expose().as_bytes()).unwrap(),
            secret
        );
        assert_ne!(RelaySecret::generate(&mut rng), secret);
    }

    #[test]
    fn what_is_no_secret_key_is_refused_without_being_quoted() {
        for bad in [
            "0".repeat(64),
            "f".repeat(64),
            "ab".to_owned(),
            "x".repeat(64),
        ] {
            let error = RelaySecret::parse(bad.as_bytes()).unwrap_err();
            assert!(!error.to_string().contains(&bad));
        }
        assert!(RelaySecret::parse(&[0xff; 64]).is_err());
    }

    #[test]
    fn the_public_half_is_the_one_that_nostr_derives() {
        let one = RelaySecret::parse(format!("{:064}", 1).as_bytes()).unwrap();

        assert_eq!(
            one.public_key().unwrap().as_hex(),
            "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"
        );
    }

    #[test]
    fn debug_output_shows_nothing_of_a_secret() {
        let secret = RelaySecret::generate(&mut StdRng::seed_from_u64(2));
        assert_eq!(format!("{secret:?}"), "RelaySecret([redacted])");
    }
}
