//! Whether instances get cgroups of their own.

use std::path::PathBuf;

use api::doctor::Check;

use super::findings::Findings;
use super::scene::Scene;

pub(super) const NAME: &str = "cgroup";

pub(super) fn check(scene: &Scene) -> Check {
    let made = host::cgroup::rehearse(scene.site.paths.root());
    judge(made.map_err(|error| host::chain(&error)))
}

fn judge(made: Result<PathBuf, String>) -> Check {
    let mut findings = Findings::new(NAME);
    match made {
        Ok(parent) => findings.or_fine(format!("each instance gets one below {}", parent.display())),
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
        let check = judge(Err("no cgroup2 file system is mounted".into()));
        assert!(check.ok, "apps run without one");
        assert!(check.detail.contains("no cgroup2 file system is mounted"));
        assert!(check.remedy.unwrap().contains("Delegate=yes"));
    }

    #[test]
    fn with_one_it_says_where() {
        let check = judge(Ok("/sys/fs/cgroup/bellrock".into()));
        assert!(check.ok && check.remedy.is_none());
        assert!(check.detail.contains("/sys/fs/cgroup/bellrock"));
    }
}
