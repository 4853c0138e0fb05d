//! The host part of node names: other nodes, shells and rpc look it up to connect.

use std::net::{IpAddr, Ipv4Addr, ToSocketAddrs, UdpSocket};

use api::doctor::Check;
use model::settings::Distribution;

use super::findings::Findings;
use super::scene::Scene;

pub(super) const NAME: &str = "node host name";

struct Facts {
    name: String,
    resolved: Result<Vec<Address>, String>,
    /// Whether nodes of apps here listen on 127.0.0.1 and nowhere else.
    loopback: bool,
}

struct Address {
    address: IpAddr,
    /// It is one of this host's own.
    own: bool,
}

pub(super) fn check(scene: &Scene) -> Check {
    let name = scene.site.node_host.clone();
    let resolved = resolve(&name).map_err(|error| error.to_string());
    let loopback = scene.settings().any(|(_, settings)| settings.distribution == Distribution::Loopback);
    judge(&Facts { name, resolved, loopback })
}

fn resolve(name: &str) -> std::io::Result<Vec<Address>> {
    let addresses = (name, 0).to_socket_addrs()?.map(|found| found.ip());
    // Only an address of this host can be bound.
    let own = |address: IpAddr| UdpSocket::bind((address, 0)).is_ok();
    Ok(addresses.map(|address| Address { address, own: own(address) }).collect())
}

fn judge(facts: &Facts) -> Check {
    let mut findings = Findings::new(NAME);
    let Facts { name, resolved, loopback } = facts;
    let remedy = || {
        format!(
            "add the line `127.0.0.1 {name}` to /etc/hosts, or set node_host = \"127.0.0.1\" in config.toml and restart the apps"
        )
    };
    let no_connection = "instances start and find each other, but shells by hand (erl -remsh, bin/APP remote) cannot connect to them";
    match resolved {
        Err(why) => {
            findings.wrong(format!("{name} cannot be resolved ({why}): {no_connection}"), remedy());
        }
        Ok(addresses) if !addresses.iter().any(|address| address.own) => {
            let found: Vec<String> = addresses.iter().map(|it| it.address.to_string()).collect();
            findings.wrong(
                format!("{name} leads to {}, which is not this host: {no_connection}", list(&found)),
                remedy(),
            );
        }
        Ok(addresses) if *loopback && !addresses.iter().any(|it| it.address == Ipv4Addr::LOCALHOST) => {
            let found: Vec<String> = addresses.iter().map(|it| it.address.to_string()).collect();
            findings.advise(
                format!("{name} leads to {}, and nodes with distribution = \"loopback\" listen on 127.0.0.1: they find each other, but shells by hand (erl -remsh, bin/APP remote) look elsewhere", list(&found)),
                format!("start such a shell with ERL_INETRC=tmp/inetrc of the instance's tree, or have {name} lead to 127.0.0.1 in /etc/hosts"),
            );
        }
        Ok(_) => {}
    }
    findings.or_fine(format!("{name} leads to this host"))
}

fn list(addresses: &[String]) -> String {
    if addresses.is_empty() { "no address".to_owned() } else { addresses.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(resolved: Result<Vec<Address>, String>) -> Check {
        judge(&Facts { name: "web1".into(), resolved, loopback: true })
    }

    #[test]
    fn a_name_that_nobody_knows() {
        let check = judged(Err("Name or service not known".into()));
        assert!(!check.ok && check.detail.contains("Name or service not known"));
        assert!(check.remedy.unwrap().contains("127.0.0.1 web1"));
    }

    #[test]
    fn a_name_that_leads_elsewhere() {
        let check = judged(Ok(vec![Address { address: "192.0.2.7".parse().unwrap(), own: false }]));
        assert!(!check.ok && check.detail.contains("leads to 192.0.2.7, which is not this host"));
        assert!(check.remedy.unwrap().contains("/etc/hosts"));
        assert!(!judged(Ok(vec![])).ok);
    }

    #[test]
    fn one_address_of_this_host_is_enough() {
        let address = |text: &str, own| Address { address: text.parse().unwrap(), own };
        let check = judged(Ok(vec![address("192.0.2.7", false), address("127.0.0.1", true)]));
        assert!(check.ok && check.remedy.is_none(), "{check:?}");
    }

    #[test]
    fn a_name_that_leads_past_where_nodes_listen_is_told() {
        let at = |loopback| {
            let resolved = Ok(vec![Address { address: "127.0.1.1".parse().unwrap(), own: true }]);
            judge(&Facts { name: "web1".into(), resolved, loopback })
        };
        let check = at(true);
        assert!(check.ok && check.detail.contains("leads to 127.0.1.1"), "{check:?}");
        assert!(check.remedy.unwrap().contains("ERL_INETRC"));
        assert!(at(false).remedy.is_none());
    }

    #[test]
    fn really_resolved() {
        assert!(resolve("localhost").unwrap().iter().any(|address| address.own));
        assert!(!resolve("192.0.2.7").unwrap()[0].own);
        assert!(resolve("no-such-host.invalid").is_err());
    }
}
