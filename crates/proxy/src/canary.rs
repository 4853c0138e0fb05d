//! Which side of a route a client gets while a new version gets a share of it: the canary, or the rest.
//!
//! The choice follows from the app and the client's address alone, by a hash that is the same on every core and in every
//! process: no cookie is needed, and who is in at 5 % is in at 25 %.

use std::net::{IpAddr, SocketAddr};

use hyper::header::{HeaderMap, HeaderName};
use wire::proxy;

use crate::request_head::FORWARDED_FOR;
use crate::serving::FrontLimits;

/// A route's canary.
#[derive(Debug)]
pub(crate) struct Canary {
    /// Of [`ALL`] clients.
    share: u32,
    header: Option<HeaderName>,
    /// The app, hashed.
    seed: u64,
    /// Its backends.
    uids: Vec<u64>,
}

/// Clients are told apart this finely.
const ALL: u64 = 10_000;

impl Canary {
    /// A canary of an app; `uids` are its backends. A header that no request can have chooses nothing.
    pub(crate) fn new(app: &str, canary: &proxy::Canary, uids: Vec<u64>) -> Self {
        let header = HeaderName::from_bytes(canary.header.as_bytes()).ok();
        Self { share: canary.share, header, seed: fnv(FNV_BASIS, app.as_bytes()), uids }
    }

    /// Whether a backend is one of it.
    pub(crate) fn has(&self, uid: u64) -> bool {
        self.uids.contains(&uid)
    }

    /// Whether a request goes to it.
    pub(crate) fn gets(&self, headers: &HeaderMap, peer: IpAddr, front: &FrontLimits) -> bool {
        let said = self.header.as_ref().and_then(|name| headers.get(name));
        match said.map(|value| value.as_bytes()) {
            Some(b"always") => true,
            Some(b"never") => false,
            _ => self.gets_client(client(headers, peer, front)),
        }
    }

    fn gets_client(&self, client: IpAddr) -> bool {
        let hash = match client.to_canonical() {
            IpAddr::V4(address) => fnv(self.seed, &address.octets()),
            // Hosts change the lower half every day (RFC 8981): the upper half is what stays.
            IpAddr::V6(address) => fnv(self.seed, &address.octets()[..8]),
        };
        ((mix(hash) >> 32) * ALL) >> 32 < u64::from(self.share)
    }
}

/// Who asked: the peer, or for a trusted one the last in its list that is not trusted itself. The peer stands at the
/// list's end already.
fn client(headers: &HeaderMap, peer: IpAddr, front: &FrontLimits) -> IpAddr {
    let mut client = peer;
    let list = headers.get(FORWARDED_FOR).and_then(|value| value.to_str().ok()).unwrap_or_default();
    for hop in list.rsplit(',').skip(1) {
        if !front.trusts(client) {
            break;
        }
        let Some(address) = address(hop.trim()) else { break };
        client = address;
    }
    client
}

/// With or without a port, IPv6 with or without brackets.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    bare.parse().ok().or_else(|| text.parse().ok().map(|address: SocketAddr| address.ip()))
}

const FNV_BASIS: u64 = 0xcbf2_9ce4_8422_2325;

/// FNV-1a.
fn fnv(seed: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(seed, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

/// The end of MurmurHash3: neighbours among addresses come to lie far from each other.
fn mix(hash: u64) -> u64 {
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use hyper::header::HeaderValue;

    use super::*;

    fn canary(app: &str, percent: u32, header: &str) -> Canary {
        Canary::new(app, &proxy::Canary { share: percent * 100, header: header.into() }, Vec::new())
    }

    fn clients() -> impl Iterator<Item = IpAddr> {
        let v4 = (0..10_000).map(|it| IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + it)));
        let v6 = (0..10_000).map(|it| IpAddr::V6(Ipv6Addr::from_bits((0x2001_0db8u128 << 96) + (it << 64))));
        v4.chain(v6)
    }

    #[test]
    fn each_share_is_a_share_of_neighbours_too_and_grows() {
        for app in ["beacon", "shop"] {
            for (less, more) in [(0, 1), (1, 5), (5, 25), (25, 50), (50, 99)] {
                let (before, after) = (canary(app, less, ""), canary(app, more, ""));
                let chosen = clients().filter(|it| after.gets_client(*it)).count();
                let expected = 20_000.0 * f64::from(more) / 100.0;
                let off = (chosen as f64 - expected).abs() / expected.sqrt();
                assert!(off < 4.0, "{app}: {chosen} of 20000 for {more} %");
                let stay = clients().all(|it| after.gets_client(it) || !before.gets_client(it));
                assert!(stay, "{app}: who is in at {less} % is in at {more} %");
            }
        }
    }

    #[test]
    fn the_choice_is_the_same_in_every_version_of_the_proxy() {
        let canary = canary("beacon", 25, "");
        let chosen: Vec<u8> =
            (0..=40).filter(|it| canary.gets_client(IpAddr::from([192, 0, 2, *it]))).collect();
        assert_eq!(chosen, [12, 16, 23, 25, 29, 30, 36, 40]);
    }

    #[test]
    fn apps_do_not_choose_the_same_clients() {
        let (beacon, shop) = (canary("beacon", 50, ""), canary("shop", 50, ""));
        let both = clients().filter(|it| beacon.gets_client(*it) && shop.gets_client(*it)).count();
        assert!((4_700..5_300).contains(&both), "{both} of 20000");
    }

    #[test]
    fn an_ipv6_client_is_its_network_and_a_mapped_one_is_ipv4() {
        let canary = canary("beacon", 50, "");
        let same = |a: &str, b: &str| {
            assert_eq!(
                canary.gets_client(a.parse().unwrap()),
                canary.gets_client(b.parse().unwrap()),
                "{a} {b}"
            );
        };
        for last in 0..64 {
            same(&format!("2001:db8:0:{last:x}::1"), &format!("2001:db8:0:{last:x}:ffff:1:2:3"));
            same(&format!("10.0.0.{last}"), &format!("::ffff:10.0.0.{last}"));
        }
    }

    #[test]
    fn a_header_chooses_and_anything_else_in_it_does_not() {
        let nobody = canary("beacon", 0, "x-canary");
        let (peer, front) =
            (IpAddr::from([192, 0, 2, 1]), FrontLimits::new(&proxy::Front::default()).unwrap());
        for (value, expected) in [("always", true), ("never", false), ("1", false), ("", false)] {
            let mut headers = HeaderMap::new();
            headers.insert("x-canary", HeaderValue::from_static(value));
            assert_eq!(nobody.gets(&headers, peer, &front), expected, "{value:?}");
            headers.insert("x-other", HeaderValue::from_static("always"));
            assert_eq!(nobody.gets(&headers, peer, &front), expected, "{value:?}");
        }
        let everybody = Canary { share: 10_000, ..canary("beacon", 0, "x-canary") };
        let mut headers = HeaderMap::new();
        assert!(everybody.gets(&headers, peer, &front));
        headers.insert("x-canary", HeaderValue::from_static("never"));
        assert!(!everybody.gets(&headers, peer, &front));
    }

    #[test]
    fn who_asked() {
        let front = FrontLimits::new(&proxy::Front {
            trusted_proxies: vec!["10.0.0.0/8".into(), "::1".into()],
            ..proxy::Front::default()
        });
        let front = front.unwrap();
        for (peer, list, expected) in [
            ("192.0.2.7", "192.0.2.7", "192.0.2.7"),
            ("192.0.2.7", "203.0.113.1, 192.0.2.7", "192.0.2.7"), // nobody believes it
            ("10.0.0.1", "203.0.113.1, 10.0.0.1", "203.0.113.1"),
            ("10.0.0.1", "198.51.100.9, 203.0.113.1, 10.0.0.2, 10.0.0.1", "203.0.113.1"),
            ("10.0.0.1", "[2001:db8::1]:4711, 10.0.0.1", "2001:db8::1"),
            ("::1", "203.0.113.1:80, ::1", "203.0.113.1"),
            ("10.0.0.1", "10.0.0.3, 10.0.0.1", "10.0.0.3"),
            ("10.0.0.1", "unknown, 10.0.0.1", "10.0.0.1"),
            ("10.0.0.1", "10.0.0.1", "10.0.0.1"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(FORWARDED_FOR, HeaderValue::from_str(list).unwrap());
            let found = client(&headers, peer.parse().unwrap(), &front);
            assert_eq!(found, expected.parse::<IpAddr>().unwrap(), "{peer} {list}");
        }
    }
}
