//! Who may read metrics.

use sha2::{Digest as _, Sha256};

use crate::crypto::SecretText;

/// Whether an `Authorization` header carries this token (RFC 6750). Digests are compared, so that the time it takes tells
/// nothing of the token.
#[must_use]
pub fn is_bearer(token: &SecretText, authorization: Option<&[u8]>) -> bool {
    const SCHEME: &[u8] = b"bearer ";
    let Some((scheme, given)) =
        authorization.and_then(|header| header.split_at_checked(SCHEME.len()))
    else {
        return false;
    };
    scheme.eq_ignore_ascii_case(SCHEME)
        && Sha256::digest(given) == Sha256::digest(token.expose().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_very_token_is_let_in() {
        let token = SecretText::new("0123456789abcdef");

        assert!(is_bearer(&token, Some(b"Bearer 0123456789abcdef")));
        assert!(is_bearer(&token, Some(b"bearer 0123456789abcdef")));
        for header in [
            &b""[..],
            b"Bearer ",
            b"Bearer 0123456789abcde",
            b"Bearer 0123456789abcdef0",
            b"Basic  0123456789abcdef",
            b"0123456789abcdef",
        ] {
            assert!(!is_bearer(&token, Some(header)));
        }
        assert!(!is_bearer(&token, None));
    }
}
