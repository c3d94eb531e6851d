//! From where a request comes, as far as limits go.
//!
//! Invariant: only what a trusted proxy says about others counts, and nothing that anybody says makes a request one that is
//! not counted.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv6Addr};

use axum::extract::FromRequestParts;
use http::request::Parts;
use http::{HeaderMap, HeaderName};
use shared::config::Network;

use crate::description::{Input, Operation};

/// Whom proxies say that a request comes from: each adds the address it was called from at the end.
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The part of an IPv6 address that one customer of a network has for themselves, and can vary the rest of: 64 bits
/// (RFC 6177).
const CUSTOMER: u128 = !(u64::MAX as u128);

/// The address that a request is counted under: an IPv4 address, or the first 64 bits of an IPv6 one. `None` for who calls
/// from this very host, which is not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Client(pub Option<IpAddr>);

impl Client {
    /// The client behind the request that `peer` sent with `headers`.
    pub fn of(peer: IpAddr, headers: &HeaderMap, trusted_proxies: &[Network]) -> Self {
        let peer = peer.to_canonical();
        // A proxy on this host that nobody told us of speaks for all of its clients: they count as one.
        if peer.is_loopback() && !headers.contains_key(FORWARDED_FOR) {
            return Self(None);
        }
        Self(Some(counted(named(peer, headers, trusted_proxies))))
    }
}

impl<S: Sync> FromRequestParts<S> for Client {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get().copied().unwrap_or_default())
    }
}

/// Nothing that clients are told to send.
impl Input for Client {
    fn describe(_: &mut Operation<'_>) {}
}

/// The peer, or whom the trusted proxies before us name. What others claim means nothing.
fn named(peer: IpAddr, headers: &HeaderMap, trusted_proxies: &[Network]) -> IpAddr {
    let is_trusted = |address: IpAddr| {
        let mut proxies = trusted_proxies.iter();
        proxies.any(|network| network.contains(address))
    };
    let forwarded: Vec<&str> = headers
        .get_all(FORWARDED_FOR)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .collect();
    let mut client = peer;
    for hop in forwarded.iter().rev() {
        if !is_trusted(client) {
            break;
        }
        let Ok(address) = hop.trim().parse::<IpAddr>() else {
            break;
        };
        client = address.to_canonical();
    }
    client
}

fn counted(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & CUSTOMER).into(),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn client(peer: &str, forwarded: Option<&str>, trusted: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        if let Some(forwarded) = forwarded {
            headers.insert(FORWARDED_FOR, HeaderValue::from_str(forwarded).unwrap());
        }
        let trusted: Vec<Network> = trusted
            .iter()
            .map(|network| Network::parse(network).unwrap())
            .collect();
        let client = Client::of(peer.parse().unwrap(), &headers, &trusted);
        client.0.map(|address| address.to_string())
    }

    #[test]
    fn one_customer_of_an_ipv6_network_counts_as_one() {
        let of = |address| client(address, None, &[]);

        assert_eq!(
            of("2001:db8:1:2:3:4:5:6").as_deref(),
            Some("2001:db8:1:2::")
        );
        assert_eq!(of("2001:db8:1:2::9"), of("2001:db8:1:2:ffff::"));
        assert_ne!(of("2001:db8:1:2::9"), of("2001:db8:1:3::9"));
    }

    #[test]
    fn an_ipv4_address_is_the_same_however_it_is_written() {
        assert_eq!(
            client("::ffff:203.0.113.1", None, &[]).as_deref(),
            Some("203.0.113.1")
        );
        let forwarded = client("10.0.0.1", Some("::ffff:203.0.113.1"), &["10.0.0.1"]);
        assert_eq!(forwarded.as_deref(), Some("203.0.113.1"));
    }

    #[test]
    fn only_a_caller_from_this_host_is_not_counted_and_nobody_by_saying_so() {
        for peer in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(client(peer, None, &[]), None, "{peer}");
            let forwarded = client(peer, Some("127.0.0.1"), &["127.0.0.0/8", "::1"]);
            assert!(forwarded.is_some(), "{peer}");
        }
        for claim in [
            "127.0.0.1",
            "::1",
            "::ffff:127.0.0.1",
            "127.0.0.1, 127.0.0.1",
        ] {
            assert!(client("203.0.113.1", Some(claim), &[]).is_some(), "{claim}");
            assert!(
                client("10.0.0.1", Some(claim), &["10.0.0.1"]).is_some(),
                "{claim}"
            );
        }
    }

    #[test]
    fn the_last_trusted_proxy_names_the_client() {
        let trusted = ["127.0.0.0/8", "10.0.0.1"];
        for (peer, forwarded, expected) in [
            ("127.0.0.1", "203.0.113.1", "203.0.113.1"),
            (
                "127.0.0.1",
                "198.51.100.7, 203.0.113.1, 10.0.0.1",
                "203.0.113.1",
            ),
            ("127.0.0.1", "203.0.113.1, nonsense", "127.0.0.1"),
            ("203.0.113.9", "198.51.100.7", "203.0.113.9"),
        ] {
            let client = client(peer, Some(forwarded), &trusted);
            assert_eq!(client.as_deref(), Some(expected), "{peer} {forwarded}");
        }
    }
}
