//! An app's places exported for an init that runs them alone: no daemon, no shim, none of their folders.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use api::deployment::Phase;
use rustix::process::{Pid, Signal, geteuid, kill_process};
use testkit::app::get;
use testkit::wait::LONG;
use testkit::{TempHost, TestApp, processes, wait_for};

/// What every shell and careless quote trips over.
const ODD: &str = "a 'b' \"c\" $HOME `id` \\ %i";

/// Exports an app's places, then leaves nothing of Bellrock: no instance, no daemon, no state.
async fn exported(host: &TempHost, app: &TestApp<'_>, init: &str) -> PathBuf {
    let folder = host.path("srv").join(init);
    fs_err::create_dir_all(folder.parent().unwrap()).unwrap();
    let into = folder.to_str().unwrap();
    let ran = host.bellrock(&["export", init, "--app", &app.name, "--into", into]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    let again = host.bellrock(&["export", init, "--app", &app.name, "--into", into]).await;
    assert!(again.code != 0 && again.stderr.contains("is there already"), "{again:?}");
    app.ends(app.api.stop(&app.name).await.unwrap(), Phase::Committed).await;
    host.stop_daemon().await;
    fs_err::remove_dir_all(host.path("var")).unwrap();
    assert_what_the_init_uses_is_ours(&folder);
    folder
}

/// Scripts, services and where their output goes: the app's user may change none of it.
fn assert_what_the_init_uses_is_ours(folder: &Path) {
    let mut left: Vec<PathBuf> = ["bin", "log", "runit", "sysv"].map(|name| folder.join(name)).into();
    left.retain(|path| path.exists());
    left.push(folder.join("env"));
    while let Some(path) = left.pop() {
        let found = fs_err::symlink_metadata(&path).unwrap();
        assert_eq!((found.uid(), found.mode() & 0o022), (geteuid().as_raw(), 0), "{}", path.display());
        if found.is_dir() && !path.ends_with("env") {
            left.extend(fs_err::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
}

/// Variables and cookie are in files that only the app's user reads, and the cookie is no variable.
fn assert_secrets_are_kept(folder: &Path, cookie: &str) {
    for entry in fs_err::read_dir(folder.join("env")).unwrap() {
        let file = entry.unwrap().path();
        let found = fs_err::metadata(&file).unwrap();
        assert_eq!(found.permissions().mode() & 0o777, 0o600, "{}", file.display());
        assert_eq!(found.uid(), app_user(), "{}", file.display());
        assert!(!fs_err::read_to_string(&file).unwrap().contains(cookie), "{}", file.display());
    }
    let holders = Command::new("grep").args(["-rlF", cookie]).arg(folder).output().unwrap();
    let holders = String::from_utf8(holders.stdout).unwrap();
    assert_eq!(holders.lines().count(), 2, "one for each place: {holders}");
    for file in holders.lines().map(Path::new) {
        let found = fs_err::metadata(file).unwrap();
        assert_eq!((found.permissions().mode() & 0o077, found.uid()), (0, app_user()), "{}", file.display());
    }
}

/// `nobody`, whom the tests' hosts run apps as, when we are root.
fn app_user() -> u32 {
    if geteuid().is_root() { 65_534 } else { geteuid().as_raw() }
}

async fn page(port: u16, path: &str) -> Option<String> {
    let (status, body) = get(port, path).await.ok()?;
    (status == 200).then_some(body)
}

/// The process that answers on a port, another one than `before`.
async fn serves(port: u16, before: Option<i64>) -> i64 {
    wait_for(format!("port {port} is served, not by {before:?}"), LONG, async || {
        let front: serde_json::Value = serde_json::from_str(&page(port, "/").await?).ok()?;
        front["pid"].as_i64().filter(|pid| Some(*pid) != before)
    })
    .await
}

fn kill(pid: i64, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).unwrap();
    kill_process(pid, signal).unwrap();
}

async fn none_left(tree: &Path) {
    wait_for(format!("no process of {}", tree.display()), LONG, async || {
        processes::below(tree).into_iter().all(|it| !processes::is_alive(it.pid)).then_some(())
    })
    .await;
}

/// `runsvdir`; it and its services end with this.
struct Runsvdir(Child);

impl Runsvdir {
    fn start(services: &Path) -> Self {
        let mut command = Command::new("runsvdir");
        command
            .arg(services)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("OF_THE_INIT", "1");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn();
        Runsvdir(child.unwrap_or_else(|error| panic!("runsvdir: {error}; run tools/setup.sh bench")))
    }
}

impl Drop for Runsvdir {
    fn drop(&mut self) {
        if let Some(pid) = Pid::from_raw(i32::try_from(self.0.id()).unwrap()) {
            // It tells all runsv to end their services; it may have ended.
            let _ = kill_process(pid, Signal::HUP);
        }
        let _ = self.0.wait();
    }
}

fn sv(arguments: &[&str], service: &Path) -> Output {
    Command::new("sv").args(arguments).arg(service).output().unwrap()
}

#[tokio::test]
async fn runit_alone_keeps_an_app_running_and_ends_it_whole() {
    let host = TempHost::start().await;
    let settings = format!("stop_timeout = '2 s'\nvariables = {{ ODD = '''{ODD}''', IGNORE_SIGTERM = '1' }}");
    let app = host.app("beacon", &settings);
    app.deploy("beacon-base", Phase::Committed).await;
    let folder = exported(&host, &app, "runit").await;
    let cookie = cookie(&folder);
    assert_secrets_are_kept(&folder, &cookie);
    let services = folder.join("runit");
    let runsvdir = Runsvdir::start(&services);
    let [one, two] = [app.port, app.port + 1];
    let before = [serves(one, None).await, serves(two, None).await];
    assert_eq!(page(one, "/env?name=ODD").await.as_deref().map(str::trim_end), Some(ODD));
    assert_eq!(page(one, "/env?name=OF_THE_INIT").await, None, "nothing of the init's environment");
    for process in processes::below(&folder) {
        assert!(!process.command_line.contains(&cookie), "{process:?}");
    }
    let node = page(two, "/env?name=RELEASE_NODE").await.unwrap();
    assert!(node.starts_with(&format!("{}-2@", app.name)), "{node}");
    assert_eq!(processes::uid(i32::try_from(before[0]).unwrap()), Some(app_user()));

    let left_over: i32 = page(one, "/fork?how=double").await.unwrap().trim().parse().unwrap();
    kill(before[0], Signal::KILL);
    let after = serves(one, Some(before[0])).await;
    assert!(!processes::is_alive(left_over), "what a killed node has left goes before the next one starts");

    page(one, "/fork?how=setsid").await.unwrap();
    let down = sv(&["-w", "60", "down"], &services.join(format!("{}-1", app.name)));
    assert!(down.status.success(), "{down:?}");
    none_left(&folder.join("1")).await;
    assert!(!processes::is_alive(i32::try_from(after).unwrap()));
    assert_eq!(serves(two, None).await, before[1], "the other place was not touched");
    let log = fs_err::read_to_string(folder.join(format!("log/{}-1/current", app.name))).unwrap();
    assert!(log.contains(": starting, os pid"), "{log}");
    drop(runsvdir);
    none_left(&folder.join("2")).await;
}

/// The app's cookie, as its places get it.
fn cookie(folder: &Path) -> String {
    fs_err::read_to_string(folder.join("1/tmp/.erlang.cookie")).unwrap()
}

/// The script for a place with its pid file in the temporary host.
fn script(host: &TempHost, folder: &Path, service: &str) -> PathBuf {
    let path = folder.join("sysv").join(service);
    let run = format!("{}/", host.path("run").display());
    let text = fs_err::read_to_string(&path).unwrap();
    assert!(text.contains("PIDFILE=/run/"));
    fs_err::write(&path, text.replace("PIDFILE=/run/", &format!("PIDFILE={run}"))).unwrap();
    path
}

/// Beside the script itself nobody must hold its outputs: what it starts in the background would.
async fn sysv(script: &Path, action: &str) -> i32 {
    let mut command = tokio::process::Command::new("sh");
    command.arg(script).arg(action).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().await.unwrap().code().unwrap()
}

#[tokio::test]
async fn sysv_alone_keeps_a_gleam_app_running_and_ends_it_in_order() {
    let host = TempHost::start().await;
    let app = host.app("lantern", "runtime = '/usr/lib/erlang'\nreplicas = 1");
    app.deploy("lantern-1", Phase::Committed).await;
    if !geteuid().is_root() {
        let into = host.path("mine");
        let ran =
            host.bellrock(&["export", "sysv", "--app", &app.name, "--into", into.to_str().unwrap()]).await;
        assert!(ran.code != 0 && ran.stderr.contains("must be root's"), "{ran:?}");
        return;
    }
    let folder = exported(&host, &app, "sysv").await;
    let script = script(&host, &folder, &format!("{}-1", app.name));
    assert_ne!(sysv(&script, "status").await, 0);
    assert_eq!(sysv(&script, "start").await, 0);
    let before = serves(app.port, None).await;
    assert_eq!(sysv(&script, "start").await, 0, "it runs");
    assert_eq!(sysv(&script, "status").await, 0);
    kill(before, Signal::KILL);
    let after = serves(app.port, Some(before)).await;
    assert_eq!(sysv(&script, "restart").await, 0);
    let third = serves(app.port, Some(after)).await;
    assert_eq!(sysv(&script, "stop").await, 0);
    assert!(!processes::is_alive(i32::try_from(third).unwrap()));
    none_left(&folder.join("1")).await;
    assert_ne!(sysv(&script, "status").await, 0);
}
