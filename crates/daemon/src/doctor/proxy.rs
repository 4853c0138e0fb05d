//! The proxy: whether it runs, listens, and serves what it shall.

use std::net::SocketAddr;

use api::doctor::Check;
use host::proxy::{Process, ProxyFacts};
use model::settings::ProxySettings;

use super::findings::Findings;
use super::scene::Scene;

pub(super) const NAME: &str = "proxy";

struct Facts {
    proxy: ProxyFacts,
    settings: ProxySettings,
    /// Revision of the routes that it shall serve by.
    wanted: u64,
    /// Apps that want requests from it.
    apps: usize,
    /// Lowest port that this daemon's user may listen on.
    lowest_port: u16,
    /// Addresses that are set and that nobody listens on.
    silent: Vec<SocketAddr>,
    /// Certificates' files that cannot be read, each with the reason.
    unreadable: Vec<String>,
}

pub(super) fn check(scene: &Scene) -> Check {
    let settings = scene.site.settings.proxy.clone();
    let table = scene.proxy.table().unwrap_or_default();
    let listening = host::ports::listening();
    let silent = settings.http.iter().chain(&settings.https).filter(|it| !listening.contains_key(&it.port()));
    judge(&Facts {
        proxy: scene.proxy.facts().borrow().clone(),
        wanted: table.revision,
        apps: table.routes.len(),
        lowest_port: lowest_port(),
        silent: silent.copied().collect(),
        unreadable: unreadable(&settings),
        settings,
    })
}

/// ip(7), `ip_unprivileged_port_start`; root may listen everywhere.
fn lowest_port() -> u16 {
    if rustix::process::geteuid().is_root() {
        return 1;
    }
    let path = "/proc/sys/net/ipv4/ip_unprivileged_port_start";
    fs_err::read_to_string(path).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(1024)
}

fn unreadable(settings: &ProxySettings) -> Vec<String> {
    let files = settings.certificates.iter().flat_map(|it| [&it.chain, &it.key]);
    let errors = files.filter_map(|path| fs_err::File::open(path).err());
    errors.map(|error| error.to_string()).collect()
}

fn judge(facts: &Facts) -> Check {
    let mut findings = Findings::new(NAME);
    let Facts { proxy, settings, .. } = facts;
    if !settings.is_on() {
        return findings.or_fine("none: no address is set for it (proxy.http in config.toml)");
    }
    privileged(facts, &mut findings);
    match &proxy.process {
        Process::Failing { why } => findings.wrong(why.clone(), remedy_of_failure(why)),
        Process::Starting => findings.wrong("it has not been started yet", "ask again in some seconds"),
        Process::Off => findings.wrong(
            "it was off when the daemon was started",
            "restart bellrockd: addresses of the proxy are read when it starts",
        ),
        Process::Running { .. } => running(facts, &mut findings),
    }
    for why in &facts.unreadable {
        findings.wrong(
            format!("a certificate cannot be used: {why}"),
            "put the files there, readable for bellrockd's user; they are read again within a minute",
        );
    }
    if !settings.https.is_empty() && settings.certificates.is_empty() {
        findings.wrong(
            "it listens for TLS and has no certificate: no browser will connect",
            "set proxy.certificates in config.toml, or take proxy.https out",
        );
    }
    findings.or_fine(fine(facts))
}

fn remedy_of_failure(why: &str) -> &'static str {
    match why {
        why if why.contains("Address already in use") => {
            "stop whoever listens there (ss -ltnp), or set other addresses: proxy.http in config.toml, then restart bellrockd"
        }
        why if why.contains("Permission denied") => {
            "run bellrockd as root (proxy.user then names the proxy's user), or set ports from 1024 on: proxy.http in config.toml"
        }
        _ => "look into bellrock-proxy-stderr.log, beside the apps' logs",
    }
}

fn privileged(facts: &Facts, findings: &mut Findings) {
    let addresses = facts.settings.http.iter().chain(&facts.settings.https);
    for address in addresses.filter(|address| address.port() < facts.lowest_port) {
        findings.wrong(
            format!("this daemon's user may not listen on {address}: ports below {} are root's", facts.lowest_port),
            format!(
                "run bellrockd as root (proxy.user then names the proxy's user), set another port, or allow it: sysctl net.ipv4.ip_unprivileged_port_start={}",
                address.port()
            ),
        );
    }
}

fn running(facts: &Facts, findings: &mut Findings) {
    let Facts { proxy, .. } = facts;
    if let Some(why) = &proxy.unreached {
        findings.wrong(
            format!("it runs and cannot be asked, so it goes on with its last routes: {why}"),
            "restart bellrockd; if that does not help, end the proxy's process: it is started again at once",
        );
    } else if proxy.applied < facts.wanted {
        let why = proxy.refused.as_ref().map(|(_, why)| format!(": {why}")).unwrap_or_default();
        findings.wrong(
            format!("it serves by routes older than those that are wanted{why}"),
            "look for a full or read-only disk (bellrock doctor names it), then ask again in some seconds",
        );
    }
    if let Some(why) = &proxy.outdated {
        findings.wrong(
            format!("an earlier one goes on, as the one that is installed and set now could not take over: {why}"),
            "look into bellrock-proxy-stderr.log, beside the apps' logs; put it right, then restart bellrockd",
        );
    }
    for address in &facts.silent {
        findings.wrong(
            format!("nobody listens on {address}"),
            "restart bellrockd: it starts the proxy anew where its addresses have changed",
        );
    }
}

fn fine(facts: &Facts) -> String {
    let addresses = facts.settings.http.iter().chain(&facts.settings.https).map(ToString::to_string);
    let apps = match facts.apps {
        1 => "1 app".to_owned(),
        apps => format!("{apps} apps"),
    };
    format!("serves {apps} on {}", addresses.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxy(process: Process) -> ProxyFacts {
        let mut facts = ProxyFacts::default();
        (facts.process, facts.applied) = (process, 5);
        facts
    }

    fn facts() -> Facts {
        Facts {
            proxy: proxy(Process::Running { pid: 7 }),
            settings: ProxySettings::default(),
            wanted: 5,
            apps: 1,
            lowest_port: 1024,
            silent: Vec::new(),
            unreadable: Vec::new(),
        }
    }

    fn failing(why: &str) -> Facts {
        let process = Process::Failing { why: why.into() };
        Facts { proxy: proxy(process), ..facts() }
    }

    #[test]
    fn all_is_well() {
        assert_eq!(judge(&facts()).detail, "serves 1 app on 127.0.0.1:8080");
        let off = ProxySettings { http: Vec::new(), ..ProxySettings::default() };
        let check = judge(&Facts { settings: off, ..facts() });
        assert!(check.ok && check.detail.starts_with("none"), "{check:?}");
    }

    #[test]
    fn it_cannot_listen() {
        let check =
            judge(&failing("could not listen on 127.0.0.1:8080: Address already in use (os error 98)"));
        assert!(!check.ok && check.remedy.unwrap().starts_with("stop whoever listens there"));
        let check = judge(&failing("could not listen on 127.0.0.1:80: Permission denied (os error 13)"));
        assert!(!check.ok && check.remedy.unwrap().starts_with("run bellrockd as root"));
        let check = judge(&failing("the proxy ended with status 1"));
        assert!(!check.ok && check.remedy.unwrap().contains("bellrock-proxy-stderr.log"));
    }

    #[test]
    fn ports_that_are_root_s() {
        let settings =
            ProxySettings { http: vec!["0.0.0.0:80".parse().unwrap()], ..ProxySettings::default() };
        let check = judge(&Facts { settings: settings.clone(), ..facts() });
        assert!(!check.ok && check.detail.contains("0.0.0.0:80: ports below 1024 are root's"), "{check:?}");
        assert!(judge(&Facts { settings, lowest_port: 80, ..facts() }).ok);
    }

    #[test]
    fn it_cannot_be_asked_or_is_behind() {
        let mut mute = facts();
        mute.proxy.unreached = Some("it did not greet within 10 s".into());
        assert!(judge(&mute).detail.contains("goes on with its last routes: it did not greet"));
        let mut behind = Facts { wanted: 6, ..facts() };
        behind.proxy.refused = Some((6, "no space left".into()));
        let check = judge(&behind);
        assert!(!check.ok && check.detail.ends_with("older than those that are wanted: no space left"));
        let mut outdated = facts();
        outdated.proxy.outdated = Some("it does not run".into());
        assert!(judge(&outdated).detail.ends_with("could not take over: it does not run"));
        let silent = Facts { silent: vec!["127.0.0.1:8080".parse().unwrap()], ..facts() };
        assert!(judge(&silent).detail.contains("nobody listens on 127.0.0.1:8080"));
    }

    #[test]
    fn certificates() {
        let tls =
            ProxySettings { https: vec!["127.0.0.1:8443".parse().unwrap()], ..ProxySettings::default() };
        let check = judge(&Facts { settings: tls, ..facts() });
        assert!(!check.ok && check.detail.contains("has no certificate"));
        let check = judge(&Facts { unreadable: vec!["failed to open /x".into()], ..facts() });
        assert!(!check.ok && check.detail.contains("failed to open /x"));
    }
}
