//! The ports that are reserved for apps: nobody else may have them.

use api::doctor::Check;
use model::settings::ports::reservations;

use super::findings::Findings;
use super::scene::Scene;

pub(super) const NAME: &str = "ports";

/// As many are named; who has a port takes a look into every process.
const NAMED: usize = 10;

#[derive(Default)]
struct Facts {
    /// How many ports are reserved for all apps.
    reserved: usize,
    taken: Vec<Taken>,
}

/// A reserved port that somebody else listens on.
struct Taken {
    app: String,
    port: u16,
    by: Option<String>,
}

pub(super) fn check(scene: &Scene) -> Check {
    judge(&gather(scene))
}

fn gather(scene: &Scene) -> Facts {
    let listening = host::ports::listening();
    let ours = own_ports(scene);
    let mut facts = Facts::default();
    for (app, settings) in scene.settings() {
        let ranges = reservations(settings).into_iter().map(|reservation| reservation.range());
        let reserved: Vec<u16> = ranges
            .flat_map(|range| range.first..=range.last)
            .filter_map(|port| u16::try_from(port).ok())
            .collect();
        facts.reserved += reserved.len();
        let foreign =
            reserved.into_iter().filter(|port| listening.contains_key(port) && !ours.contains(port));
        for port in foreign {
            let named = facts.taken.len() < NAMED;
            let by = if named { host::ports::listener(port) } else { None };
            facts.taken.push(Taken { app: app.name.to_string(), port, by });
        }
    }
    facts
}

/// Ports of instances that run.
fn own_ports(scene: &Scene) -> Vec<u16> {
    let mut ports = Vec::new();
    for app in &scene.apps {
        for instance in app.instances.values().filter(|instance| !instance.is_gone()) {
            let own = scene.site.ports(app, instance.target, instance.place, instance.slot);
            ports.extend(own.unwrap_or_default().into_iter().map(|(_, port)| port));
        }
    }
    ports
}

fn judge(facts: &Facts) -> Check {
    let mut findings = Findings::new(NAME);
    for Taken { app, port, by } in facts.taken.iter().take(NAMED) {
        let by =
            by.as_deref().unwrap_or("a process that this user may not see (ss -ltnp, as root, names it)");
        findings.wrong(
            format!("port {port}, reserved for {app}, is used by {by}"),
            format!("stop it, or give {app} other ports (port in its settings) and deploy it"),
        );
    }
    if let Some(more @ 1..) = facts.taken.len().checked_sub(NAMED) {
        findings.wrong(format!("and {more} more reserved ports are in use"), "see above");
    }
    findings.or_fine(format!("{} are reserved, none is used by anybody else", facts.reserved))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_somebody_else_has_is_told_with_its_holder() {
        let taken = Taken { app: "beacon".into(), port: 4001, by: Some("pid 12 (nginx)".into()) };
        let check = judge(&Facts { reserved: 12, taken: vec![taken] });
        assert!(!check.ok);
        assert_eq!(check.detail, "port 4001, reserved for beacon, is used by pid 12 (nginx)");
        assert!(check.remedy.unwrap().contains("give beacon other ports"));
    }

    #[test]
    fn a_holder_that_cannot_be_seen_is_told_so() {
        let check = judge(&Facts { reserved: 1, taken: vec![Taken { app: "a".into(), port: 80, by: None }] });
        assert!(check.detail.contains("may not see"));
    }

    #[test]
    fn a_long_list_is_cut() {
        let taken = (0..30).map(|port| Taken { app: "a".into(), port, by: None }).collect();
        let check = judge(&Facts { reserved: 30, taken });
        assert_eq!(check.detail.lines().count(), NAMED + 1);
        assert!(check.detail.ends_with("and 20 more reserved ports are in use"));
    }

    #[test]
    fn free_ports_are_fine() {
        let check = judge(&Facts { reserved: 12, taken: vec![] });
        assert!(check.ok && check.remedy.is_none());
    }
}
