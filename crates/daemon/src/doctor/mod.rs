//! `bellrock doctor`: what on this host would keep apps from running well, and what to do about it.
//!
//! One file per check. Each gathers facts, which is its only IO, and judges them in a pure function. A check that is
//! not `ok` keeps something from working; one that is `ok` and has a remedy works, but could be better.
//! Each check runs on a thread of its own with a deadline: one that panics or hangs is a failed check, not a failed
//! doctor.

mod certificates;
mod cgroup;
mod clock;
mod cookies;
mod disk;
mod distribution;
mod epmd;
mod findings;
mod journal;
mod limits;
mod modes;
mod node_host;
mod nodes;
mod platform;
mod ports;
mod proxy;
mod scene;
mod settings;
mod shim_program;
mod shims;
mod store;
mod users;

use std::sync::Arc;
use std::time::Duration;

use api::doctor::Check;
use findings::Findings;
pub(crate) use scene::Scene;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, timeout_at};

/// A check that takes longer hangs: on a dead network file system, or on a name server that is away.
const DEADLINE: Duration = Duration::from_secs(10);

/// Looks at something; may block.
type Look = fn(&Scene) -> Check;

/// What is looked at, in the order in which it is shown.
const CHECKS: [(&str, Look); 20] = [
    (settings::NAME, settings::check),
    (users::NAME, users::check),
    (modes::NAME, modes::check),
    (limits::NAME, limits::check),
    (cgroup::NAME, cgroup::check),
    (disk::NAME, disk::check),
    (clock::NAME, clock::check),
    (platform::NAME, platform::check),
    (node_host::NAME, node_host::check),
    (epmd::NAME, epmd::check),
    (nodes::NAME, nodes::check),
    (cookies::NAME, cookies::check),
    (certificates::NAME, certificates::check),
    (distribution::NAME, distribution::check),
    (ports::NAME, ports::check),
    (proxy::NAME, proxy::check),
    (store::NAME, store::check),
    (shim_program::NAME, shim_program::check),
    (shims::NAME, shims::check),
    (journal::NAME, journal::check),
];

/// Makes every check, all at the same time; takes ten seconds at most.
pub(crate) async fn examine(scene: Scene) -> Vec<Check> {
    run(&CHECKS, Arc::new(scene), DEADLINE).await
}

async fn run(checks: &[(&'static str, Look)], scene: Arc<Scene>, within: Duration) -> Vec<Check> {
    gather(begin(checks, &scene), Instant::now() + within, within).await
}

/// A check under way.
type Looking = (&'static str, JoinHandle<Check>);

fn begin(checks: &[(&'static str, Look)], scene: &Arc<Scene>) -> Vec<Looking> {
    let begin = |(name, look): &(&'static str, Look)| {
        let (look, scene) = (*look, scene.clone());
        (*name, spawn_blocking(move || look(&scene)))
    };
    checks.iter().map(begin).collect()
}

/// Takes what each check has found by the deadline, which is `within` after the beginning.
async fn gather(running: Vec<Looking>, deadline: Instant, within: Duration) -> Vec<Check> {
    let mut made = Vec::with_capacity(running.len());
    for (name, task) in running {
        made.push(match timeout_at(deadline, task).await {
            Ok(Ok(check)) => check,
            Ok(Err(_)) => broken(name, "the check itself failed", "look into the daemon's log, and tell us"),
            Err(_) => hanging(name, within),
        });
    }
    made
}

fn hanging(name: &'static str, within: Duration) -> Check {
    let what = format!("no answer within {}", model::human::duration(within));
    broken(name, &what, "look for a file system or a name server that does not answer (dmesg, df)")
}

fn broken(name: &'static str, what: &str, remedy: &str) -> Check {
    let mut findings = Findings::new(name);
    findings.wrong(what, remedy);
    findings.or_fine("")
}

#[cfg(test)]
mod tests;
