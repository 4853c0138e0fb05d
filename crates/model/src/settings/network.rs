//! A network of IP addresses (CIDR, RFC 4632).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A network in CIDR notation; one address alone is a network of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

/// Why a text is not a network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadNetwork {
    /// Not even an address.
    #[error("{0:?} is not an IP address or a network")]
    NotOne(String),
    /// More bits than an address has.
    #[error("a network of this sort has at most {most} bits, not {bits:?}")]
    Bits {
        /// What was written.
        bits: String,
        /// What there may be.
        most: u8,
    },
    /// The address has bits beyond the prefix.
    #[error("{given} lies inside the network {network}")]
    Inside {
        /// What was written.
        given: String,
        /// What it lies in.
        network: Network,
    },
}

impl Network {
    /// Whether an address lies in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        Network::around(address, self.bits) == *self
    }

    fn width(address: IpAddr) -> u8 {
        if address.is_ipv4() { 32 } else { 128 }
    }

    fn around(address: IpAddr, bits: u8) -> Network {
        let masked = match address {
            IpAddr::V4(v4) => {
                let mask = u32::MAX.checked_shl(32u32.saturating_sub(bits.into())).unwrap_or(0);
                IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & mask))
            }
            IpAddr::V6(v6) => {
                let mask = u128::MAX.checked_shl(128u32.saturating_sub(bits.into())).unwrap_or(0);
                IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & mask))
            }
        };
        Network { address: masked, bits }
    }
}

impl FromStr for Network {
    type Err = BadNetwork;

    fn from_str(text: &str) -> Result<Self, BadNetwork> {
        let (address, bits) = text.split_once('/').map_or((text, None), |(left, right)| (left, Some(right)));
        let address: IpAddr = address.parse().map_err(|_| BadNetwork::NotOne(text.to_owned()))?;
        let most = Network::width(address);
        let Some(bits) = bits else { return Ok(Network { address, bits: most }) };
        let bits = bits
            .parse::<u8>()
            .ok()
            .filter(|number| *number <= most && !bits.starts_with('+'))
            .ok_or_else(|| BadNetwork::Bits { bits: bits.to_owned(), most })?;
        let network = Network::around(address, bits);
        if network.address == address {
            return Ok(network);
        }
        Err(BadNetwork::Inside { given: text.to_owned(), network })
    }
}

impl TryFrom<String> for Network {
    type Error = BadNetwork;

    fn try_from(text: String) -> Result<Self, BadNetwork> {
        text.parse()
    }
}

impl From<Network> for String {
    fn from(network: Network) -> String {
        network.to_string()
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}/{}", self.address, self.bits))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, String> {
        text.parse::<Network>().map(|network| network.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn networks_as_people_write_them() {
        let fine = [
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("127.0.0.1", "127.0.0.1/32"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("::/0", "::/0"),
            ("FD00::/8", "fd00::/8"),
            ("::1", "::1/128"),
        ];
        for (text, shown) in fine {
            assert_eq!(read(text), Ok(shown.to_owned()), "{text}");
        }
        let bits = |text: &str| format!("a network of this sort has at most {text}");
        for (text, error) in [
            ("", "\"\" is not an IP address or a network".to_owned()),
            ("localhost", "\"localhost\" is not an IP address or a network".to_owned()),
            ("10.0.0.0/33", bits("32 bits, not \"33\"")),
            ("10.0.0.0/+8", bits("32 bits, not \"+8\"")),
            ("::/129", bits("128 bits, not \"129\"")),
            ("10.1.2.3/8", "10.1.2.3/8 lies inside the network 10.0.0.0/8".to_owned()),
        ] {
            assert_eq!(read(text), Err(error), "{text}");
        }
    }

    #[test]
    fn an_address_lies_in_its_network_and_in_no_other() {
        let network = |text: &str| text.parse::<Network>().unwrap();
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        assert!(network("10.0.0.0/8").contains(address("10.255.0.1")));
        assert!(!network("10.0.0.0/8").contains(address("11.0.0.1")));
        assert!(network("0.0.0.0/0").contains(address("203.0.113.9")));
        assert!(!network("0.0.0.0/0").contains(address("::1")));
        assert!(network("fd00::/8").contains(address("fd12::1")));
        assert!(!network("::1").contains(address("::2")));
    }
}
