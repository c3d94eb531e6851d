//! How much of the API one client may use, and all of them together.

use std::net::IpAddr;

use super::list::comma_list;
use super::reader::{Read, Reader};
use super::variable::{
    RATE_LIMIT_ADDRESS, RATE_LIMIT_KEY, SERVER_MAX_REQUESTS, SERVER_TRUSTED_PROXIES,
};

/// The limits of the API server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitsConfig {
    /// Requests a minute that one key may sign; `None` for no limit.
    pub per_key: Option<u32>,
    /// Requests a minute that may come from one address; `None` for no limit.
    pub per_address: Option<u32>,
    /// Requests that are handled at the same time.
    pub max_requests: usize,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Network>,
}

/// A range of addresses: those that share the first bits of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u32,
}

impl LimitsConfig {
    pub(super) fn read(reader: &mut Reader<'_>) -> Read<Self> {
        let per_key = reader.whole(&RATE_LIMIT_KEY);
        let per_address = reader.whole(&RATE_LIMIT_ADDRESS);
        let max_requests = reader.whole(&SERVER_MAX_REQUESTS);
        let trusted_proxies = reader.optional(&SERVER_TRUSTED_PROXIES, |text| {
            comma_list(text, Network::parse)
        });
        let none_for_zero = |limit: u32| Some(limit).filter(|limit| *limit > 0);
        Ok(Self {
            per_key: none_for_zero(per_key?),
            per_address: none_for_zero(per_address?),
            max_requests: max_requests?,
            trusted_proxies: trusted_proxies?.unwrap_or_default(),
        })
    }
}

impl Network {
    /// An address, or one with the number of bits that count: `10.0.0.0/8`. `None` for what is neither.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (address, bits) = text
            .split_once('/')
            .map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse().ok()?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Some(width), |bits| bits.parse().ok())?;
        (bits <= width).then_some(Self { address, bits })
    }

    /// Whether `address` is in it.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let differing = u32::from(own) ^ u32::from(other);
                differing.leading_zeros() >= self.bits
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let differing = u128::from(own) ^ u128::from(other);
                differing.leading_zeros() >= self.bits
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_holds_the_addresses_that_share_its_bits() {
        for (network, address, expected) in [
            ("10.0.0.0/8", "10.200.3.4", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.6", false),
            ("0.0.0.0/0", "203.0.113.9", true),
            ("0.0.0.0/0", "::1", false),
            ("2001:db8::/32", "2001:db8:1::5", true),
            ("2001:db8::/32", "2001:db9::5", false),
        ] {
            let network = Network::parse(network).unwrap();
            assert_eq!(network.contains(address.parse().unwrap()), expected);
        }
        for text in [
            "",
            "10.0.0.0/33",
            "10.0.0/8",
            "host",
            "::1/129",
            "10.0.0.0/",
        ] {
            assert_eq!(Network::parse(text), None, "{text}");
        }
    }
}
