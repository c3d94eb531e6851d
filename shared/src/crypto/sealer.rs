//! Encryption of secrets at rest, and keyed hashes of those that are only compared.
//!
//! AES-256-GCM with a random 96-bit nonce for each value. Random nonces are sound up to 2^32 values under one key
//! (NIST SP 800-38D, section 8.3), far more relays than one database holds.

use std::fmt;

use aes_gcm::Aes256Gcm;
use aes_gcm::aead::{Aead as _, KeyInit as _, Payload};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use rand::Rng as _;
use zeroize::Zeroizing;

use super::SecretsKey;
use super::key::hmac_sha256;

/// Bytes of a nonce: 96 bits, the length that GCM is made for.
const NONCE_BYTES: usize = 12;

/// Bytes of the tag that GCM appends.
const TAG_BYTES: usize = 16;

/// The only form of sealed values so far.
const VERSION: &str = "v1";

/// Hex digits of a key id.
const KEY_ID_DIGITS: usize = 8;

/// Seals with the current key; opens with it and with its predecessors, so that keys can be rotated.
#[derive(Debug, Clone)]
pub struct Sealer {
    current: SecretsKey,
    previous: Vec<SecretsKey>,
}

/// A sealed value as the database keeps it: `v1.<key id>.<base64url of nonce and ciphertext>`.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(String);

/// A value could not be read as sealed, or not be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The text has not the form of a sealed value.
    #[error("read a sealed value: expected v1.<key id>.<base64url>")]
    Malformed,
    /// Sealed under a key that is neither the current one nor among the previous ones.
    #[error("open a sealed value: its key {key_id} is not configured")]
    UnknownKey {
        /// The key that it names.
        key_id: String,
    },
    /// The value was altered, or belongs to another owner than the one named.
    #[error("open a sealed value: it is altered or belongs elsewhere (key {key_id})")]
    Refused {
        /// The key it was tried with.
        key_id: String,
    },
}

impl Sealer {
    /// Seals under `current`; `previous` keys only open.
    #[must_use]
    pub fn new(current: SecretsKey, previous: Vec<SecretsKey>) -> Self {
        Self { current, previous }
    }

    /// The [`SecretsKey::key_id`] of the current key: what everything sealed from now on names.
    #[must_use]
    pub fn key_id(&self) -> &str {
        self.current.key_id()
    }

    /// Encrypts `plain` and binds it to `aad`, which names the owner (for example `relay/<id>/secret`): a sealed value
    /// that is copied to another owner does not open there.
    ///
    /// # Panics
    ///
    /// When `plain` is longer than 64 GiB, the limit of AES-GCM.
    #[must_use]
    pub fn seal(&self, plain: &[u8], aad: &str) -> Sealed {
        let mut nonce = [0; NONCE_BYTES];
        rand::rng().fill_bytes(&mut nonce);
        let message = Payload {
            msg: plain,
            aad: aad.as_bytes(),
        };
        #[expect(
            clippy::expect_used,
            reason = "the length is all that AES-GCM can refuse, and secrets are short"
        )]
        let ciphertext = cipher(&self.current)
            .encrypt(&nonce.into(), message)
            .expect("a secret of less than 64 GiB");
        let payload = [nonce.as_slice(), &ciphertext].concat();
        Sealed(format!(
            "{VERSION}.{}.{}",
            self.current.key_id(),
            BASE64_URL_SAFE_NO_PAD.encode(payload)
        ))
    }

    /// Decrypts a value that was sealed with the same `aad`.
    ///
    /// # Errors
    ///
    /// [`SealError::UnknownKey`] when its key is not configured; [`SealError::Refused`] when the value was altered or
    /// `aad` differs.
    pub fn open(&self, sealed: &Sealed, aad: &str) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let key_id = sealed.key_id();
        let key = std::iter::once(&self.current)
            .chain(&self.previous)
            .find(|key| key.key_id() == key_id)
            .ok_or_else(|| SealError::UnknownKey {
                key_id: key_id.to_owned(),
            })?;
        let (nonce, ciphertext) = sealed.payload()?;
        let message = Payload {
            msg: &ciphertext,
            aad: aad.as_bytes(),
        };
        cipher(key)
            .decrypt(&nonce.into(), message)
            .map(Zeroizing::new)
            .map_err(|_| SealError::Refused {
                key_id: key_id.to_owned(),
            })
    }

    /// A fingerprint of `bytes` that only holders of the current key can compute: 64 hex digits of HMAC-SHA256.
    ///
    /// It tells whether a secret is still the same without keeping the secret, and nobody can test guesses against
    /// it. `label` separates kinds of secrets: the same bytes under two labels are unrelated. After a rotation of the
    /// key all fingerprints differ from those taken before.
    #[must_use]
    pub fn keyed_hash(&self, label: &str, bytes: &[u8]) -> String {
        keyed_hash(&self.current, label, bytes)
    }

    /// Whether `hash` is the [`keyed_hash`](Self::keyed_hash) of the same, taken now or before a rotation: under the
    /// current key or one of the previous ones.
    #[must_use]
    pub fn is_keyed_hash(&self, hash: &str, label: &str, bytes: &[u8]) -> bool {
        std::iter::once(&self.current)
            .chain(&self.previous)
            .any(|key| keyed_hash(key, label, bytes) == hash)
    }
}

fn keyed_hash(key: &SecretsKey, label: &str, bytes: &[u8]) -> String {
    // With its length in front, a label cannot run over into the bytes.
    let label_length = (label.len() as u64).to_be_bytes();
    let parts = [&label_length, label.as_bytes(), bytes];
    hex::encode(*hmac_sha256(key.hashing(), &parts))
}

fn cipher(key: &SecretsKey) -> Aes256Gcm {
    Aes256Gcm::new(key.sealing().into())
}

impl Sealed {
    /// Reads a value as the database keeps it. Whether it opens is for [`Sealer::open`] to say.
    ///
    /// # Errors
    ///
    /// [`SealError::Malformed`] when the text has another form.
    pub fn parse(text: impl Into<String>) -> Result<Self, SealError> {
        let sealed = Self(text.into());
        let mut parts = sealed.0.split('.');
        let (Some(VERSION), Some(key_id), Some(_), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(SealError::Malformed);
        };
        let is_key_id = key_id.len() == KEY_ID_DIGITS
            && key_id
                .bytes()
                .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if !is_key_id {
            return Err(SealError::Malformed);
        }
        sealed.payload()?;
        Ok(sealed)
    }

    /// The text that the database keeps.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The [`SecretsKey::key_id`] of the key it was sealed under.
    #[must_use]
    pub fn key_id(&self) -> &str {
        self.0.split('.').nth(1).unwrap_or_default()
    }

    /// The nonce, and the ciphertext with its tag.
    fn payload(&self) -> Result<([u8; NONCE_BYTES], Vec<u8>), SealError> {
        let encoded = self.0.split('.').nth(2).ok_or(SealError::Malformed)?;
        let bytes = BASE64_URL_SAFE_NO_PAD
            .decode(encoded)
            .map_err(|_| SealError::Malformed)?;
        match bytes.split_first_chunk() {
            Some((nonce, ciphertext)) if ciphertext.len() >= TAG_BYTES => {
                Ok((*nonce, ciphertext.to_vec()))
            }
            Some(_) | None => Err(SealError::Malformed),
        }
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({VERSION}.{})", self.key_id())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::Index;

    use super::*;

    fn key(byte: u8) -> SecretsKey {
        SecretsKey::from_bytes(&[byte; 32])
    }

    fn sealer(byte: u8) -> Sealer {
        Sealer::new(key(byte), Vec::new())
    }

    #[test]
    fn a_value_sealed_before_a_rotation_still_opens() {
        let sealed = sealer(1).seal(b"relay key", "relay/a");

        let rotated = Sealer::new(key(2), vec![key(1)]);

        assert_eq!(
            rotated.open(&sealed, "relay/a").unwrap().as_slice(),
            b"relay key"
        );
        assert_eq!(
            rotated.seal(b"relay key", "relay/a").key_id(),
            key(2).key_id()
        );
    }

    /// Databases hold such values for years: form, derivation and cipher may never change under `v1`.
    #[test]
    fn a_value_of_the_first_release_still_opens() {
        let stored =
            Sealed::parse("v1.74048b21.-aX1XTm449P2_0aebR8qbDnuI1Q6Yw4kHiMlOAnQ7hrtF5ebLA")
                .unwrap();

        assert_eq!(
            sealer(1).open(&stored, "relay/a").unwrap().as_slice(),
            b"relay key"
        );
    }

    #[test]
    fn a_value_of_a_forgotten_key_is_refused_by_the_name_of_that_key() {
        let sealed = sealer(1).seal(b"relay key", "relay/a");

        let error = sealer(2).open(&sealed, "relay/a").unwrap_err();

        let key_id = key(1).key_id().to_owned();
        assert_eq!(error, SealError::UnknownKey { key_id });
    }

    #[test]
    fn a_value_relabelled_with_another_key_is_refused() {
        let sealed = sealer(1).seal(b"relay key", "relay/a");
        let relabelled = sealed.as_str().replace(key(1).key_id(), key(2).key_id());

        let error = sealer(2)
            .open(&Sealed::parse(relabelled).unwrap(), "relay/a")
            .unwrap_err();

        assert!(matches!(error, SealError::Refused { .. }));
    }

    #[test]
    fn two_seals_of_one_value_differ() {
        let sealer = sealer(1);

        assert_ne!(sealer.seal(b"same", "aad"), sealer.seal(b"same", "aad"));
    }

    #[test]
    fn texts_of_another_form_are_not_sealed_values() {
        let good = sealer(1).seal(b"x", "aad");
        let parts: Vec<&str> = good.as_str().split('.').collect();
        let (id, payload) = (parts[1], parts[2]);

        for text in [
            String::new(),
            "plain".to_owned(),
            format!("v2.{id}.{payload}"),
            format!("v1.{id}"),
            format!("v1.{id}.{payload}.more"),
            format!("v1.{}.{payload}", id.to_uppercase() + "0"),
            format!("v1.short.{payload}"),
            format!("v1.{id}.not base64"),
            format!("v1.{id}.AAAA"),
        ] {
            assert_eq!(Sealed::parse(text), Err(SealError::Malformed));
        }
    }

    #[test]
    fn debug_shows_neither_ciphertext_nor_key() {
        let sealer = sealer(1);
        let id = key(1).key_id().to_owned();

        assert_eq!(
            format!("{:?}", sealer.seal(b"x", "aad")),
            format!("Sealed(v1.{id})")
        );
        assert_eq!(
            format!("{sealer:?}"),
            format!("Sealer {{ current: SecretsKey({id}), previous: [] }}")
        );
    }

    #[test]
    fn keyed_hashes_tell_values_labels_and_keys_apart() {
        let hash = sealer(1).keyed_hash("s3", b"secret");

        assert_eq!(hash.len(), 64);
        assert_eq!(hash, sealer(1).keyed_hash("s3", b"secret"));
        assert_ne!(hash, sealer(1).keyed_hash("s3", b"other"));
        assert_ne!(hash, sealer(1).keyed_hash("livekit", b"secret"));
        assert_ne!(hash, sealer(1).keyed_hash("s3s", b"ecret"));
        assert_ne!(hash, sealer(2).keyed_hash("s3", b"secret"));
    }

    #[test]
    fn a_keyed_hash_is_recognised_after_a_rotation() {
        let hash = sealer(1).keyed_hash("s3", b"secret");

        let rotated = Sealer::new(key(2), vec![key(1)]);

        assert!(rotated.is_keyed_hash(&hash, "s3", b"secret"));
        assert!(!rotated.is_keyed_hash(&hash, "s3", b"other"));
        assert!(!rotated.is_keyed_hash(&hash, "livekit", b"secret"));
        assert!(!sealer(2).is_keyed_hash(&hash, "s3", b"secret"));
    }

    proptest! {
        #[test]
        fn what_was_sealed_opens_again(plain: Vec<u8>, aad: String) {
            let sealed = sealer(1).seal(&plain, &aad);

            let stored = Sealed::parse(sealed.as_str()).unwrap();

            let opened = sealer(1).open(&stored, &aad).unwrap();
            prop_assert_eq!(opened.as_slice(), plain);
        }

        #[test]
        fn another_owner_cannot_open_it(plain: Vec<u8>, aad: String, other: String) {
            prop_assume!(aad != other);

            let sealed = sealer(1).seal(&plain, &aad);

            prop_assert!(sealer(1).open(&sealed, &other).is_err());
        }

        #[test]
        fn one_flipped_bit_is_noticed(plain: Vec<u8>, at: Index, bit in 0..8_u8) {
            let sealed = sealer(1).seal(&plain, "aad");
            let (head, payload) = sealed.as_str().rsplit_once('.').unwrap();
            let mut bytes = BASE64_URL_SAFE_NO_PAD.decode(payload).unwrap();
            *at.get_mut(&mut bytes) ^= 1 << bit;
            let tampered = format!("{head}.{}", BASE64_URL_SAFE_NO_PAD.encode(bytes));

            let opened = sealer(1).open(&Sealed::parse(tampered).unwrap(), "aad");

            let refused = matches!(opened, Err(SealError::Refused { .. }));
            prop_assert!(refused);
        }
    }
}
