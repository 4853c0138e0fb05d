//! Nodes under the names that Bellrock gave them: what keeps another name is reached by nobody who looks for it.

use api::doctor::Check;

use super::findings::Findings;
use super::scene::Scene;

pub(super) const NAME: &str = "nodes";

struct Facts {
    /// Names of the nodes of instances that are ready, with the instance's app and place.
    wanted: Vec<(String, String)>,
    /// Names that are registered on this host; why nobody can tell.
    registered: Result<Vec<String>, String>,
}

pub(super) fn check(scene: &Scene) -> Check {
    let of_app = |app: &std::sync::Arc<model::app::App>| {
        let ready = app.instances.values().filter(|it| it.is_ready() && scene.site.is_named(app, it));
        let named = ready.map(|it| (scene.site.node(&app.name, it), format!("{} {}", app.name, it.place)));
        named.collect::<Vec<_>>()
    };
    judge(&Facts {
        wanted: scene.apps.iter().flat_map(of_app).collect(),
        registered: host::epmd::names().map_err(|error| error.to_string()),
    })
}

fn judge(facts: &Facts) -> Check {
    let mut findings = Findings::new(NAME);
    let Facts { wanted, registered } = facts;
    // That there is no epmd is told by its own check.
    let Ok(registered) = registered else {
        return findings.or_fine(format!("{} shall have names; no epmd tells which do", wanted.len()));
    };
    let has_name = |node: &str| registered.iter().any(|name| node.split('@').next() == Some(name.as_str()));
    let without: Vec<String> = wanted
        .iter()
        .filter(|(node, _)| !has_name(node))
        .map(|(node, instance)| format!("{node} ({instance})"))
        .collect();
    if !without.is_empty() {
        findings.advise(
            format!("not registered with epmd under their names, so that no shell, rpc or other node reaches them: {}", without.join(", ")),
            "look for a -name or -sname in the release's vm.args and for RELEASE_NODE or RELEASE_DISTRIBUTION in its env.sh: use ${RELEASE_NODE} there, or launch = \"direct\"; see docs/how-to/erlang-nodes.md",
        );
    }
    findings.or_fine(format!("{} are registered under their names", wanted.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(registered: Result<&[&str], &str>) -> Check {
        let wanted = ["beacon-1", "beacon-2b"].map(|name| (format!("{name}@web1"), "beacon".to_owned()));
        let registered = registered.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
        judge(&Facts { wanted: wanted.into(), registered: registered.map_err(str::to_owned) })
    }

    #[test]
    fn all_have_their_names() {
        assert_eq!(
            judged(Ok(&["beacon-1", "beacon-2b", "other"])).detail,
            "2 are registered under their names"
        );
    }

    #[test]
    fn one_that_calls_itself_otherwise_is_named() {
        let check = judged(Ok(&["beacon-1", "beacon"]));
        assert!(check.ok, "the app runs");
        assert!(
            check.detail.contains("beacon-2b@web1") && !check.detail.contains("beacon-1@"),
            "{}",
            check.detail
        );
        assert!(check.remedy.unwrap().contains("vm.args"));
    }

    #[test]
    fn nothing_is_said_where_nobody_can_tell() {
        let check = judged(Err("connection refused"));
        assert!(check.ok && check.remedy.is_none(), "{check:?}");
    }
}
