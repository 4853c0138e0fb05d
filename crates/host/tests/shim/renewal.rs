//! A shim that goes on as another program, with its child.

use crate::support::{Host, LONG, Shim, is_alive, shim_binary, until};
use host::shim::ShimHost;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use wire::shim::{Exited, How, Listen, RestartMode, RestartPolicy, Start, State};

/// Counts for ever, a line at a time, on both outputs.
const COUNTS: &str = "n=0; while :; do n=$((n+1)); echo $n; echo e$n >&2; done";

/// A root whose shims run a program of its own, of which it can install another one.
struct Scene {
    host: Host,
    installed: ShimHost,
}

impl Scene {
    fn new() -> Self {
        let mut host = Host::new();
        host.shims.shim_binary = host.path("bellrock-shim");
        let scene = Scene { installed: ShimHost { ..host.shims.clone() }, host };
        scene.install();
        scene
    }

    /// The same program as another file.
    fn install(&self) {
        let new = self.host.path("new");
        fs_err::copy(shim_binary(), &new).unwrap();
        fs_err::rename(&new, &self.installed.shim_binary).unwrap();
    }

    fn install_script(&self, script: &str) {
        let new = self.host.path("new");
        fs_err::write(&new, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs_err::set_permissions(&new, std::fs::Permissions::from_mode(0o755)).unwrap();
        fs_err::rename(&new, &self.installed.shim_binary).unwrap();
    }

    fn outdated(&self) -> Vec<String> {
        self.installed.outdated().unwrap().iter().map(ToString::to_string).collect()
    }

    /// Has it go on as what is installed.
    async fn renew(&self, shim: &Shim) -> Shim {
        self.installed.renew(&shim.handle, 0).await.map(Shim::from).unwrap()
    }
}

/// Whether the lines are 1, 2, 3 … with `prefix`, and how many.
fn counted(text: &str, prefix: &str) -> usize {
    for (line, number) in text.lines().zip(1..) {
        assert_eq!(line, format!("{prefix}{number}"));
    }
    text.lines().count()
}

#[tokio::test]
async fn its_child_goes_on_and_no_line_of_its_output_is_lost() {
    let scene = Scene::new();
    // Slow enough that no ring overflows on a busy machine: what is lost to a slow disk is another matter.
    let slow = COUNTS.replace("done", "sleep 0.002; done");
    let shim = scene.host.start(scene.host.script("a", &slow)).await;
    let (pid, run) = (shim.welcome.pid, shim.handle.status().await.unwrap().pid);
    shim.says("\n9\n").await;
    let mut shim = shim;
    for _ in 0..3 {
        assert_eq!(scene.outdated(), [] as [&str; 0]);
        scene.install();
        assert_eq!(scene.outdated(), ["a"]);
        shim = scene.renew(&shim).await;
        assert_eq!((shim.welcome.pid, shim.welcome.status.pid), (pid, run), "the same two processes");
        assert_eq!(shim.welcome.status.state, State::Running);
        assert!(!shim.handle.tail(100).await.unwrap().is_empty(), "its newest output is there");
        let before = scene.host.read("a.out").lines().count();
        until("it goes on", || scene.host.read("a.out").lines().count() > before + 20).await;
    }
    let exe = fs_err::read_link(format!("/proc/{pid}/exe")).unwrap();
    assert_eq!(exe, scene.installed.shim_binary);
    shim.handle.stop(LONG).await.unwrap();
    let exited = shim.exited().await;
    assert_eq!((exited.how, exited.run), (How::StoppedOrderly, 1));
    assert_eq!(shim.handle.status().await.unwrap().dropped_bytes, 0);
    shim.handle.release().await.unwrap();
    let (out, err) = (scene.host.read("a.out"), scene.host.read("a.err"));
    let (out, err) = (counted(&out, ""), counted(&err, "e"));
    assert!(out > 60 && out.abs_diff(err) <= 1, "{out} {err}");
}

#[tokio::test]
async fn what_has_happened_is_told_by_the_next_and_what_happens_is_numbered_on() {
    let scene = Scene::new();
    let policy = RestartPolicy { mode: RestartMode::Always, step_ms: 3_600_000, ..RestartPolicy::standard() };
    let start = Start { restart: policy, ..scene.host.script("a", "echo once; exit 3") };
    let mut shim = scene.host.start(start).await;
    for run in 1..=2 {
        assert_eq!(shim.exited().await.run, run);
    }
    scene.install();
    // After the second exit it waits.
    let mut shim = scene.renew(&shim).await;
    let status = shim.handle.status().await.unwrap();
    assert_eq!((status.state, status.crashes, status.consecutive), (State::BackingOff, 2, 2));
    assert!(status.restarts_in_ms.unwrap() > 60_000);
    shim.handle.restart(LONG).await.unwrap();
    let mut runs = vec![shim.exited().await.run, shim.exited().await.run];
    runs.push(shim.exited().await.run);
    assert_eq!(runs, [1, 2, 3], "from the first on, for nobody has acknowledged them");
    let numbers: Vec<u64> = shim.seen.iter().map(|event| event.seq).collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
}

#[tokio::test]
async fn sockets_locks_and_the_end_of_the_tree_are_as_before() {
    let scene = Scene::new();
    let listen = vec![Listen { address: "127.0.0.1:0".into(), backlog: 0 }];
    let forks = "setsid sleep 3600 & readlink /proc/$$/fd/3; wait; exec sleep 3600";
    let start = Start { listen, ..scene.host.script("a", forks) };
    let mut shim = scene.host.start(start).await;
    let child = shim.started().await;
    until("its line is written", || scene.host.read("a.out").contains("socket:[")).await;
    let listens = |shim: &Shim| {
        let socket = scene.host.read("a.out").lines().next().unwrap().to_owned();
        let entries = fs_err::read_dir(format!("/proc/{}/fd", shim.welcome.pid)).unwrap();
        entries
            .filter_map(|it| fs_err::read_link(it.ok()?.path()).ok())
            .any(|it| it.to_str() == Some(&socket))
    };
    assert!(listens(&shim));
    scene.install();
    let mut shim = scene.renew(&shim).await;
    assert!(listens(&shim) && is_alive(child));
    assert!(scene.installed.is_alive(shim.handle.id()).unwrap(), "both locks are held");
    assert!(scene.installed.read_dead(shim.handle.id()).is_err());
    shim.handle.stop(LONG).await.unwrap();
    let exited = shim.exited().await;
    assert!(exited.swept >= 1, "it is still the subreaper: {exited:?}");
    assert_eq!(exited.survivors, 0);
    shim.handle.release().await.unwrap();
}

#[tokio::test]
async fn a_child_that_ends_at_that_moment_is_noticed() {
    let scene = Scene::new();
    for round in 0..10 {
        let id = format!("a{round}");
        let shim = scene.host.start(scene.host.script(&id, "read x; exit 7")).await;
        // The child's input is /dev/null, so it ends somewhere around the change.
        let renewed = scene.installed.renew(&shim.handle, 0).await;
        let mut shim = renewed.map_or(shim, Shim::from);
        let Exited { status, run, .. } = shim.exited().await;
        assert_eq!((status, run), (Some(7), 1));
        scene.install();
    }
}

#[tokio::test]
async fn a_program_that_cannot_take_over_leaves_everything_as_it_is() {
    let scene = Scene::new();
    let mut shim = scene.host.start(scene.host.script("a", "echo here; exec sleep 3600")).await;
    let child = shim.started().await;
    shim.says("here").await;
    for (script, why) in [
        ("exit 1", "that program does not read what this one writes"),
        ("echo 99", "that program does not read what this one writes"),
    ] {
        scene.install_script(script);
        let error = scene.installed.renew(&shim.handle, 0).await.unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
        assert_eq!(shim.state().await, State::Running, "on the same connection");
    }
    // It says that it can, and then cannot: it executes the one before, as the real one does.
    scene.install_script(
        "if [ $1 = --takes-over ]; then echo 1; else exec /proc/self/fd/$5 $1 $2 $3 $4 -; fi",
    );
    let mut shim = scene.renew(&shim).await;
    assert_eq!(shim.welcome.status.pid, Some(child.unsigned_abs()));
    assert_eq!(scene.outdated(), ["a"]);
    // There is none.
    let gone = ShimHost { shim_binary: scene.host.path("gone"), ..scene.installed.clone() };
    assert!(gone.renew(&shim.handle, 0).await.is_err());
    assert_eq!(shim.state().await, State::Running);
    shim.handle.stop(LONG).await.unwrap();
    assert_eq!(shim.exited().await.how, How::StoppedOrderly);
}

#[tokio::test]
async fn one_that_is_being_stopped_is_left_alone() {
    let scene = Scene::new();
    let shim =
        scene.host.start(scene.host.script("a", "trap '' TERM; echo up; while :; do sleep 0.1; done")).await;
    shim.says("up").await;
    shim.handle.stop(LONG).await.unwrap();
    scene.install();
    let error = scene.installed.renew(&shim.handle, 0).await.unwrap_err().to_string();
    assert!(error.contains("nothing runs in it that would go on"), "{error}");
    assert_eq!(shim.state().await, State::Stopping);
    shim.kill();
}

/// Nothing of the record can be used: the program before is executed, by its descriptor.
#[test]
fn a_record_that_is_none_leads_back() {
    for record in [Path::new("/dev/null"), Path::new("/bin/true")] {
        let (record, before) =
            (fs_err::File::open(record).unwrap(), fs_err::File::open("/bin/echo").unwrap());
        for file in [&record, &before] {
            rustix::io::fcntl_setfd(file, rustix::io::FdFlags::empty()).unwrap();
        }
        let number = |file: &fs_err::File| std::os::fd::AsRawFd::as_raw_fd(file).to_string();
        let words = ["/run/a", "/state/a", "--take-over", &number(&record), &number(&before)];
        let output = Command::new(shim_binary()).args(words).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(said.trim(), format!("/run/a /state/a --take-over {} -", number(&record)));
    }
}
