//! A secret that is text.

use std::fmt;

use zeroize::Zeroizing;

use super::REDACTED;

/// A secret text. It says what it holds only through [`expose`](Self::expose), so each use can be searched for.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(Zeroizing<String>);

impl SecretText {
    /// Takes the secret over; its memory is wiped when the last copy is dropped.
    #[must_use]
    pub fn new(secret: impl Into<String>) -> Self {
        Self(Zeroizing::new(secret.into()))
    }

    /// The secret itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing_of_a_secret_text() {
        assert_eq!(
            format!("{:?}", SecretText::new("open sesame")),
            "[redacted]"
        );
    }
}
