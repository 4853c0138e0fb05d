//! What a child inherits (nothing), what it is bound by, and what a shim itself costs.

use crate::support::{Host, build_shim, for_until, is_root, nobody, until};
use std::path::Path;
use std::process::Command;
use wire::shim::{Limit, ResourceLimit, Start, Variable};

/// Runs a script to its end and returns what it wrote.
async fn output_of(host: &Host, start: Start) -> String {
    let name = format!("{}.out", start.id);
    let mut shim = host.start(start).await;
    let exited = shim.exited().await;
    assert_eq!(exited.status, Some(0), "{exited:?}");
    shim.handle.release().await.unwrap();
    host.read(&name)
}

#[tokio::test]
async fn no_descriptor_is_inherited() {
    let host = Host::new();
    // `ls` itself opens 3 to read the folder; a leak from us or from the test would show as another one.
    let listed = output_of(&host, host.program("a", ["/bin/ls", "/proc/self/fd"])).await;
    assert_eq!(listed, "0\n1\n2\n3\n");
    let null = output_of(&host, host.program("b", ["/bin/readlink", "/proc/self/fd/0"])).await;
    assert_eq!(null, "/dev/null\n");
}

#[tokio::test]
async fn a_shim_keeps_no_descriptor_of_the_daemon_s() {
    let host = Host::new();
    let leaky = host.path("leaky");
    fs_err::write(&leaky, "").unwrap();
    for folder in ["run/a", "state/a"] {
        fs_err::create_dir_all(host.path(folder)).unwrap();
    }
    // A shell that leaves descriptor 7 open for the shim it starts.
    let script = "exec 7<\"$1\"; exec \"$2\" \"$3\" \"$4\"";
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", script, "sh"]).arg(&leaky).arg(&host.shims.shim_binary);
    assert!(shell.arg(host.path("run/a")).arg(host.path("state/a")).status().unwrap().success());
    let shim = host.spawn("a").await;
    let links = fs_err::read_dir(format!("/proc/{}/fd", shim.welcome.pid)).unwrap();
    let targets: Vec<_> = links.filter_map(|link| fs_err::read_link(link.ok()?.path()).ok()).collect();
    assert!(targets.len() >= 6 && !targets.contains(&leaky), "{targets:?}");
    assert_eq!(fs_err::read_link(format!("/proc/{}/cwd", shim.welcome.pid)).unwrap(), Path::new("/"));
}

#[tokio::test]
async fn the_environment_is_what_was_given_and_the_two_marks() {
    let host = Host::new();
    let shim_mark;
    let mut start = host.program("env-1", ["/usr/bin/env"]);
    start.env = vec![
        Variable { name: "A".into(), value: "with \"quotes\" and\nnewline".into() },
        Variable { name: "EMPTY".into(), value: "".into() },
        Variable { name: "HEART_COMMAND".into(), value: "restart me".into() },
        Variable { name: "BELLROCK_MARK".into(), value: "forged".into() },
    ];
    let written = {
        let mut shim = host.start(start).await;
        shim_mark = shim.welcome.mark.clone();
        shim.exited().await;
        until("the output", || host.read("env-1.out").contains("MARK")).await;
        host.read("env-1.out")
    };
    let expected = format!(
        "A=with \"quotes\" and\nnewline\nEMPTY=\nBELLROCK_INSTANCE=env-1\nBELLROCK_MARK={shim_mark}\n"
    );
    assert_eq!(written, expected);
}

#[tokio::test]
async fn limits_umask_and_no_new_privs_apply() {
    let host = Host::new();
    let mut start =
        host.script("a", "ulimit -Sn; ulimit -Hn; ulimit -c; umask; grep NoNewPrivs /proc/$$/status; pwd");
    start.limits = vec![
        Limit { resource: ResourceLimit::Nofile, soft: Some(100), hard: Some(200) },
        Limit { resource: ResourceLimit::Core, soft: Some(0), hard: Some(0) },
    ];
    start.umask = Some(0o027);
    start.no_new_privs = true;
    let expected = format!("100\n200\n0\n0027\nNoNewPrivs:\t1\n{}\n", host.folder.path().display());
    assert_eq!(output_of(&host, start).await, expected);
}

#[tokio::test]
async fn the_owner_applies_and_so_does_the_death_signal_behind_it() {
    if !is_root() {
        eprintln!("only root can change the user: nothing to test");
        return;
    }
    let host = Host::new();
    let mut start = host.program(
        "a",
        [
            "/usr/bin/python3",
            "-c",
            "import ctypes,os\nn=ctypes.c_int()\nctypes.CDLL(None).prctl(2,ctypes.byref(n))\n\
         print(os.getresuid(),os.getresgid(),os.getgroups(),n.value,os.getsid(0)==os.getpid(),\
         open('/proc/self/oom_score_adj').read().strip())",
        ],
    );
    start.owner = Some(nobody());
    start.cwd = "/".into();
    let written = output_of(&host, start).await;
    assert_eq!(written, "(65534, 65534, 65534) (65534, 65534, 65534) [65533] 9 True 0\n");
}

#[tokio::test]
async fn a_user_that_may_not_be_changed_to_is_a_failed_start() {
    if is_root() {
        return; // root may; `a_shim_run_by_an_ordinary_user` has the rest
    }
    let host = Host::new();
    let mut start = host.script("a", "exit 0");
    start.owner = Some(nobody());
    let mut shim = host.start(start).await;
    assert!(shim.exited().await.reason.unwrap().contains("change its user"));
}

#[tokio::test]
async fn without_descriptors_it_lives_on_and_tries_again() {
    let host = Host::new();
    let mut start = host.script("a", "sleep 0.05");
    start.restart = wire::shim::RestartPolicy {
        mode: wire::shim::RestartMode::Always,
        step_ms: 10,
        cap_ms: 50,
        reset_after_ms: 60_000,
    };
    let mut shim = host.start(start).await;
    shim.started().await;
    let pid = rustix::process::Pid::from_raw(shim.welcome.pid as i32);
    let limit = |current| rustix::process::Rlimit { current: Some(current), maximum: Some(1024) };
    let nofile = rustix::process::Resource::Nofile;
    rustix::process::prlimit(pid, nofile, limit(12)).unwrap();
    while shim.exited().await.how != wire::shim::How::NotStarted {}
    rustix::process::prlimit(pid, nofile, limit(1024)).unwrap();
    shim.started().await;
    assert_eq!(shim.exited().await.status, Some(0));
}

/// Resident memory of a shim at rest, in kB.
const MOST_KB: u64 = 750;

/// Fields of /proc/PID/smaps_rollup, in kB.
fn memory(pid: u32) -> (u64, u64) {
    let rollup = fs_err::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let field = |name: &str| {
        let line = rollup.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    };
    (field("Rss:"), field("Pss:"))
}

#[tokio::test]
async fn a_static_shim_is_small() {
    const MUSL: &str = "x86_64-unknown-linux-musl";
    let sysroot = Command::new("rustc").args(["--print", "sysroot"]).output().unwrap().stdout;
    let sysroot = String::from_utf8(sysroot).unwrap();
    if !Path::new(sysroot.trim()).join("lib/rustlib").join(MUSL).exists() {
        eprintln!("the target {MUSL} is not installed: the memory limit cannot be held here");
        return;
    }
    let mut host = Host::new();
    host.shims.shim_binary =
        build_shim(&["--release", "--target", MUSL]).join(MUSL).join("release/bellrock-shim");
    let mut shims = Vec::new();
    for id in ["a", "b", "c"] {
        let mut start = host.script(id, "echo up; head -c 3000000 /dev/zero; echo done >&2; sleep 1000");
        // An environment as large as real ones get: it must not count twice.
        start.env.push(Variable { name: "FILLER".into(), value: "x".repeat(20_000).into() });
        start.stdout.max_bytes = 1 << 20;
        start.stdout.keep = 1;
        let shim = host.start(start).await;
        shim.says("done").await;
        shims.push(shim);
    }
    for shim in &shims {
        // What is measured is a shim at rest: its writer may still be busy with the output.
        for_until("a small shim", async || memory(shim.welcome.pid).0 <= MOST_KB).await;
        let (rss, pss) = memory(shim.welcome.pid);
        println!("shim after 3 MB of output: RSS {rss} kB, PSS {pss} kB");
    }
}
