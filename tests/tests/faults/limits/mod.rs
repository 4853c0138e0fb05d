//! Limits of memory and CPU, on a kernel whose cgroup v2 controllers can be handed to the daemon: the virtual machine of
//! `make test-vm`, or any host with cgroup v2 alone, as root.

mod delegated;

use std::path::{Path, PathBuf};

use api::deployment::Phase;
use api::event::Step;
use api::exit::{Exit, ExitHow};
use delegated::Delegated;
use testkit::app::{get, log};
use testkit::{TempHost, TestApp, processes};

use super::apps::detached_children;
use super::reboot::goes_down;
use super::{SOON, back, exits, gone, kill, left_over, lines, pid, shim, wait_for};

/// What the group of a process says in a file.
pub(crate) fn of_group(pid: i32, file: &str) -> String {
    let path = group(pid).join(file);
    fs_err::read_to_string(path).unwrap().trim().to_owned()
}

/// The group of a process in the unified hierarchy.
fn group(pid: i32) -> PathBuf {
    let text = fs_err::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let path = text.lines().find_map(|line| line.strip_prefix("0::/")).unwrap();
    let mounts = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].map(Path::new);
    let mount = mounts.into_iter().find(|mount| mount.join("cgroup.controllers").exists()).unwrap();
    mount.join(path)
}

/// Whether an instance is held to so much memory; the kernel counts it in whole pages.
pub(crate) fn is_limited_to(pid: i32, bytes: u64) -> bool {
    const LARGEST_PAGE: u64 = 64 << 10;
    let limit = of_group(pid, "memory.max").parse().unwrap_or(u64::MAX);
    limit <= bytes && bytes - limit < LARGEST_PAGE
}

/// Has an instance take memory until it dies of it.
async fn leak(port: u16) {
    while get(port, "/leak?mb=20").await.is_ok_and(|(status, _)| status == 200) {}
}

/// The only exit so far.
async fn only_exit(app: &TestApp<'_>) -> Exit {
    let exits = exits(app).await;
    let [exit] = exits.as_slice() else { panic!("{exits:?}") };
    exit.clone()
}

#[tokio::test]
async fn an_app_that_leaks_is_killed_at_its_limit_told_so_and_started_again() {
    let Some(delegated) = Delegated::new("leak") else { return };
    let host = delegated.host().await;
    let app = host.app("beacon", "[resources]\nmemory = '300 MB'");
    let deployed = log(&app.deploy("beacon-base", Phase::Committed).await);
    assert!(!deployed.contains("do not hold"), "{deployed}");
    let (leaks, other) = (app.instance(1).await, app.instance(2).await);
    let (its_shim, daemon) = (shim(&app, &leaks), host.daemon_pid());
    let children = detached_children(leaks.port).await;
    assert!(is_limited_to(pid(&leaks), 300_000_000) && of_group(pid(&leaks), "memory.oom.group") == "1");
    assert!(group(pid(&leaks)).starts_with(delegated.of_instances(&host)));
    leak(leaks.port).await;
    let again = back(&app, 1, pid(&leaks)).await;
    assert_eq!((again.instance, shim(&app, &again)), (leaks.instance, its_shim), "its own shim restarts it");
    assert_eq!((app.instance(2).await.pid, host.daemon_pid()), (other.pid, daemon), "nobody else is hit");
    for child in children {
        assert!(!processes::is_alive(child), "{child} is left of what was killed");
    }
    assert_eq!(only_exit(&app).await.how, ExitHow::OutOfMemory { limit_bytes: Some(300_000_000) });
    let told = "killed by the kernel: memory limit 300 MB reached";
    let events = lines(&app, Step::Exited).await;
    assert!(events[0].contains(&format!("instance 1 exited by itself ({told})")), "{events:?}");
    let status = host.bellrock(&["status", &app.name]).await.stdout;
    assert!(status.contains(told), "{status}");
    assert!(is_limited_to(pid(&again), 300_000_000), "the limit holds for the next run");
    assert!(of_group(pid(&again), "memory.events").contains("oom_kill 0"), "and it begins anew");
    left_over::settles(&app, "1.0.0", 2).await;
}

/// After one was killed at its limit, others that are killed by somebody are not told to have lacked memory.
#[tokio::test]
async fn a_kill_is_not_taken_for_a_want_of_memory_because_another_app_had_one() {
    let Some(delegated) = Delegated::new("other") else { return };
    let host = delegated.host().await;
    let greedy = host.app("beacon", "replicas = 1\n[resources]\nmemory = '300 MB'");
    let killed = host.app("buoy", "replicas = 1");
    greedy.deploy("beacon-base", Phase::Committed).await;
    killed.deploy("buoy-base", Phase::Committed).await;
    let (leaks, victim) = (greedy.instance(1).await, killed.instance(1).await);
    leak(leaks.port).await;
    back(&greedy, 1, pid(&leaks)).await;
    kill(&host, pid(&victim));
    back(&killed, 1, pid(&victim)).await;
    assert_eq!(only_exit(&killed).await.how, ExitHow::Signal { signal: 9 });
}

/// A limit that somebody set above all instances: it was not the app's own that was reached.
#[tokio::test]
async fn a_limit_above_the_instances_is_not_told_as_their_own() {
    let Some(delegated) = Delegated::new("above") else { return };
    let host = delegated.host().await;
    let app = host.app("beacon", "replicas = 1\n[resources]\nmemory = '2 GB'");
    app.deploy("beacon-base", Phase::Committed).await;
    let leaks = app.instance(1).await;
    for (file, value) in [("memory.swap.max", "0"), ("memory.max", "300000000")] {
        // Without swap in this kernel the first is not there, nor needed.
        let _ = fs_err::write(delegated.of_instances(&host).join(file), value);
    }
    leak(leaks.port).await;
    back(&app, 1, pid(&leaks)).await;
    assert_eq!(only_exit(&app).await.how, ExitHow::OutOfMemory { limit_bytes: None });
}

#[tokio::test]
async fn a_limit_of_cpu_holds_and_another_one_comes_with_the_next_deployment() {
    let Some(delegated) = Delegated::new("cpu") else { return };
    let host = delegated.host().await;
    let app = host.app("beacon", "replicas = 1\n[resources]\ncpu = 50");
    app.deploy("beacon-base", Phase::Committed).await;
    let slow = pid(&app.instance(1).await);
    assert_eq!(of_group(slow, "cpu.max"), "50000 100000");
    // To boot a BEAM takes more than 50 ms of a core in a tenth of a second.
    let throttled = of_group(slow, "cpu.stat");
    let times = throttled.lines().find_map(|line| line.strip_prefix("nr_throttled ")).unwrap();
    assert!(times.parse::<u64>().unwrap() > 0, "{throttled}");
    app.write_settings("replicas = 1\n[resources]\ncpu = 150");
    assert_eq!(of_group(slow, "cpu.max"), "50000 100000", "settings are the next deployment's");
    app.deploy("beacon-module-changed", Phase::Committed).await;
    assert_eq!(of_group(pid(&app.instance(1).await), "cpu.max"), "150000 100000");
}

/// A reboot leaves no group behind, and nothing is staged after it.
#[tokio::test]
async fn limits_hold_again_after_a_reboot() {
    let Some(delegated) = Delegated::new("reboot") else { return };
    let host = delegated.host().await;
    let app = host.app("buoy", "replicas = 1\n[resources]\nmemory = '400 MB'\ncpu = 150");
    app.deploy("buoy-base", Phase::Committed).await;
    goes_down(&host);
    let instances = delegated.of_instances(&host);
    wait_for("the groups are gone", SOON, async || delegated::remove(&instances).ok()).await;
    fs_err::write(delegated.path().join("cgroup.subtree_control"), "-memory -cpu").unwrap();
    host.start_daemon().await;
    left_over::settles(&app, "1.0.0", 1).await;
    let pid = pid(&app.instance(1).await);
    assert!(is_limited_to(pid, 400_000_000));
    assert_eq!(of_group(pid, "cpu.max"), "150000 100000");
}

/// A shim is killed whose app has children that detached themselves and forgot their environment: only the group knows them.
#[tokio::test]
async fn children_without_a_mark_end_by_their_cgroup_when_their_shim_is_killed() {
    let Some(delegated) = Delegated::new("tree") else { return };
    let host = delegated.host().await;
    let app = host.app("beacon", "replicas = 1");
    app.deploy("beacon-base", Phase::Committed).await;
    let instance = app.instance(1).await;
    let mut strangers = Vec::new();
    for _ in 0..2 {
        strangers.push(stranger(&host, pid(&instance)));
    }
    kill(&host, shim(&app, &instance));
    back(&app, 1, pid(&instance)).await;
    for stranger in strangers {
        gone("a process without a mark", stranger).await;
    }
}

/// Starts a process in an instance's group with nothing of the instance's in its environment, and not below its shim.
fn stranger(host: &TempHost, instance: i32) -> i32 {
    let script = "echo 0 > \"$1/cgroup.procs\"; exec env -i setsid -f sh -c 'trap \"\" TERM; echo $$; exec sleep 3600 >/dev/null 2>&1 </dev/null'";
    let group = group(instance);
    let output =
        std::process::Command::new("/bin/sh").args(["-c", script, "sh"]).arg(&group).output().unwrap();
    let pid = String::from_utf8_lossy(&output.stdout).trim().parse().unwrap();
    assert!(processes::is_alive(pid) && self::group(pid) == group);
    assert!(!processes::below(host.root()).iter().any(|process| process.pid == pid), "it has no mark");
    pid
}

/// What a host says on which limits cannot hold: at each deployment that wants some, and by doctor.
async fn is_told(host: &TempHost, why: &str) {
    let app = host.app("buoy", "replicas = 1\n[resources]\nmemory = '400 MB'");
    let deployed = log(&app.deploy("buoy-base", Phase::Committed).await);
    assert!(deployed.contains("; limits of resources do not hold: "), "{deployed}");
    assert!(deployed.contains(why), "{deployed}");
    let doctor = host.bellrock(&["doctor"]).await.stdout;
    let plain = doctor.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(plain.contains(why) && plain.contains(&format!("{} run without theirs", app.name)), "{doctor}");
    let doctor = host.bellrock(&["doctor", "--json"]).await.stdout;
    assert!(doctor.contains("DelegateSubgroup=bellrockd in the unit"), "{doctor}");
}

#[tokio::test]
async fn limits_that_nobody_delegated_are_told() {
    let Some(delegated) = Delegated::new("none") else { return };
    let host = delegated.host_in("unit/bellrockd").await;
    is_told(&host, "unit has no memory controller: it is not delegated, or cgroup v1 has it").await;
}

#[tokio::test]
async fn a_group_that_holds_the_daemon_itself_cannot_hand_them_on_and_that_is_told() {
    let Some(delegated) = Delegated::new("inside") else { return };
    let host = delegated.host_in("").await;
    is_told(&host, "cannot be handed on (a group with processes in it must not").await;
}
