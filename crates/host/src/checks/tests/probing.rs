//! Single attempts.

use model::settings::{Check, Limit, PortName, Scheme, Umask};
use tokio::net::TcpListener;
use tokio::time::{Instant, timeout};

use super::server::{Answer, Server};
use super::*;
use crate::users::Account;

fn http(path: &str) -> Check {
    Check::HttpGet { scheme: Scheme::Http, port: PortName::Port, path: path.into() }
}

async fn attempt(check: &Check, target: &ProbeTarget, within: Duration) -> Result<(), NotPassed> {
    let probe = super::probe();
    timeout(SOON, probe.attempt(check, target, within)).await.expect("an attempt ends in time")
}

async fn get(script: impl IntoIterator<Item = Answer>) -> Result<(), NotPassed> {
    let server = Server::start(script).await;
    attempt(&http("/health?x=1"), &target(server.port, Path::new("/")), Duration::from_secs(5)).await
}

#[tokio::test]
async fn every_2xx_passes_and_nothing_else() {
    for status in [200, 204, 299] {
        assert_eq!(get([Answer::Status(status)]).await, Ok(()), "{status}");
    }
    for status in [304, 400, 404, 500, 503] {
        let Err(NotPassed::Answered(why)) = get([Answer::Status(status)]).await else { panic!("{status}") };
        assert!(why.contains(&status.to_string()) && why.contains("/health?x=1"), "{why}");
    }
}

#[tokio::test]
async fn redirects_are_followed() {
    let server = Server::start([
        Answer::Redirect("/ready".into()),
        Answer::Redirect("/x".into()),
        Answer::Status(200),
    ])
    .await;
    let target = target(server.port, Path::new("/"));
    assert_eq!(attempt(&http("/"), &target, Duration::from_secs(5)).await, Ok(()));
    let paths: Vec<String> = server.asked().into_iter().map(|(_, path)| path).collect();
    assert_eq!(paths, ["/", "/ready", "/x"]);
}

#[tokio::test]
async fn a_redirect_to_what_fails_fails() {
    let found = get([Answer::Redirect("/login".into()), Answer::Status(500)]).await;
    assert!(matches!(found, Err(NotPassed::Answered(_))), "{found:?}");
    let for_ever = get([Answer::Redirect("/".into())]).await;
    assert!(matches!(for_ever, Err(NotPassed::Answered(_))), "{for_ever:?}");
}

#[tokio::test]
async fn silence_ends_at_the_limit() {
    let server = Server::start([Answer::Silence]).await;
    let begun = Instant::now();
    let target = target(server.port, Path::new("/"));
    let found = attempt(&http("/"), &target, Duration::from_millis(100)).await;
    let Err(NotPassed::Answered(why)) = found else { panic!("{found:?}") };
    assert!(why.ends_with("no answer in time"), "{why}");
    assert!((Duration::from_millis(100)..SOON).contains(&begun.elapsed()));
}

#[tokio::test]
async fn who_listens_has_answered_and_who_does_not_has_not() {
    assert!(matches!(get([Answer::HangUp]).await, Err(NotPassed::Answered(_))));
    let port = TcpListener::bind(("127.0.0.1", 0)).await.unwrap().local_addr().unwrap().port();
    let target = target(port, Path::new("/"));
    for check in [http("/"), Check::Tcp { port: PortName::Port }] {
        let found = attempt(&check, &target, Duration::from_secs(5)).await;
        let Err(NotPassed::NoAnswer(why)) = found else { panic!("{found:?}") };
        assert!(why.contains("refused"), "{why}");
    }
}

#[tokio::test]
async fn tcp_passes_once_somebody_listens() {
    let server = Server::start([Answer::Silence]).await;
    let check = Check::Tcp { port: PortName::Port };
    let target = target(server.port, Path::new("/"));
    assert_eq!(attempt(&check, &target, Duration::from_secs(5)).await, Ok(()));
    let unknown = Check::Tcp { port: PortName::Extra("METRICS_PORT".parse().unwrap()) };
    let found = attempt(&unknown, &target, Duration::from_secs(5)).await;
    assert!(matches!(found, Err(NotPassed::Answered(why)) if why.contains("METRICS_PORT")));
}

#[tokio::test]
async fn a_command_runs_in_the_tree_with_the_instances_environment_alone() {
    let tree = tempfile::tempdir().unwrap();
    let check = Check::Exec { command: shell("pwd >out; env >>out") };
    let target = target(0, tree.path());
    assert_eq!(attempt(&check, &target, Duration::from_secs(5)).await, Ok(()));
    let out = fs_err::read_to_string(tree.path().join("out")).unwrap();
    let mut lines: Vec<&str> = out.lines().collect();
    assert_eq!(Path::new(lines.remove(0)), tree.path().canonicalize().unwrap());
    let mut names: Vec<&str> = lines.iter().filter_map(|line| line.split('=').next()).collect();
    // The shell sets these itself.
    names.retain(|name| !["PWD", "OLDPWD", "SHLVL", "_"].contains(name));
    names.sort_unstable();
    assert_eq!(names, ["BELLROCK_APP", "HOME", "LANG", "PATH", "TMPDIR"]);
}

#[tokio::test]
async fn a_command_is_held_like_the_instance() {
    let tree = tempfile::tempdir().unwrap();
    let mut settings = AppSettings { umask: Umask(0o077), no_new_privs: true, ..AppSettings::default() };
    settings.rlimits.nofile = Some(Limit::At(123));
    let script =
        "exec >out; umask; ulimit -Sn; ulimit -Hn; grep NoNewPrivs /proc/$$/status; id -u; id -g; id -G";
    let mut target = target(0, tree.path());
    let mut expected = vec!["0077".to_owned(), "123".into(), "123".into(), "NoNewPrivs:\t1".into()];
    // Only root may become somebody else, with groups of its own instead of ours.
    let account = rustix::process::geteuid().is_root().then(|| Account {
        uid: 65_534,
        gid: 65_534,
        groups: vec![65_534, 4_242],
    });
    if let Some(account) = &account {
        std::os::unix::fs::chown(tree.path(), Some(account.uid), Some(account.gid)).unwrap();
        expected.extend(["65534".into(), "65534".into(), "65534 4242".into()]);
    }
    target.confinement = Confinement::new(account, &settings);
    let check = Check::Exec { command: shell(script) };
    assert_eq!(attempt(&check, &target, Duration::from_secs(10)).await, Ok(()));
    let out = fs_err::read_to_string(tree.path().join("out")).unwrap();
    let lines: Vec<&str> = out.lines().take(expected.len()).collect();
    assert_eq!(lines, expected);
}

#[tokio::test]
async fn a_command_that_fails_is_told_with_its_last_words() {
    let target = target(0, Path::new("/"));
    let check = Check::Exec { command: shell("echo first >&2; echo the queue is full >&2; exit 7") };
    let found = attempt(&check, &target, Duration::from_secs(5)).await;
    let Err(NotPassed::Answered(why)) = found else { panic!("{found:?}") };
    assert!(why.contains("exit status: 7: the queue is full"), "{why}");
    let nowhere = Check::Exec { command: serde_json::from_str("[\"no-such-program\"]").unwrap() };
    let found = attempt(&nowhere, &target, Duration::from_secs(5)).await;
    assert!(matches!(found, Err(NotPassed::Answered(why)) if why.contains("could not be run")));
}

#[tokio::test]
async fn a_command_that_hangs_is_killed_with_its_children() {
    let tree = tempfile::tempdir().unwrap();
    let check = Check::Exec { command: shell("sleep 600 & echo $! >child; echo $$ >leader; wait") };
    let target = target(0, tree.path());
    let found = attempt(&check, &target, Duration::from_secs(1)).await;
    assert!(matches!(&found, Err(NotPassed::Answered(why)) if why.contains("took longer than")), "{found:?}");
    for file in ["child", "leader"] {
        let pid = fs_err::read_to_string(tree.path().join(file)).unwrap();
        until_gone(pid.trim()).await;
    }
}

/// Waits until a process has ended (a zombie has).
async fn until_gone(pid: &str) {
    let gone = async {
        loop {
            let stat = fs_err::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            let state = stat.rsplit(')').next().unwrap_or_default().trim().chars().next();
            if matches!(state, None | Some('Z' | 'X')) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SOON, gone).await.expect("it is killed");
}

#[tokio::test]
async fn what_a_command_leaves_in_the_background_holds_nobody_up() {
    let tree = tempfile::tempdir().unwrap();
    let check = Check::Exec { command: shell("sleep 600 & echo $! >child; exit 0") };
    assert_eq!(attempt(&check, &target(0, tree.path()), Duration::from_secs(10)).await, Ok(()));
    let pid = fs_err::read_to_string(tree.path().join("child")).unwrap();
    std::process::Command::new("kill").arg(pid.trim()).status().unwrap();
}

#[tokio::test]
async fn a_flood_on_standard_error_blocks_no_command() {
    let check = Check::Exec { command: shell("head -c 1000000 /dev/zero >&2") };
    assert_eq!(attempt(&check, &target(0, Path::new("/")), Duration::from_secs(10)).await, Ok(()));
}

#[tokio::test]
async fn runs_for_passes_after_its_time() {
    let check = Check::RunsFor { time: Duration::from_secs(60) };
    let mut target = target(0, Path::new("/"));
    assert!(matches!(attempt(&check, &target, SOON).await, Err(NotPassed::NoAnswer(_))));
    target.up_since = Instant::now() - Duration::from_secs(60);
    assert_eq!(attempt(&check, &target, SOON).await, Ok(()));
}
