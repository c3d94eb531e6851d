//! Host names: the subdomain a tenant chooses, the domains we serve, and a tenant's own domain.
//!
//! Invariant: each is lower-case ASCII that may stand in a URL and in zooid's `host`, which is compared byte for byte (zooid.md, Process).

use std::net::IpAddr;

use super::text::text_type;

/// Longest DNS label, in bytes (RFC 1035).
const LABEL_MAX_BYTES: usize = 63;

/// Longest DNS name, in bytes of its text form (RFC 1035).
const NAME_MAX_BYTES: usize = 253;

/// Last labels that never lead to a host on the public internet (RFC 6761, 6762, 7686, 8375, 9476 and names reserved for private use).
const PRIVATE_TOP_LABELS: [&str; 14] = [
    "alt",
    "arpa",
    "corp",
    "example",
    "home",
    "internal",
    "intranet",
    "invalid",
    "lan",
    "local",
    "localdomain",
    "localhost",
    "onion",
    "test",
];

text_type! {
    /// The label under a domain of ours at which a relay answers: 1 to 63 of `[a-z0-9-]`, no hyphen at either end.
    /// Reserved words are a rule for new relays, not of this type.
    #[schema(pattern = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", example = "club")]
    Subdomain, "subdomain", "must be 1 to 63 lower-case letters, digits or hyphens, without a hyphen at either end", |text| {
        let valid = is_label(text) && !text.bytes().any(|byte| byte.is_ascii_uppercase());
        valid.then(|| text.to_owned())
    }
}

text_type! {
    /// A domain under which relays are served, with a port where zooid answers on another than the default: `spaces.example.com`,
    /// `localhost:3334`.
    #[schema(min_length = 1, max_length = 253, example = "spaces.example.com")]
    ZooidDomain, "zooid domain", "must be a host name, with a port at most", |text| {
        let name = text.split_once(':').map_or(Some(text), |(name, port)| port.parse::<u16>().ok().filter(|port| *port > 0).map(|_| name))?;
        (is_name(name) && text.len() <= NAME_MAX_BYTES).then(|| text.to_ascii_lowercase())
    }
}

impl ZooidDomain {
    /// The domain without its port.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0
            .split_once(':')
            .map_or(self.as_str(), |(name, _)| name)
    }
}

text_type! {
    /// A tenant's own host name: public DNS, at least one dot, neither an address nor a name reserved for private use.
    #[schema(min_length = 3, max_length = 253, example = "chat.example.com")]
    CustomDomain, "custom domain", "must be a public host name such as chat.example.com", |text| {
        let name = text.to_ascii_lowercase();
        let top = name.rsplit_once('.')?.1;
        // A last label that begins with a digit is never public DNS, and covers every numeric way to write an address.
        let is_public = !PRIVATE_TOP_LABELS.contains(&top)
            && !top.starts_with(|first: char| first.is_ascii_digit())
            && name.parse::<IpAddr>().is_err();
        (is_name(&name) && is_public).then_some(name)
    }
}

/// Whether `name` is a dotted sequence of DNS labels.
fn is_name(name: &str) -> bool {
    (1..=NAME_MAX_BYTES).contains(&name.len()) && name.split('.').all(is_label)
}

/// Whether `label` is letters, digits and hyphens, without a hyphen at either end (RFC 1123).
fn is_label(label: &str) -> bool {
    (1..=LABEL_MAX_BYTES).contains(&label.len())
        && label
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn subdomains_are_one_lower_case_label() {
        let longest = "a".repeat(63);
        for good in ["a", "0", "my-relay", "a--b", "123", longest.as_str()] {
            assert_eq!(good.parse::<Subdomain>().unwrap().as_str(), good);
        }
        let too_long = "a".repeat(64);
        for bad in [
            "",
            "-a",
            "a-",
            "-",
            "A",
            "a.b",
            "a_b",
            "a b",
            " a",
            "a\n",
            "é",
            too_long.as_str(),
        ] {
            assert!(bad.parse::<Subdomain>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn zooid_domains_may_carry_a_port() {
        let domain: ZooidDomain = "LocalHost:3334".parse().unwrap();
        assert_eq!(
            (domain.as_str(), domain.name()),
            ("localhost:3334", "localhost")
        );
        assert_eq!(
            "spaces.example.com".parse::<ZooidDomain>().unwrap().name(),
            "spaces.example.com"
        );
        for bad in [
            "", ".", "a..b", "a:", "a:0", "a:70000", "a:b", "http://a", "a/b", "[::1]", "a b",
        ] {
            assert!(bad.parse::<ZooidDomain>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn custom_domains_are_public_names_in_lower_case() {
        assert_eq!(
            "Chat.Example.COM".parse::<CustomDomain>().unwrap().as_str(),
            "chat.example.com"
        );
        assert!("xn--bcher-kva.example.org".parse::<CustomDomain>().is_ok());
        let too_long = format!("{}.com", vec!["a".repeat(63); 4].join("."));
        for bad in [
            "",
            "com",
            "localhost",
            "chat.localhost",
            "printer.local",
            "db.internal",
            "x.onion",
            "relay.test",
            "1.0.0.127.in-addr.arpa",
            "127.0.0.1",
            "127.1",
            "0x7f.0x1",
            "10.0.0.256",
            "[::1]",
            "::1",
            "chat.example.com.",
            ".example.com",
            "a..com",
            "-a.com",
            "a-.com",
            "a_b.com",
            "https://chat.example.com",
            "chat.example.com:443",
            "chat.example.com/x",
            "user@example.com",
            "bücher.de",
            "chat.example.com\n",
            too_long.as_str(),
        ] {
            assert!(bad.parse::<CustomDomain>().is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn accepted_subdomains_obey_the_written_rule(text in "\\PC{0,70}|[a-z0-9-]{0,70}") {
            let follows_rule = (1..=63).contains(&text.len())
                && text.chars().all(|char| matches!(char, 'a'..='z' | '0'..='9' | '-'))
                && !text.starts_with('-')
                && !text.ends_with('-');
            prop_assert_eq!(text.parse::<Subdomain>().is_ok(), follows_rule);
        }

        #[test]
        fn accepted_custom_domains_are_hosts_that_a_url_leaves_unchanged(text in "[a-zA-Z0-9.:_-]{0,40}") {
            if let Ok(domain) = text.parse::<CustomDomain>() {
                let url = url::Url::parse(&format!("wss://{domain}/")).map_err(|error| TestCaseError::fail(error.to_string()));
                let url = url?;
                prop_assert!(matches!(url.host(), Some(url::Host::Domain(host)) if host == domain.as_str()));
            }
        }
    }
}
