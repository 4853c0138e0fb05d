//! One-off tasks: `bellrock run`.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Stdio;

use api::deployment::Phase;
use api::task::{Task, TaskHow};
use rustix::process::{Pid, Signal, kill_process};
use testkit::wait::wait_for;
use testkit::{TempHost, programs};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};

/// Longer than anything here takes.
const LONG: std::time::Duration = std::time::Duration::from_secs(60);

/// `bellrock run`, with its output to be read while it runs.
fn run(host: &TempHost, arguments: &[&str]) -> Child {
    let mut command = Command::new(programs::program("bellrock"));
    command.arg("--root").arg(host.root()).arg("run").args(arguments).env_remove("BELLROCK_ROOT");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command.spawn().unwrap()
}

/// A script of the package's user that tells each of its runs in a file, and waits for another file.
fn script(host: &TempHost) -> (String, PathBuf, PathBuf) {
    let shared = host.path("shared");
    fs_err::create_dir_all(&shared).unwrap();
    fs_err::set_permissions(&shared, std::fs::Permissions::from_mode(0o777)).unwrap();
    let (runs, go) = (shared.join("runs"), shared.join("go"));
    let text = format!(
        "echo $$ >> {}; echo begun; while ! test -e {}; do sleep 0.05; done; echo done; exit 7",
        runs.display(),
        go.display()
    );
    (text, runs, go)
}

#[tokio::test]
async fn a_task_has_the_releases_code_and_variables_and_its_end_is_ours() {
    let host = TempHost::start().await;
    let app = host.app("beacon", "replicas = 1\nvariables.LAMP = 'green'");
    let name = app.name.as_str();
    let refused = host.bellrock(&["run", name, "--", "eval", "1"]).await;
    assert_eq!(refused.code, 3, "no such app yet: {refused:?}");
    app.deploy("beacon-base", Phase::Committed).await;

    let eval = "IO.puts(System.get_env(\"LAMP\")); IO.puts(:stderr, \"to the side\"); \
        Application.load(:beacon); IO.puts(Beacon.version()); System.halt(3)";
    let ran = run(&host, &[name, "--", "eval", eval]).wait_with_output().await.unwrap();
    assert_eq!(ran.stdout, b"green\n1.0.0\n", "{ran:?}");
    assert_eq!((ran.stderr.as_slice(), ran.status.code()), (&b"to the side\n"[..], Some(3)));

    let rpc = host.bellrock(&["run", name, "--", "rpc", "IO.puts(Node.self())"]).await;
    assert_eq!((rpc.code, rpc.stdout.starts_with(&format!("{name}-1"))), (0, true), "{rpc:?}");

    let bytes = "printf '%s\\0\\377' \"$0 $BELLROCK_VERSION\"; kill -11 $$";
    let ran = run(&host, &[name, "--", "sh", "-c", bytes, "a b"]).wait_with_output().await.unwrap();
    assert_eq!(
        (ran.stdout.as_slice(), ran.status.code()),
        (&b"a b 1.0.0\0\xff"[..], Some(128 + 11)),
        "{ran:?}"
    );

    let ran = host.bellrock(&["run", name, "--time-limit", "300 ms", "--", "sleep", "600"]).await;
    assert_eq!(ran.code, 124, "{ran:?}");
    assert!(ran.stderr.contains("300 ms"), "{ran:?}");

    let audit: Vec<api::audit::Asked> = app.api.get("/v1/audit").await.unwrap();
    assert!(audit.iter().any(|asked| asked.what.starts_with("run eval IO.puts(System.get_env")), "{audit:?}");
    let tasks: Vec<Task> = host.bellrock(&["--json", "tasks", name]).await.json();
    let ends: Vec<TaskHow> = tasks.iter().map(|task| task.end.as_ref().unwrap().how).collect();
    assert_eq!(ends, [TaskHow::TimeLimit, TaskHow::Signalled, TaskHow::Ended, TaskHow::Ended]);
    let left = fs_err::read_dir(host.path("var/lib/bellrock/commands").join(name)).unwrap().count();
    assert_eq!(left, 0, "each task's tree is gone with it");
    let runners = fs_err::read_dir(host.path("var/lib/bellrock/shims")).unwrap().flatten();
    assert_eq!(runners.filter(|it| it.file_name().to_string_lossy().starts_with("task-")).count(), 0);
}

#[tokio::test]
async fn a_task_goes_on_when_the_daemon_is_killed_and_runs_once() {
    let host = TempHost::start().await;
    let app = host.app("beacon", "replicas = 1");
    app.deploy("beacon-base", Phase::Committed).await;
    let (text, runs, go) = script(&host);
    let mut child = run(&host, &[&app.name, "--", "sh", "-c", &text]);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.next_line().await.unwrap().as_deref(), Some("begun"));
    host.kill_daemon();
    fs_err::write(&go, "").unwrap();
    host.start_daemon().await;
    assert_eq!(lines.next_line().await.unwrap().as_deref(), Some("done"), "and nothing twice");
    assert_eq!(lines.next_line().await.unwrap(), None);
    assert_eq!(child.wait().await.unwrap().code(), Some(7));
    assert_eq!(fs_err::read_to_string(&runs).unwrap().lines().count(), 1);
}

#[tokio::test]
async fn ctrl_c_ends_a_task_and_a_detached_one_goes_on() {
    let host = TempHost::start().await;
    let app = host.app("beacon", "replicas = 1");
    app.deploy("beacon-base", Phase::Committed).await;
    let (text, runs, go) = script(&host);
    let mut child = run(&host, &[&app.name, "--", "sh", "-c", &text]);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.next_line().await.unwrap().as_deref(), Some("begun"));
    let pid: i32 = fs_err::read_to_string(&runs).unwrap().trim().parse().unwrap();
    assert!(testkit::processes::is_alive(pid));
    let client = Pid::from_raw(i32::try_from(child.id().unwrap()).unwrap()).unwrap();
    kill_process(client, Signal::INT).unwrap();
    assert_eq!(child.wait().await.unwrap().code(), Some(130));
    assert!(!testkit::processes::is_alive(pid), "it was ended before bellrock did");

    let ran = host.bellrock(&["--json", "run", &app.name, "--detach", "--", "sh", "-c", &text]).await;
    let task: Task = ran.json();
    let number = task.task.to_string();
    let mut child = Command::new(programs::program("bellrock"));
    child.arg("--root").arg(host.root()).args(["tasks", &app.name, "follow", &number]);
    let mut child = child.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let mut out = child.stdout.take().unwrap();
    let mut begun = [0; 6];
    out.read_exact(&mut begun).await.unwrap();
    let client = Pid::from_raw(i32::try_from(child.id().unwrap()).unwrap()).unwrap();
    kill_process(client, Signal::INT).unwrap();
    assert_eq!(child.wait().await.unwrap().code(), Some(130));
    fs_err::write(&go, "").unwrap();
    let ran = host.bellrock(&["tasks", &app.name, "follow", &number]).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (7, "begun\ndone\n"), "{ran:?}");

    let ran = host.bellrock(&["--json", "run", &app.name, "--detach", "--", "sleep", "600"]).await;
    let task: Task = ran.json();
    let path = format!("/v1/apps/{}/tasks/{}", app.name, task.task);
    let ended = host.bellrock(&["tasks", &app.name, "end", &task.task.to_string()]).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    let end =
        wait_for("the end of the task", LONG, async || app.api.get::<Task>(&path).await.ok()?.end).await;
    assert_eq!(end.how, TaskHow::Halted);
}
