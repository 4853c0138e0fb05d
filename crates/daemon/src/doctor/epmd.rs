//! Erlang's port mapper, which every node registers with.

use api::doctor::Check;
use host::epmd::{EPMD_PORT, Seen};
use host::shim::{ShimHost, ShimId};

use super::findings::Findings;
use super::scene::Scene;

pub(super) const NAME: &str = "epmd";

struct Facts {
    seen: Seen,
    /// The shim that keeps Bellrock's own epmd lives.
    ours: bool,
    /// Instances that run and whose nodes have names.
    instances: usize,
}

pub(super) fn check(scene: &Scene) -> Check {
    let launched = |app: &std::sync::Arc<model::app::App>| {
        app.instances.values().filter(|it| it.is_launched() && scene.site.is_named(app, it)).count()
    };
    judge(&Facts {
        seen: host::epmd::look(),
        ours: shim_lives(scene),
        instances: scene.apps.iter().map(launched).sum(),
    })
}

fn shim_lives(scene: &Scene) -> bool {
    let shims = ShimHost {
        run_root: scene.site.paths.shims_run(),
        state_root: scene.site.paths.shims_state(),
        shim_binary: scene.shim.clone(),
        epoch: 0,
    };
    ShimId::new("epmd").is_ok_and(|id| shims.is_alive(&id).unwrap_or(false))
}

fn judge(facts: &Facts) -> Check {
    let mut findings = Findings::new(NAME);
    let Facts { seen, ours, instances } = facts;
    if seen.addresses.is_empty() {
        if *instances > 0 {
            findings.wrong(
                format!("it does not run, and {instances} instances do: no shell, no rpc and no other node reaches theirs"),
                "Bellrock starts its own within 10 seconds, and running nodes register again by themselves; where it cannot, bellrock status APP and its log say why",
            );
        }
        return findings.or_fine("does not run; Bellrock starts its own with the first instance");
    }
    let by = seen.by.as_deref().unwrap_or("a process that this user may not see");
    if let Err(why) = &seen.answers {
        findings.wrong(
            format!("{by} has port {EPMD_PORT}, but no epmd answers on 127.0.0.1: {why}"),
            format!("stop it; every Erlang node of this host needs an epmd on 127.0.0.1:{EPMD_PORT}"),
        );
    }
    if let Some(open) = seen.addresses.iter().find(|address| !address.is_loopback()) {
        findings.advise(
            format!("it ({by}) listens on {open}: other hosts may ask it for the names and ports of all nodes"),
            format!("close port {EPMD_PORT} in the firewall, or bind it to 127.0.0.1 (ERL_EPMD_ADDRESS=127.0.0.1 where it is started; ListenStream=127.0.0.1:{EPMD_PORT} in epmd.socket) unless nodes on other hosts connect"),
        );
    }
    let whose = if *ours { "Bellrock's own" } else { "another's" };
    findings.or_fine(format!("runs ({whose}: {by}) and answers on 127.0.0.1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(addresses: &[&str], answers: Result<(), String>, instances: usize) -> Facts {
        let addresses: Vec<_> = addresses.iter().map(|text| text.parse().unwrap()).collect();
        let by = (!addresses.is_empty()).then(|| "pid 7 (epmd)".to_owned());
        Facts { seen: Seen { addresses, by, answers }, ours: false, instances }
    }

    #[test]
    fn none_while_instances_run() {
        let check = judge(&facts(&[], Err("refused".into()), 3));
        assert!(!check.ok && check.detail.contains("3 instances"));
        assert!(check.remedy.unwrap().contains("bellrock status"));
    }

    #[test]
    fn none_is_needed_before_the_first_instance() {
        assert!(judge(&facts(&[], Err("refused".into()), 0)).ok);
    }

    #[test]
    fn something_else_on_its_port() {
        let check = judge(&facts(&["127.0.0.1"], Err("it answers, but it is no epmd".into()), 0));
        assert!(!check.ok && check.detail.contains("pid 7 (epmd) has port 4369"));
        assert!(check.remedy.unwrap().starts_with("stop it"));
    }

    #[test]
    fn open_to_other_hosts() {
        for open in ["0.0.0.0", "::", "192.0.2.7"] {
            let check = judge(&facts(&["127.0.0.1", open], Ok(()), 1));
            assert!(check.ok, "nodes work");
            assert!(check.detail.contains(&format!("listens on {open}")));
            assert!(check.remedy.unwrap().contains("ERL_EPMD_ADDRESS=127.0.0.1"));
        }
    }

    #[test]
    fn whose_it_is() {
        let another = facts(&["127.0.0.1", "::1"], Ok(()), 1);
        assert_eq!(judge(&another).detail, "runs (another's: pid 7 (epmd)) and answers on 127.0.0.1");
        let check = judge(&Facts { ours: true, ..another });
        assert!(check.ok && check.remedy.is_none() && check.detail.contains("Bellrock's own"));
    }
}
