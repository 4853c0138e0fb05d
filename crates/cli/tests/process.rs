//! The command as a process, against a daemon that says what the test wants it to say.

#![allow(clippy::unwrap_used, reason = "it is a test")]

mod daemon;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use daemon::{Daemon, deployment};

fn bellrock(root: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bellrock"));
    command.arg("--root").arg(root).args(arguments).env_remove("BELLROCK_ROOT").stdin(Stdio::null());
    command
}

fn run(root: &Path, arguments: &[&str]) -> Output {
    bellrock(root, arguments).output().unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn nobody_answers() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &["status"]);
    assert_eq!(code(&output), 7);
    assert!(
        stderr(&output).contains("run/bellrock/api.sock: there is no such socket"),
        "{}",
        stderr(&output)
    );
    assert!(stderr(&output).contains("bellrockd --root"), "it says what to do");

    let socket = folder.path().join("run/bellrock/api.sock");
    fs_err::create_dir_all(socket.parent().unwrap()).unwrap();
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    let output = run(folder.path(), &["--json", "status"]);
    assert_eq!(code(&output), 7);
    let problem: Value = serde_json::from_str(&stderr(&output)).unwrap();
    assert_eq!(problem["type"], "urn:bellrock:problem:unreachable");
    assert!(problem["detail"].as_str().unwrap().contains("the daemon has ended"));
}

#[test]
fn usage_is_checked_before_anybody_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [
        &["deploy", "beacon"][..],
        &["deploy", "Beacon", "1.0.0"],
        &["deploy", "beacon", "1.0.0", "--meta", "nothing"],
        &["deploy", "beacon", "1.0.0", "--meta", "k=v"],
        &["deploy", "beacon", "1.0.0", "--wait=soon"],
        &["env", "beacon", "set", "1A=x"],
        &["logs", "beacon", "--since", "yesterday"],
        &["stop", "beacon"],
        &["package", "delete", "beacon", "1.0.0"],
        &["nonsense"],
    ] {
        let output = run(folder.path(), arguments);
        assert_eq!(code(&output), 2, "{arguments:?}: {}", stderr(&output));
    }
}

#[test]
fn a_refusal_says_what_helps() {
    let daemon = Daemon::start(Vec::new());
    let output = run(daemon.root(), &["activate", "beacon", "refused"]);
    assert_eq!(code(&output), 3);
    let expected = "✗  version refused is ghosted\n   next:   bellrock ghosts beacon clear refused\n";
    assert_eq!(stderr(&output), expected);
    assert_eq!(stdout(&output), "");
    let output = run(daemon.root(), &["restart", "broken"]);
    assert_eq!(code(&output), 1);
    assert_eq!(stderr(&output), "✗  bellrockd answered 500 Internal Server Error: disk on fire\n");
}

#[test]
fn waiting_ends_as_the_deployment_does() {
    let phases = |phases: &[&str]| phases.iter().map(|phase| deployment(phase)).collect::<Vec<_>>();
    let cases = [
        (&["replacing", "watching"][..], "--wait", 0),
        (&["staging", "watching", "committed"], "--wait=committed", 0),
        (&["replacing", "rolling_back", "rolled_back"], "--wait", 4),
        (&["watching", "rolled_back"], "--wait=committed", 4),
        (&["staging", "failed"], "--wait", 5),
        (&["queued", "superseded"], "--wait", 5),
        (&["rollback_failed"], "--wait", 5),
    ];
    for (script, wait, expected) in cases {
        let daemon = Daemon::start(phases(script));
        let output = run(daemon.root(), &["activate", "beacon", "1.5.0", wait]);
        assert_eq!(code(&output), expected, "{script:?}: {}{}", stdout(&output), stderr(&output));
        let text = stdout(&output);
        assert!(
            text.starts_with("deployment 42 of beacon: deploy 1.4.2 → 1.5.0, rolling, by ulf\n"),
            "{text}"
        );
        assert_eq!(text.matches("instance 1 started").count(), 1, "each step is told once: {text}");
        assert!(!text.contains('\u{1b}'), "a pipe gets plain lines");
    }
}

#[test]
fn json_is_one_document() {
    let daemon = Daemon::start(vec![deployment("replacing"), deployment("committed")]);
    let output = run(daemon.root(), &["--json", "activate", "beacon", "1.5.0", "--wait"]);
    assert_eq!(code(&output), 0);
    let detail: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!((&detail["id"], &detail["phase"]), (&json!(42), &json!("committed")));
    let output = run(daemon.root(), &["--json", "activate", "beacon", "1.5.0"]);
    let granted: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(granted["deployment"], 42);
}

#[test]
fn a_deployment_that_was_dropped_has_failed() {
    let daemon = Daemon::start(vec![deployment("queued"), Value::Null]);
    let output = run(daemon.root(), &["activate", "beacon", "1.5.0", "--wait"]);
    assert_eq!(code(&output), 5);
    assert!(stderr(&output).contains("dropped from the queue"), "{}", stderr(&output));
}

#[test]
fn waiting_survives_a_restart_of_the_daemon() {
    let mut daemon = Daemon::start(vec![deployment("replacing")]);
    let child = bellrock(daemon.root(), &["activate", "beacon", "1.5.0", "--wait"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    daemon.until_watched();
    daemon.stop();
    daemon.start_again(vec![deployment("replacing"), deployment("watching")]);
    let output = child.wait_with_output().unwrap();
    assert_eq!(code(&output), 0, "{}{}", stdout(&output), stderr(&output));
    assert_eq!(stdout(&output).matches("instance 1 started").count(), 1);
}

#[test]
fn ctrl_c_leaves_the_deployment() {
    let daemon = Daemon::start(vec![deployment("replacing")]);
    let child = bellrock(daemon.root(), &["activate", "beacon", "1.5.0", "--wait"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    daemon.until_watched();
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(code(&output), 130);
    assert!(stderr(&output).contains("deployment 42 goes on"), "{}", stderr(&output));
}

#[test]
fn a_package_arrives_whole_with_its_papers() {
    let daemon = Daemon::start(Vec::new());
    let file = |name: &str, bytes: &[u8]| {
        let path = daemon.root().join(name);
        fs_err::File::create(&path).unwrap().write_all(bytes).unwrap();
        path.display().to_string()
    };
    let package: Vec<u8> = (0..3_000_000u32).map(|n| (n % 251) as u8).collect();
    let package_path = file("beacon \"1\".tar.gz", &package);
    let log = file("build.log", b"compiled\r\n--bellrock\r\n");
    let settings = file("settings.toml", b"replicas = 2\n");
    let arguments = [
        "deploy",
        "beacon",
        &package_path,
        "--settings",
        &settings,
        "--build-log",
        &log,
        "--meta",
        "a=1",
        "--meta",
        "b=2=3",
    ];
    let output = run(daemon.root(), &arguments);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let upload = daemon.upload();
    assert_eq!(upload.names, ["options", "build_log", "package"]);
    let options: Value = serde_json::from_slice(&upload.contents[0]).unwrap();
    assert_eq!(options, json!({"settings": "replicas = 2\n", "meta": {"a": "1", "b": "2=3"}}));
    assert_eq!(upload.contents[1], b"compiled\r\n--bellrock\r\n");
    assert!(upload.contents[2] == package);
    assert_eq!(upload.file_name, "beacon _1_.tar.gz");
}

#[test]
fn a_download_is_whole_or_not_there() {
    let daemon = Daemon::start(Vec::new());
    let target = daemon.root().join("got.tar.gz");
    let download = |version: &str| {
        run(daemon.root(), &["package", "download", "beacon", version, "-o", target.to_str().unwrap()])
    };
    let output = download("cut");
    assert_eq!(code(&output), 6, "{}", stderr(&output));
    let names = || {
        let entries = fs_err::read_dir(daemon.root()).unwrap().map(|entry| entry.unwrap().file_name());
        entries.filter(|name| name != "run").collect::<Vec<_>>()
    };
    assert!(names().is_empty(), "{:?}", names());
    let output = download("1.0.0");
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    assert_eq!(fs_err::read(&target).unwrap(), b"the package");
}

#[test]
fn settings_are_checked_without_a_daemon() {
    let folder = tempfile::tempdir().unwrap();
    let etc = folder.path().join("etc/bellrock");
    fs_err::create_dir_all(etc.join("apps")).unwrap();
    fs_err::write(etc.join("config.toml"), "env = \"staging\"\n").unwrap();
    fs_err::write(etc.join("apps/beacon.toml"), "port = 4000\n").unwrap();
    let output = run(folder.path(), &["config", "check"]);
    assert_eq!(code(&output), 0, "{}", stdout(&output));
    fs_err::write(etc.join("apps/buoy.toml"), "prot = 4000\nstop_timeout = \"30 parsecs\"\n").unwrap();
    let output = run(folder.path(), &["config", "check"]);
    assert_eq!(code(&output), 1);
    let text = stdout(&output);
    assert!(text.contains("buoy.toml:1:") && text.contains("buoy.toml:2:"), "{text}");
}

#[test]
fn completions_for_every_shell() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let output = run(folder.path(), &["completions", shell]);
        assert_eq!(code(&output), 0);
        assert!(stdout(&output).contains("deployments"), "{shell}");
    }
}

#[test]
fn a_follower_hears_that_the_stream_has_ended() {
    let daemon = Daemon::start(Vec::new());
    let output = run(daemon.root(), &["logs", "beacon", "-f"]);
    assert_eq!(stdout(&output), "1 │ hello\n");
    assert_eq!(code(&output), 6, "{}", stderr(&output));
    let output = run(daemon.root(), &["logs", "beacon", "1", "--json"]);
    assert_eq!(stdout(&output), "{\"place\":1,\"instance\":7,\"text\":\"hello\"}\n");
    assert_eq!(code(&output), 0);
}

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);
