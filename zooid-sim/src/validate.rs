//! Which configurations zooid accepts, and which of those it accepted bring it down (zooid.md, *Config*, *Hazards*).

use nostr::key::{PublicKey, SecretKey};

use crate::config::{Config, S3};

/// Why zooid refuses a configuration with 400. The texts and their order are zooid's; the secret is quoted as there.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Invalid {
    #[error("host is required")]
    NoHost,
    #[error("schema is required")]
    NoSchema,
    #[error("schema must contain only lowercase letters, numbers, and underscores")]
    BadSchema,
    #[error("invalid secret key: {0}")]
    Secret(String),
    #[error("invalid info.pubkey: {0}")]
    Pubkey(String),
    #[error("blossom.s3.{0} is required when blossom.adapter is s3")]
    S3Field(&'static str),
    #[error("invalid blossom adapter")]
    Adapter,
}

impl Config {
    /// Checks the values in zooid's order and settles the one default it saves: an empty adapter becomes `local`.
    pub(crate) fn validate(mut self) -> Result<Self, Invalid> {
        if self.host.is_empty() {
            return Err(Invalid::NoHost);
        }
        if self.schema.is_empty() {
            return Err(Invalid::NoSchema);
        }
        if !is_lowercase_identifier(&self.schema) {
            return Err(Invalid::BadSchema);
        }
        secret_key(&self.secret).map_err(Invalid::Secret)?;
        public_key(&self.info.pubkey).map_err(Invalid::Pubkey)?;
        match self.blossom.adapter.as_str() {
            "" => "local".clone_into(&mut self.blossom.adapter),
            "local" => {}
            "s3" => check_s3(&self.blossom.s3)?,
            _ => return Err(Invalid::Adapter),
        }
        Ok(self)
    }

    /// Why loading this active relay ends the whole zooid process, if it does.
    ///
    /// The management API lets none of these through but the last; files edited by hand may hold any.
    pub(crate) fn fatal_flaw(&self) -> Option<&'static str> {
        if !is_identifier(&self.schema) {
            return Some("its schema is no SQL identifier");
        }
        if public_key(&self.info.pubkey).is_err() {
            return Some("its info.pubkey is missing or malformed");
        }
        self.roles
            .iter()
            .filter(|(name, role)| role.can_manage && name.as_str() != "member")
            .flat_map(|(_, role)| &role.pubkeys)
            .any(|pubkey| public_key(pubkey).is_err())
            .then_some("a role that can manage holds a malformed pubkey")
    }
}

fn check_s3(s3: &S3) -> Result<(), Invalid> {
    let required = [
        ("bucket", &s3.bucket),
        ("region", &s3.region),
        ("access_key", &s3.access_key),
        ("secret_key", &s3.secret_key),
    ];
    match required.iter().find(|(_, value)| value.is_empty()) {
        Some((name, _)) => Err(Invalid::S3Field(name)),
        None => Ok(()),
    }
}

/// `^[a-z_][a-z0-9_]*$`
fn is_lowercase_identifier(text: &str) -> bool {
    is_identifier(text) && !text.bytes().any(|b| b.is_ascii_uppercase())
}

/// `^[A-Za-z_][A-Za-z0-9_]*$`
fn is_identifier(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && text.bytes().next().is_some_and(|b| !b.is_ascii_digit())
}

/// Reads a secret key of exactly 64 hex digits; the error quotes it, as zooid's does.
pub(crate) fn secret_key(text: &str) -> Result<SecretKey, String> {
    if text.len() != 64 {
        return Err(format!("secret key should be 64-char hex, got '{text}'"));
    }
    let bytes = hex::decode(text).map_err(|e| format!("'{text}' is not valid hex: {e}"))?;
    SecretKey::from_slice(&bytes).map_err(|_| format!("'{text}' is not a valid secret key"))
}

/// Reads a public key of exactly 64 hex digits that lies on the curve.
pub(crate) fn public_key(text: &str) -> Result<PublicKey, String> {
    if text.len() != 64 {
        return Err(format!("pubkey should be 64-char hex, got '{text}'"));
    }
    let bytes = hex::decode(text).map_err(|e| format!("'{text}' is not valid hex: {e}"))?;
    let key = PublicKey::from_slice(&bytes).map_err(|e| e.to_string())?;
    match key.xonly() {
        Ok(_) => Ok(key),
        Err(_) => Err(format!("'{text}' is not a valid pubkey")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_is_a_lower_case_sql_identifier() {
        for good in ["a", "_", "relay_1", "_9"] {
            assert!(is_lowercase_identifier(good), "{good}");
        }
        for bad in ["", "9a", "Relay", "a-b", "a b", "é", "a\n"] {
            assert!(!is_lowercase_identifier(bad), "{bad:?}");
        }
    }

    #[test]
    fn a_key_outside_its_range_is_no_key() {
        assert!(secret_key(&"0".repeat(64)).is_err());
        assert!(secret_key(&"f".repeat(64)).is_err());
        assert!(secret_key(&"1".repeat(64)).is_ok());
        assert!(public_key(&"f".repeat(64)).is_err());
        assert!(public_key(&"0".repeat(64)).is_err());
    }

    #[test]
    fn a_text_of_64_bytes_that_is_not_ascii_is_refused_without_a_panic() {
        assert!(secret_key(&"é".repeat(32)).is_err());
        assert!(public_key(&"é".repeat(32)).is_err());
    }
}
