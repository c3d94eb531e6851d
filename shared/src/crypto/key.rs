//! The root key of all secrets at rest, and what is derived from it.

use std::fmt;
use std::str::FromStr;

use base64::prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD, Engine as _};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

/// Bytes of the root key and of each key derived from it.
const KEY_BYTES: usize = 32;

/// The block of SHA-256, in bytes. HMAC fills a shorter key up with zeros to this length (RFC 2104, section 2).
const BLOCK_BYTES: usize = 64;

/// The 32-byte root key under which secrets are sealed.
///
/// The root itself is forgotten as soon as it is read: what is kept are keys derived from it, one for each purpose,
/// so that no use can weaken another. Parse it from base64 (either alphabet, padded or not) or from 64 hex digits.
#[derive(Clone)]
pub struct SecretsKey {
    id: String,
    sealing: Zeroizing<[u8; KEY_BYTES]>,
    hashing: Zeroizing<[u8; KEY_BYTES]>,
}

/// The text of a [`SecretsKey`] is not one. The text is not repeated: it may be a secret that was mistyped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected 32 bytes as base64 or as 64 hexadecimal digits")]
pub struct SecretsKeyError;

impl SecretsKey {
    /// Derives the working keys from the root.
    #[must_use]
    pub fn from_bytes(root: &[u8; KEY_BYTES]) -> Self {
        let id = hmac_sha256(root, &[b"caravel/v1/key-id"]);
        Self {
            id: hex::encode(&id[..4]),
            sealing: hmac_sha256(root, &[b"caravel/v1/seal"]),
            hashing: hmac_sha256(root, &[b"caravel/v1/keyed-hash"]),
        }
    }

    /// Names the key without giving it away: eight hex digits of a derivation made for nothing else.
    #[must_use]
    pub fn key_id(&self) -> &str {
        &self.id
    }

    /// The AES-256 key.
    pub(super) fn sealing(&self) -> &[u8; KEY_BYTES] {
        &self.sealing
    }

    /// The HMAC key of [`Sealer::keyed_hash`](super::Sealer::keyed_hash).
    pub(super) fn hashing(&self) -> &[u8; KEY_BYTES] {
        &self.hashing
    }
}

impl FromStr for SecretsKey {
    type Err = SecretsKeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut root = Zeroizing::new([0; KEY_BYTES]);
        // The lengths cannot be confused: 32 bytes are 64 hex digits, and 43 of base64 without its padding.
        if text.len() == 2 * KEY_BYTES {
            hex::decode_to_slice(text, root.as_mut_slice()).map_err(|_| SecretsKeyError)?;
        } else {
            let digits = text.trim_end_matches('=');
            let alphabet = if digits.contains(['-', '_']) {
                BASE64_URL_SAFE_NO_PAD
            } else {
                BASE64_STANDARD_NO_PAD
            };
            let bytes = Zeroizing::new(alphabet.decode(digits).map_err(|_| SecretsKeyError)?);
            *root = bytes.as_slice().try_into().map_err(|_| SecretsKeyError)?;
        }
        Ok(Self::from_bytes(&root))
    }
}

impl fmt::Debug for SecretsKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretsKey({})", self.id)
    }
}

/// HMAC-SHA256 over the parts, one after the other.
pub(super) fn hmac_sha256(key: &[u8; KEY_BYTES], parts: &[&[u8]]) -> Zeroizing<[u8; 32]> {
    let mut block = Zeroizing::new([0; BLOCK_BYTES]);
    block[..KEY_BYTES].copy_from_slice(key);
    let mut mac = Hmac::<Sha256>::new((&*block).into());
    for part in parts {
        mac.update(part);
    }
    Zeroizing::new(mac.finalize().into_bytes().into())
}

#[cfg(test)]
mod tests {
    use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE};

    use super::*;

    /// A root whose base64 forms differ between the two alphabets.
    const ROOT: [u8; 32] = [0xfb; 32];

    #[test]
    fn a_key_is_the_same_in_each_of_its_forms() {
        let expected = SecretsKey::from_bytes(&ROOT);

        for text in [
            hex::encode(ROOT),
            hex::encode_upper(ROOT),
            BASE64_STANDARD.encode(ROOT),
            BASE64_URL_SAFE.encode(ROOT),
            BASE64_STANDARD_NO_PAD.encode(ROOT),
            BASE64_URL_SAFE_NO_PAD.encode(ROOT),
        ] {
            let key: SecretsKey = text.parse().unwrap();
            assert_eq!(key.sealing(), expected.sealing());
            assert_eq!(key.key_id(), expected.key_id());
        }
    }

    #[test]
    fn a_key_of_another_length_or_alphabet_is_refused_without_being_quoted() {
        for text in [
            String::new(),
            "correct horse battery staple".to_owned(),
            hex::encode([1; 31]),
            hex::encode([1; 33]),
            "g".repeat(64),
            BASE64_STANDARD.encode([1; 31]),
            BASE64_STANDARD.encode([1; 33]),
        ] {
            let error = text.parse::<SecretsKey>().unwrap_err();
            assert!(text.is_empty() || !error.to_string().contains(&text));
        }
    }

    #[test]
    fn each_purpose_has_a_key_of_its_own() {
        let key = SecretsKey::from_bytes(&ROOT);

        assert_ne!(key.sealing(), &ROOT);
        assert_ne!(key.hashing(), &ROOT);
        assert_ne!(key.sealing(), key.hashing());
    }

    #[test]
    fn debug_shows_only_the_key_id() {
        let key = SecretsKey::from_bytes(&ROOT);

        assert_eq!(format!("{key:?}"), format!("SecretsKey({})", key.key_id()));
    }

    /// Sealed values name their key by this id: it may never change.
    #[test]
    fn the_key_id_is_eight_hex_digits_and_stays_the_same_for_ever() {
        assert_eq!(SecretsKey::from_bytes(&ROOT).key_id(), "e3a641d6");
    }

    /// RFC 4231 has no 32-byte key; this is its test case 1 with the key written out to 32 bytes, as HMAC does.
    #[test]
    fn hmac_matches_rfc_4231() {
        let mut key = [0; 32];
        key[..20].fill(0x0b);

        let mac = hmac_sha256(&key, &[b"Hi ", b"There"]);

        assert_eq!(
            hex::encode(*mac),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
        );
    }
}
