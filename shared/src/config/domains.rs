//! How workers look tenants' own domains up in DNS.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::list::comma_list;
use super::reader::{Read, Reader};
use super::variable::{DNS_RESOLVER, DOMAIN_CHECK_SECONDS};

/// The port of DNS (RFC 1035, section 4.2).
const DNS_PORT: u16 = 53;

/// Look-ups of custom domains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainsConfig {
    /// The servers that are asked; those of the system when empty.
    pub resolvers: Vec<SocketAddr>,
    /// The shortest pause between two look-ups of one domain.
    pub check_every: Duration,
}

impl DomainsConfig {
    pub(super) fn read(reader: &mut Reader<'_>) -> Read<Self> {
        let resolvers = reader.optional(&DNS_RESOLVER, |text| {
            comma_list(text, server).filter(|servers| !servers.is_empty())
        });
        let check_every = reader.seconds(&DOMAIN_CHECK_SECONDS);
        Ok(Self {
            resolvers: resolvers?.unwrap_or_default(),
            check_every: check_every?,
        })
    }
}

/// An address, with a port where it is not the usual one: `192.0.2.1`, `192.0.2.1:5353`, `[2001:db8::1]:5353`.
fn server(text: &str) -> Option<SocketAddr> {
    let usual = |ip: IpAddr| SocketAddr::new(ip, DNS_PORT);
    text.parse().ok().or_else(|| text.parse().ok().map(usual))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_an_address_with_or_without_a_port() {
        for (text, address) in [
            ("192.0.2.1", "192.0.2.1:53"),
            ("192.0.2.1:5353", "192.0.2.1:5353"),
            ("2001:db8::1", "[2001:db8::1]:53"),
            ("[2001:db8::1]:5353", "[2001:db8::1]:5353"),
        ] {
            assert_eq!(server(text), Some(address.parse().unwrap()), "{text}");
        }
        for text in ["dns.example.com", "dns.example.com:53", "192.0.2.1:", ":53"] {
            assert_eq!(server(text), None, "{text}");
        }
    }
}
