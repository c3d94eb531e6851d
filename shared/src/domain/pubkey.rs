//! Nostr public keys.
//!
//! Invariant: a `Pubkey` is a point on the curve in lower-case hex. zooid goes down, with every tenant, on an `info.pubkey` that is none.

use nostr::key::PublicKey;
use nostr::nips::nip19::ToBech32;

use super::text::text_type;

text_type! {
    /// A Nostr public key: 64 lower-case hex digits, an x coordinate on secp256k1 (NIP-01). Parses hex in either case and `npub` (NIP-19).
    #[schema(pattern = "^[0-9a-f]{64}$", example = "3bf0c63fcb93463407af97a5e5ee64fa883d107ef9e558472c4eb9aaaefa459d")]
    Pubkey, "public key", "must be a Nostr public key, as 64 hex digits or npub", |text| {
        // `nostr:` URIs and nprofile are refused: what they carry beside the key would be lost.
        let is_known_form = text.starts_with("npub1") || text.len() == 2 * PublicKey::LEN;
        let key = is_known_form.then(|| PublicKey::parse(text).ok())??;
        key.xonly().is_ok().then(|| key.to_hex())
    }
}

impl Pubkey {
    /// The key as 64 lower-case hex digits.
    #[must_use]
    pub fn as_hex(&self) -> &str {
        &self.0
    }

    /// The key as `npub1...` (NIP-19).
    #[must_use]
    pub fn to_npub(&self) -> String {
        // The text was parsed as a key and bech32 of 32 bytes cannot fail; hex is the honest answer if it ever did.
        PublicKey::from_hex(&self.0)
            .ok()
            .and_then(|key| key.to_bech32().ok())
            .unwrap_or_else(|| self.0.clone())
    }
}

impl TryFrom<PublicKey> for Pubkey {
    type Error = super::Malformed;

    fn try_from(key: PublicKey) -> Result<Self, Self::Error> {
        key.to_hex().parse()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEX: &str = "3bf0c63fcb93463407af97a5e5ee64fa883d107ef9e558472c4eb9aaaefa459d";
    const NPUB: &str = "npub180cvv07tjdrrgpa0j7j7tmnyl2yr6yr7l8j4s3evf6u64th6gkwsyjh6w6";

    #[test]
    fn hex_of_either_case_and_npub_name_the_same_key() {
        let key: Pubkey = HEX.parse().unwrap();
        assert_eq!(HEX.to_uppercase().parse::<Pubkey>().unwrap(), key);
        assert_eq!(NPUB.parse::<Pubkey>().unwrap(), key);
        assert_eq!(key.as_hex(), HEX);
        assert_eq!(key.to_npub(), NPUB);
    }

    #[test]
    fn hex_that_is_no_point_on_the_curve_is_refused() {
        assert!("f".repeat(64).parse::<Pubkey>().is_err());
        assert!("0".repeat(64).parse::<Pubkey>().is_err());
        assert!(HEX[1..].parse::<Pubkey>().is_err());
        assert!(format!("nostr:{NPUB}").parse::<Pubkey>().is_err());
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in ".{0,80}") {
            let _ = text.parse::<Pubkey>();
        }
    }
}
