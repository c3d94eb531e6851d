//! The rules that need to know this installation, and the one form in which a broken rule is reported.
//!
//! Invariant: codes are stable and documented in the API reference; messages are for people and never quote a secret.

use super::{CustomDomain, Malformed, Subdomain, ZooidDomain};

/// Subdomains nobody can have: names people take for ours, and the words of our own routes.
pub const RESERVED_SUBDOMAINS: [&str; 15] = [
    "admin",
    "api",
    "dashboard",
    "docs",
    "events",
    "healthz",
    "identity",
    "metrics",
    "openapi",
    "plans",
    "readyz",
    "relays",
    "syncs",
    "tenants",
    "www",
];

/// A rule that input breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ValidationError {
    /// Stable kebab-case code, for programs.
    pub code: &'static str,
    /// The field at fault.
    pub field: &'static str,
    /// A sentence for a person, which names the field.
    pub message: String,
}

impl ValidationError {
    /// `field` breaks `rule`, a phrase that follows the field's name: `must be ...`.
    #[must_use]
    pub fn new(code: &'static str, field: &'static str, rule: &str) -> Self {
        Self {
            code,
            field,
            message: format!("{field} {rule}"),
        }
    }

    /// `field` does not parse.
    #[must_use]
    pub fn malformed(code: &'static str, field: &'static str, malformed: &Malformed) -> Self {
        Self::new(code, field, malformed.rule)
    }

    /// `field` is required and absent.
    #[must_use]
    pub fn required(field: &'static str) -> Self {
        Self::new("field-required", field, "is required")
    }
}

/// What the rules must know of this installation.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// The domains under which relays are served.
    pub served_domains: Vec<ZooidDomain>,
    /// The host of our own API, with or without a port: no tenant can claim it.
    pub own_host: Option<String>,
    /// Subdomains this installation reserves beside [`RESERVED_SUBDOMAINS`].
    pub reserved_subdomains: Vec<Subdomain>,
}

impl Rules {
    /// Refuses reserved subdomains.
    ///
    /// # Errors
    /// `subdomain-reserved`.
    pub fn check_subdomain(&self, subdomain: &Subdomain) -> Result<(), ValidationError> {
        if RESERVED_SUBDOMAINS.contains(&subdomain.as_str())
            || self.reserved_subdomains.contains(subdomain)
        {
            return Err(ValidationError::new(
                "subdomain-reserved",
                "subdomain",
                "is reserved, please choose another",
            ));
        }
        Ok(())
    }

    /// Refuses domains we do not serve.
    ///
    /// # Errors
    /// `zooid-domain-unknown`.
    pub fn check_zooid_domain(&self, domain: &ZooidDomain) -> Result<(), ValidationError> {
        if self.served_domains.contains(domain) {
            return Ok(());
        }
        Err(ValidationError::new(
            "zooid-domain-unknown",
            "zooid_domain",
            "is not a domain that is served here",
        ))
    }

    /// Refuses custom domains that are ours: our own host, and everything at or under a domain we serve.
    ///
    /// # Errors
    /// `custom-domain-invalid`.
    pub fn check_custom_domain(&self, domain: &CustomDomain) -> Result<(), ValidationError> {
        let is_at_or_under = |served: &ZooidDomain| {
            domain
                .as_str()
                .strip_suffix(served.name())
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        if self.served_domains.iter().any(is_at_or_under) {
            let rule = "must not be under a domain that is served here, use subdomain instead";
            return Err(ValidationError::new(
                "custom-domain-invalid",
                "custom_domain",
                rule,
            ));
        }
        let own_name = self
            .own_host
            .as_deref()
            .map(|host| host.split_once(':').map_or(host, |(name, _)| name));
        if own_name.is_some_and(|own| own.eq_ignore_ascii_case(domain.as_str())) {
            return Err(ValidationError::new(
                "custom-domain-invalid",
                "custom_domain",
                "is the address of this service itself",
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> Rules {
        Rules {
            served_domains: vec![
                "spaces.example.com".parse().unwrap(),
                "localhost:3334".parse().unwrap(),
            ],
            own_host: Some("Caravel.Example.com:2892".to_owned()),
            reserved_subdomains: vec!["support".parse().unwrap()],
        }
    }

    #[test]
    fn our_own_words_and_the_configured_ones_are_reserved() {
        for word in RESERVED_SUBDOMAINS.into_iter().chain(["support"]) {
            assert_eq!(
                rules()
                    .check_subdomain(&word.parse().unwrap())
                    .unwrap_err()
                    .code,
                "subdomain-reserved",
                "{word}"
            );
        }
        assert!(rules().check_subdomain(&"apis".parse().unwrap()).is_ok());
    }

    #[test]
    fn only_served_domains_are_known() {
        assert!(
            rules()
                .check_zooid_domain(&"localhost:3334".parse().unwrap())
                .is_ok()
        );
        for unknown in ["localhost", "example.com", "x.spaces.example.com"] {
            let error = rules()
                .check_zooid_domain(&unknown.parse().unwrap())
                .unwrap_err();
            assert_eq!(
                (error.code, error.field),
                ("zooid-domain-unknown", "zooid_domain")
            );
        }
    }

    #[test]
    fn a_custom_domain_of_ours_is_refused() {
        for ours in [
            "spaces.example.com",
            "mine.spaces.example.com",
            "a.b.spaces.example.com",
            "caravel.example.com",
        ] {
            let error = rules()
                .check_custom_domain(&ours.parse().unwrap())
                .unwrap_err();
            assert_eq!(
                (error.code, error.field),
                ("custom-domain-invalid", "custom_domain"),
                "{ours}"
            );
        }
        for theirs in [
            "myspaces.example.com",
            "example.com",
            "x.caravel.example.com",
        ] {
            assert!(
                rules()
                    .check_custom_domain(&theirs.parse().unwrap())
                    .is_ok(),
                "{theirs}"
            );
        }
    }
}
