//! The name under which zooid keeps a relay's data.
//!
//! Invariant: it matches zooid's rule `^[a-z_][a-z0-9_]*$` and is unique for ever, because it ends with the relay's id. One that breaks the
//! rule brings zooid down for every tenant, and a reused one exposes the former relay's data (zooid.md, Hazards).

use super::text::text_type;
use super::{RelayId, Subdomain};

/// Characters of the readable part before the id. It keeps the whole under 63, the longest identifier of common databases.
const READABLE_MAX_CHARS: usize = 30;

text_type! {
    /// A relay's schema in zooid: derived once, when the relay is created, and never changed, not even by a new subdomain.
    Schema, "schema", "must be lower-case letters, digits and underscores, and must not begin with a digit", |text| {
        let valid = text.starts_with(|first: char| first.is_ascii_lowercase() || first == '_')
            && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        valid.then(|| text.to_owned())
    }
}

impl Schema {
    /// The schema of a new relay: its subdomain, readable in zooid's database, then its id.
    #[must_use]
    pub fn derive(subdomain: &Subdomain, id: &RelayId) -> Self {
        let mut readable = subdomain.as_str().replace('-', "_");
        if readable.starts_with(|first: char| first.is_ascii_digit()) {
            readable.insert_str(0, "r_");
        }
        readable.truncate(READABLE_MAX_CHARS);
        Self(format!("{readable}_{id}"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: &str = "01j9zx3v8qj5s3r5t3n0v2k4m6";

    fn derive(subdomain: &str) -> String {
        Schema::derive(&subdomain.parse().unwrap(), &ID.parse().unwrap())
            .as_str()
            .to_owned()
    }

    #[test]
    fn the_schema_is_the_readable_subdomain_and_the_id() {
        assert_eq!(derive("my-relay"), format!("my_relay_{ID}"));
        assert_eq!(derive("2cool"), format!("r_2cool_{ID}"));
        assert_eq!(derive(&"a".repeat(63)), format!("{}_{ID}", "a".repeat(30)));
        assert_eq!(
            derive(&"1".repeat(63)),
            format!("r_{}_{ID}", "1".repeat(28))
        );
    }

    #[test]
    fn rows_with_a_schema_that_zooid_would_choke_on_are_refused() {
        for bad in ["", "1a", "a-b", "A", "a b", "a;drop", "é"] {
            assert!(bad.parse::<Schema>().is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn every_derived_schema_obeys_zooids_rule(subdomain in "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", id in "[a-z0-9]{26}") {
            let schema = Schema::derive(&subdomain.parse().unwrap(), &id.parse().unwrap());
            prop_assert!(schema.as_str().parse::<Schema>().is_ok());
            prop_assert!(schema.as_str().len() <= 63);
        }

        #[test]
        fn two_relays_never_share_a_schema(
            one in "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?",
            other in "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?",
            one_id in "[a-z0-9]{26}",
            other_id in "[a-z0-9]{26}",
        ) {
            prop_assume!(one_id != other_id);
            let one = Schema::derive(&one.parse().unwrap(), &one_id.parse().unwrap());
            let other = Schema::derive(&other.parse().unwrap(), &other_id.parse().unwrap());
            prop_assert_ne!(one, other);
        }
    }
}
