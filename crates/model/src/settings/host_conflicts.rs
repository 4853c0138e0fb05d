//! Keys of the host that do not fit together, or not with an app's.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use super::host::HostSettings;
use super::ports::{EPMD_PORT, Reservation};
use super::problem::Problem;
use super::proxy::ProxySettings;
use super::read::Reading;
use super::source::{Location, Source};

/// All conflicts inside the host's settings; a key whose value could not be read is not judged again.
pub(super) fn find(host: &HostSettings, reading: &Reading, config: &Source) -> Vec<Problem> {
    let at =
        |key: &str| reading.said.get(key).map_or_else(|| config.locate(key, None), |said| said.at.clone());
    if reading.faults.iter().any(|key| key.is_empty() || key.starts_with("proxy")) {
        return Vec::new();
    }
    let mut problems = Vec::new();
    problems.extend(certificates(&host.proxy, at));
    problems.extend(addresses(&host.proxy, at));
    problems
}

fn certificates(proxy: &ProxySettings, at: impl Fn(&str) -> Location) -> Option<Problem> {
    match (proxy.https.is_empty(), proxy.certificates.is_empty()) {
        (false, true) => {
            let remedy = "say proxy.certificates = [{ chain = \"…\", key = \"…\" }]";
            Some(
                at("proxy.https").problem("needs a certificate, and `proxy.certificates` names none", remedy),
            )
        }
        (true, false) => {
            let message = "mean nothing while `proxy.https` is empty";
            let remedy = "say proxy.https = [\"0.0.0.0:443\"], or remove them";
            Some(at("proxy.certificates").problem(message, remedy))
        }
        _ => None,
    }
}

/// Addresses that no two sockets can have.
fn addresses(proxy: &ProxySettings, at: impl Fn(&str) -> Location) -> Vec<Problem> {
    let http = proxy.http.iter().map(|address| ("proxy.http", *address));
    let https = proxy.https.iter().map(|address| ("proxy.https", *address));
    let mut seen: Vec<SocketAddr> = Vec::new();
    let mut problems = Vec::new();
    for (key, address) in http.chain(https) {
        if let Some(other) = seen.iter().find(|other| are_one(**other, address)) {
            let message = format!("{address} cannot be listened on beside {other}");
            problems.push(at(key).problem(message, "remove one of them, or choose another port"));
        }
        if address.port() == EPMD_PORT {
            let message = format!("{address} is the port of epmd, which every node needs");
            problems.push(at(key).problem(message, "choose another port"));
        }
        seen.push(address);
    }
    problems
}

/// An address of all interfaces holds the port on each; `[::]` is bound for IPv6 alone.
fn are_one(a: SocketAddr, b: SocketAddr) -> bool {
    a.port() == b.port()
        && a.is_ipv4() == b.is_ipv4()
        && (a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified())
}

/// The ports of the proxy that an app's instances would have.
pub(super) fn taken_by_proxy(proxy: &ProxySettings, reservation: &Reservation) -> BTreeSet<u16> {
    let range = reservation.range();
    let listens = proxy.http.iter().chain(&proxy.https).map(SocketAddr::port);
    listens.filter(|port| (range.first..=range.last).contains(&u32::from(*port))).collect()
}
