//! Whether instances get cgroups of their own.

use std::path::PathBuf;

use api::doctor::Check;
use model::app::App;

use super::findings::Findings;
use super::scene::Scene;

pub(super) const NAME: &str = "cgroup";

pub(super) fn check(scene: &Scene) -> Check {
    let made = host::cgroup::rehearse(scene.site.paths.root());
    let lack = made.as_ref().ok().and_then(|parent| host::cgroup::enable_limits(parent).err());
    let limited: Vec<String> =
        scene.apps.iter().filter(|app| is_limited(app)).map(|app| app.name.to_string()).collect();
    judge(made.map_err(|error| host::chain(&error)), lack.map(|error| host::chain(&error)), &limited)
}

fn is_limited(app: &App) -> bool {
    let active = app.active().and_then(|active| app.revision(active));
    active.is_some_and(|revision| revision.settings.resources.is_limited())
}

/// `lack`: why limits do not hold; `limited`: the apps that want some.
fn judge(made: Result<PathBuf, String>, lack: Option<String>, limited: &[String]) -> Check {
    let mut findings = Findings::new(NAME);
    match made {
        Ok(parent) => {
            let limits = match &lack {
                None => "limits (resources.memory, resources.cpu) hold".to_owned(),
                Some(why) => format!("limits (resources.memory, resources.cpu) do not hold: {why}"),
            };
            if lack.is_some() && !limited.is_empty() {
                findings.advise(
                    format!("{limits}; {} run without theirs", limited.join(", ")),
                    "let systemd delegate a group with its controllers (Delegate=yes and DelegateSubgroup=bellrockd in the unit), on a host with cgroup v2 alone",
                );
            }
            findings.or_fine(format!("each instance gets one below {}; {limits}", parent.display()))
        }
        Err(why) => {
            findings.advise(
                format!("instances get none ({why}): their processes are then found one by one when they are ended, and kills for want of memory are not told as such"),
                "run bellrockd as root, or let systemd delegate a group to it (Delegate=yes in its unit); Linux 5.14 or newer with cgroup2 mounted",
            );
            findings.or_fine("")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_one_the_consequence_and_the_remedy_are_told() {
        let check = judge(Err("no cgroup2 file system is mounted".into()), None, &[]);
        assert!(check.ok, "apps run without one");
        assert!(check.detail.contains("no cgroup2 file system is mounted"));
        assert!(check.remedy.unwrap().contains("Delegate=yes"));
    }

    #[test]
    fn with_one_it_says_where() {
        let check = judge(Ok("/sys/fs/cgroup/bellrock".into()), None, &["shop".into()]);
        assert!(check.ok && check.remedy.is_none());
        assert!(check.detail.contains("/sys/fs/cgroup/bellrock"));
    }

    #[test]
    fn limits_that_do_not_hold_are_told_to_those_who_want_some() {
        let judged =
            |apps: &[String]| judge(Ok("/sys/fs/cgroup/bellrock".into()), Some("no controller".into()), apps);
        let nobody = judged(&[]);
        assert!(nobody.remedy.is_none() && nobody.detail.contains("do not hold: no controller"));
        let somebody = judged(&["shop".into()]);
        assert!(somebody.detail.contains("shop run without theirs"), "{}", somebody.detail);
        assert!(somebody.remedy.unwrap().contains("DelegateSubgroup=bellrockd"));
    }
}
