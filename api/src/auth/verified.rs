//! Session headers whose signature was found right: clients send the same one for minutes, and once is enough to check it.
//!
//! Invariant: it is about the signature alone. Age, URL and whatever else can change are looked at every time; and the whole
//! token is remembered, so that no other event, nor the same one with another signature, passes for it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use sha2::{Digest as _, Sha256};

/// Tokens that are remembered: about a megabyte.
const TOKENS_MAX: usize = 10_000;

/// The tokens, by hash, with the Unix second at which each is too old anyway.
#[derive(Debug, Default)]
pub struct VerifiedTokens(Mutex<HashMap<[u8; 32], i64>>);

impl VerifiedTokens {
    /// Whether the signature in `token` was found right before.
    pub fn contains(&self, token: &[u8]) -> bool {
        let tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.contains_key(&hash(token))
    }

    /// Remembers that it is right.
    pub fn remember(&self, token: &[u8], expires_at: i64, now: i64) {
        let mut tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if tokens.len() >= TOKENS_MAX {
            tokens.retain(|_, expires_at| *expires_at >= now);
            if tokens.len() >= TOKENS_MAX {
                tokens.clear();
            }
        }
        tokens.insert(hash(token), expires_at);
    }
}

fn hash(token: &[u8]) -> [u8; 32] {
    Sha256::digest(token).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_known_by_every_byte_of_it() {
        let tokens = VerifiedTokens::default();
        tokens.remember(b"token", 100, 0);
        assert!(tokens.contains(b"token"));
        assert!(!tokens.contains(b"tokem"));
    }

    #[test]
    fn no_number_of_tokens_fills_the_memory() {
        let tokens = VerifiedTokens::default();
        for number in 0..=TOKENS_MAX {
            tokens.remember(&number.to_le_bytes(), 100, 0);
        }
        assert!(tokens.0.lock().unwrap().len() <= TOKENS_MAX);
    }
}
