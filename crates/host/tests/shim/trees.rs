//! Whole trees end: what detached, what forked twice, what a BEAM started.

use crate::support::{Host, LONG, Shim, is_alive, until};
use host::shim::{Found, Gone, ShimEvent, ShimId};
use std::path::{Path, PathBuf};
use std::time::Duration;
use wire::shim::{Happening, How, Start};

/// Forks children in sessions of their own, some of which forked twice and one of which ignores SIGTERM.
const FAMILY: &str = r#"
setsid sleep 1001 & echo $! >> pids
( setsid sh -c 'trap "" TERM; echo $$ >> pids; sleep 1002 & echo $! >> pids; wait' & )
( ( sleep 1003 & echo $! >> pids ) & )
echo $$ >> pids
while [ $(wc -l < pids) -lt 5 ]; do sleep 0.01; done
echo ready
"#;

async fn family(host: &Host, then: &str, change: impl FnOnce(&mut Start)) -> (Shim, Vec<i32>) {
    let mut start = host.script("family", &format!("{FAMILY}{then}"));
    change(&mut start);
    let shim = host.start(start).await;
    shim.says("ready").await;
    let pids: Vec<i32> = host.read("pids").lines().map(|line| line.parse().unwrap()).collect();
    assert_eq!(pids.len(), 5);
    assert!(pids.iter().all(|pid| is_alive(*pid)));
    (shim, pids)
}

/// A folder of a test's own in which cgroups can be made, if they can be here; removed at the end.
struct Cgroups(PathBuf);

impl Cgroups {
    fn new(test: &str) -> Option<Self> {
        let roots = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"];
        let root = roots.into_iter().find(|root| Path::new(root).join("cgroup.procs").exists())?;
        let parent = Path::new(root).join(format!("bellrock-test-{test}-{}", std::process::id()));
        fs_err::create_dir(&parent).ok().map(|()| Self(parent))
    }
}

impl Drop for Cgroups {
    fn drop(&mut self) {
        let _ = fs_err::remove_dir(&self.0);
    }
}

#[tokio::test]
async fn nothing_is_left_after_an_orderly_stop() {
    let host = Host::new();
    let (mut shim, pids) = family(&host, "trap 'exit 0' TERM; while :; do sleep 0.01; done", |_| {}).await;
    shim.handle.stop(LONG).await.unwrap();
    let exited = shim.exited().await;
    assert_eq!((exited.how, exited.status, exited.survivors), (How::StoppedOrderly, Some(0), 0));
    assert!(exited.swept >= 3, "{exited:?}");
    assert!(!pids.iter().any(|pid| is_alive(*pid)), "the event comes when nothing is left");
}

#[tokio::test]
async fn nothing_is_left_after_a_crash_or_a_kill() {
    for (then, kill) in [("sleep 0.1; exit 1", false), ("trap '' TERM; while :; do sleep 0.01; done", true)] {
        let host = Host::new();
        let (mut shim, pids) = family(&host, then, |_| {}).await;
        if kill {
            shim.handle.stop(Duration::from_millis(100)).await.unwrap();
        }
        shim.exited().await;
        assert!(!pids.iter().any(|pid| is_alive(*pid)));
    }
}

#[tokio::test]
async fn with_a_cgroup_it_is_used_and_removed() {
    let Some(cgroups) = Cgroups::new("use") else {
        eprintln!("no cgroup can be made by this user: nothing to test");
        return;
    };
    let host = Host::new();
    let (mut shim, pids) =
        family(&host, "sleep 1000", |start| start.cgroup_parent = Some(cgroups.0.clone())).await;
    let own = cgroups.0.join("family");
    assert_eq!(shim.handle.status().await.unwrap().cgroup, Some(own.clone()));
    let members = fs_err::read_to_string(own.join("cgroup.procs")).unwrap();
    assert!(pids.iter().all(|pid| members.lines().any(|line| line == pid.to_string())), "{members}");
    shim.handle.stop(Duration::ZERO).await.unwrap();
    shim.exited().await;
    assert!(!pids.iter().any(|pid| is_alive(*pid)));
    assert!(!own.exists(), "its cgroup is removed");
}

#[tokio::test]
async fn a_killed_shim_takes_its_main_process_along_and_its_successor_ends_the_rest() {
    for cgroup in [None, Cgroups::new("successor")] {
        let host = Host::new();
        let given = cgroup.as_ref().map(|cgroups| cgroups.0.clone());
        let (mut shim, pids) = family(&host, "sleep 1000", |start| start.cgroup_parent = given).await;
        let main = shim.handle.status().await.unwrap().pid.unwrap() as i32;
        shim.kill();
        while shim.next().await != ShimEvent::Gone(Gone::Died) {}
        until("the parent-death signal", || !is_alive(main)).await;
        let found = host.shims.adopt_all(LONG, |_| true, |_| 0).await.unwrap();
        let [Found::Dead(dead)] = found.as_slice() else { panic!("{found:?}") };
        assert!(pids.iter().any(|pid| is_alive(*pid)), "otherwise this test shows nothing");
        host.shims.clean_up(dead, LONG).await.unwrap();
        let how = if cgroup.is_some() { "with" } else { "without" };
        assert!(!pids.iter().any(|pid| is_alive(*pid)), "{how} a cgroup");
        if let Some(cgroups) = cgroup {
            assert!(!cgroups.0.join("family").exists(), "its cgroup is removed");
        }
    }
}

#[tokio::test]
async fn cleaning_up_hits_nobody_else() {
    let host = Host::new();
    let mut shim = host.start(host.script("same-id", "echo up; sleep 1000")).await;
    shim.says("up").await;
    let other = Host::new();
    let mut bystander = other.start(other.script("same-id", "sleep 1000")).await;
    let pid = bystander.started().await;
    let id = ShimId::new("same-id").unwrap();
    assert!(host.shims.read_dead(&id).is_err(), "a living shim is not read as a dead one");
    shim.kill();
    while shim.next().await != ShimEvent::Gone(Gone::Died) {}
    let dead = host.shims.read_dead(&id).unwrap();
    host.shims.clean_up(&dead, LONG).await.unwrap();
    assert!(is_alive(pid), "the same id under another root is another instance");
}

/// A real BEAM: `erl_child_setup`, `inet_gethost`, a port program and `heart` in sessions of their own.
const BEAM: &str = r#"
inet_gethost_native:gethostbyname("localhost"),
open_port({spawn, "sleep 1004"}, []),
io:format("~s beam up~n", [os:getpid()]).
"#;

fn beam(host: &Host, more: &[&str]) -> Option<Start> {
    let erl = ["/usr/bin/erl", "/usr/local/bin/erl"].into_iter().find(|path| Path::new(path).exists())?;
    let mut start = host.program("beam", [erl, "-noshell", "-start_epmd", "false", "-eval", BEAM]);
    start.argv.extend(more.iter().map(|text| (*text).into()));
    let variable = |name: &str, value: &str| wire::shim::Variable { name: name.into(), value: value.into() };
    start.env.push(variable("HOME", host.folder.path().to_str().unwrap()));
    start.env.push(variable("HEART_COMMAND", &format!("touch {}", host.path("heart-was-here").display())));
    start.crash_dump =
        Some(wire::shim::CrashDump { folder: host.folder.path().into(), keep: 2, max_bytes: 0, seconds: 5 });
    Some(start)
}

fn family_of(mark: &str) -> Vec<i32> {
    crate::support::processes_with(format!("BELLROCK_MARK={mark}\0").as_bytes(), "environ")
}

#[tokio::test]
async fn of_a_beam_nothing_is_left_however_it_ends() {
    let host = Host::new();
    for way in ["stop", "halt", "kill", "shim killed"] {
        let host = Host::new();
        let Some(start) = beam(&host, &[]) else {
            eprintln!("no erl is installed: nothing to test");
            return;
        };
        let mut shim = host.start(start).await;
        shim.says("beam up").await;
        let mark = shim.welcome.mark.clone();
        let pid = shim.started().await;
        let family = family_of(&mark);
        assert!(family.len() >= 4, "beam, erl_child_setup, inet_gethost, sleep: {family:?}");
        match way {
            "stop" => {
                shim.handle.stop(LONG).await.unwrap();
                let exited = shim.exited().await;
                assert_eq!(
                    (exited.how, exited.status),
                    (How::StoppedOrderly, Some(0)),
                    "SIGTERM is init:stop"
                );
            }
            "halt" => {
                let usr1 = rustix::process::Signal::USR1; // "abort with a crash dump", to a BEAM
                rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), usr1).unwrap();
                let exited = shim.exited().await;
                assert_eq!(exited.crash_dump, Some(host.path("beam-1.dump")), "{exited:?}");
            }
            "kill" => {
                shim.handle.stop(Duration::ZERO).await.unwrap();
                shim.exited().await;
            }
            _ => {
                shim.kill();
                while shim.next().await != ShimEvent::Gone(Gone::Died) {}
                let dead = host.shims.read_dead(shim.handle.id()).unwrap();
                host.shims.clean_up(&dead, LONG).await.unwrap();
            }
        }
        assert_eq!(family_of(&mark), [0; 0], "after {way}");
        assert!(!family.into_iter().any(is_alive), "after {way}");
    }
    drop(host);
}

#[tokio::test]
async fn heart_is_noticed_and_cannot_restart_behind_our_back() {
    let host = Host::new();
    let Some(start) = beam(&host, &["-heart"]) else {
        eprintln!("no erl is installed: nothing to test");
        return;
    };
    let mut shim = host.start(start).await;
    shim.says("beam up").await;
    shim.wait_for(|what| matches!(what, Happening::HeartNoticed(_)).then_some(())).await;
    shim.handle.stop(Duration::ZERO).await.unwrap();
    shim.exited().await;
    assert_eq!(family_of(&shim.welcome.mark), [0; 0]);
    assert!(!host.path("heart-was-here").exists());
}

#[tokio::test]
async fn crash_dumps_are_few() {
    let host = Host::new();
    let dumps = host.path("dumps");
    fs_err::create_dir(&dumps).unwrap();
    let mut start = host.script("a", r#"echo "$ERL_CRASH_DUMP_SECONDS" > "$ERL_CRASH_DUMP"; sleep 0.02"#);
    start.crash_dump =
        Some(wire::shim::CrashDump { folder: dumps.clone(), keep: 2, max_bytes: 1 << 20, seconds: 7 });
    start.restart = wire::shim::RestartPolicy {
        mode: wire::shim::RestartMode::Always,
        step_ms: 1,
        cap_ms: 1,
        reset_after_ms: 60_000,
    };
    let mut shim = host.start(start).await;
    for run in 1..=5 {
        assert_eq!(shim.exited().await.crash_dump, Some(dumps.join(format!("a-{run}.dump"))));
    }
    shim.handle.stop(Duration::ZERO).await.unwrap();
    shim.wait_for(|what| matches!(what, Happening::Stopped(_)).then_some(())).await;
    let left: Vec<_> = fs_err::read_dir(&dumps).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(left.len() <= 2, "{left:?}");
    assert_eq!(fs_err::read_to_string(&left[0]).unwrap(), "7\n");
}
