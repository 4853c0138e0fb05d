//! Networks in CIDR notation: whose headers are believed.

use std::net::IpAddr;
use std::str::FromStr;

use thiserror::Error;

/// All addresses that share a prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Network {
    bits: u128,
    mask: u128,
}

/// Text that is no network.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("\"{0}\" is not a network like 10.0.0.0/8 or fd00::/8")]
pub(crate) struct NotANetwork(String);

impl Network {
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        number(address) & self.mask == self.bits
    }
}

impl FromStr for Network {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        parse(text).ok_or_else(|| NotANetwork(text.to_owned()))
    }
}

/// A lone address is the network of itself.
fn parse(text: &str) -> Option<Network> {
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix.parse::<u32>().ok()?)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let width = if address.is_ipv4() { 32 } else { 128 };
    let prefix = prefix.unwrap_or(width);
    if prefix > width {
        return None;
    }
    let mask = u128::MAX.checked_shl(width - prefix).unwrap_or(0);
    let mask = if address.is_ipv4() { mask | !u128::from(u32::MAX) } else { mask };
    Some(Network { bits: number(address) & mask, mask })
}

/// IPv4 as IPv6 maps it (RFC 4291 2.5.5.2), so that a socket for both families gives the same number.
fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(network: &str, address: &str, expected: bool) {
        let network: Network = network.parse().unwrap();
        assert_eq!(network.contains(address.parse().unwrap()), expected);
    }

    #[test]
    fn who_belongs_to_a_network() {
        check("10.0.0.0/8", "10.255.0.1", true);
        check("10.0.0.0/8", "11.0.0.1", false);
        check("10.0.0.0/8", "::ffff:10.1.2.3", true);
        check("127.0.0.1", "127.0.0.1", true);
        check("127.0.0.1", "127.0.0.2", false);
        check("0.0.0.0/0", "203.0.113.9", true);
        check("0.0.0.0/0", "2001:db8::1", false);
        check("::/0", "2001:db8::1", true);
        check("fd00::/8", "fdff::1", true);
        check("fd00::/8", "fe80::1", false);
    }

    #[test]
    fn what_is_no_network() {
        for text in ["", "10.0.0.0/33", "::/129", "10.0.0/8", "10.0.0.0/-1", "a/8", "10.0.0.0/8/8"] {
            assert_eq!(text.parse::<Network>(), Err(NotANetwork(text.to_owned())));
        }
    }
}
