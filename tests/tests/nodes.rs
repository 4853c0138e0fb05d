//! How nodes are started: who on the host sees an app's cookie, and who reaches the nodes.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use api::deployment::Phase;
use testkit::app::log;
use testkit::host::HostPlan;
use testkit::wait::LONG;
use testkit::{TempHost, TestApp, processes, wait_for};

const RUNTIME: &str = "runtime = '/usr/lib/erlang'\nreplicas = 1";

/// Between two looks at all command lines: a VM that runs for one command takes longer to boot.
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// Gives an app a cookie that the test knows before anything of the app runs.
pub(crate) fn give_cookie(host: &TempHost, app: &TestApp<'_>) -> String {
    let cookie = format!("COOKIEOF{}", app.name.to_uppercase().replace('-', ""));
    let file = host.path("var/lib/bellrock/cookies").join(&app.name);
    fs_err::create_dir_all(file.parent().unwrap()).unwrap();
    fs_err::write(&file, &cookie).unwrap();
    fs_err::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    cookie
}

/// Looks at the command lines of all processes of the machine, all the time, in a thread of its own.
struct Watcher {
    seen: Arc<Mutex<BTreeSet<String>>>,
    stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watcher {
    /// Looks for any of `words`.
    fn start(words: Vec<String>) -> Self {
        let (seen, stopped) = <(Arc<Mutex<BTreeSet<String>>>, Arc<AtomicBool>)>::default();
        let (found, over) = (seen.clone(), stopped.clone());
        let look = move || {
            while !over.load(Ordering::Relaxed) {
                let shown = command_lines().filter(|line| words.iter().any(|word| line.contains(word)));
                found.lock().unwrap().extend(shown);
                std::thread::sleep(BETWEEN_LOOKS);
            }
        };
        Watcher { seen, stopped, thread: Some(std::thread::spawn(look)) }
    }

    fn seen(&self) -> BTreeSet<String> {
        self.seen.lock().unwrap().clone()
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(
            ended.is_none_or(|ended| ended.is_ok()) || std::thread::panicking(),
            "it has looked to the end"
        );
    }
}

fn command_lines() -> impl Iterator<Item = String> {
    let names = fs_err::read_dir("/proc").unwrap().flatten().map(|entry| entry.file_name());
    names.filter_map(|name| name.to_str()?.parse().ok()).map(processes::command_line)
}

/// Runs a command of the release against the app's running node.
pub(crate) async fn rpc(app: &TestApp<'_>, expression: &str) -> String {
    let ran = app.host.bellrock(&["run", &app.name, "--", "rpc", expression]).await;
    assert_eq!(ran.code, 0, "{expression}: {ran:?}");
    ran.stdout.trim().to_owned()
}

#[tokio::test]
async fn no_command_line_and_no_environment_shows_a_cookie() {
    let host = TempHost::start().await;
    let beacon = host.app("beacon", "replicas = 1\npre_commands = ['eval 1 + 1']");
    let buoy = host.app("buoy", "replicas = 1\npre_commands = ['eval 1 + 1']");
    let lantern = host.app("lantern", RUNTIME);
    let cookies = [&beacon, &buoy, &lantern].map(|app| give_cookie(&host, app));
    let watcher = Watcher::start(cookies.to_vec());

    let how = log(&beacon.deploy("beacon-base", Phase::Committed).await);
    assert!(how.contains("instance 1 started directly"), "{how}");
    let how = log(&buoy.deploy("buoy-base", Phase::Committed).await);
    assert!(how.contains("instance 1 started directly"), "{how}");
    let how = log(&lantern.deploy("lantern-1", Phase::Committed).await);
    assert!(how.contains("instance 1 started by its own script: the script of a Gleam shipment"), "{how}");
    // Written apart: the request's own command line must not show it.
    let (begin, end) = cookies[0].split_at(6);
    let has = format!("IO.puts(Node.get_cookie() == String.to_atom(\"{begin}\" <> \"{end}\"))");
    assert_eq!(rpc(&beacon, &has).await, "true", "{has}");
    assert_eq!(rpc(&buoy, "erlang get_cookie").await, format!("'{}'", cookies[1]));

    assert_eq!(watcher.seen(), BTreeSet::new());
    for app in [&beacon, &buoy, &lantern] {
        let instance = app.instance(1).await;
        let home = processes::environment(instance.pid.unwrap().try_into().unwrap());
        let home = home.iter().find_map(|variable| variable.strip_prefix("HOME=")).unwrap();
        let file = fs_err::metadata(format!("{home}/.erlang.cookie")).unwrap();
        assert_eq!(file.permissions().mode() & 0o777, 0o400);
    }
    for process in processes::below(host.root()) {
        let variables = processes::environment(process.pid);
        let shown = variables.iter().find(|it| cookies.iter().any(|cookie| it.contains(cookie)));
        assert_eq!(shown, None, "{process:?}");
    }

    let told = host.app("beacon", "replicas = 1\nlaunch = 'script'");
    let cookie = give_cookie(&host, &told);
    let watcher = Watcher::start(vec![cookie]);
    let how = log(&told.deploy("beacon-base", Phase::Committed).await);
    assert!(how.contains("instance 1 started by its own script: launch is \"script\""), "{how}");
    wait_for("the test sees what a script shows", LONG, async || {
        watcher.seen().iter().any(|line| line.contains("-setcookie")).then_some(())
    })
    .await;
}

/// Where an instance listens beside its `PORT`.
async fn listens_beside(app: &TestApp<'_>) -> Vec<IpAddr> {
    let instance = app.instance(1).await;
    let all = processes::listens(instance.pid.unwrap().try_into().unwrap());
    assert!(all.iter().any(|address| address.port() == instance.port), "{all:?}");
    all.into_iter().filter(|address| address.port() != instance.port).map(|address| address.ip()).collect()
}

#[tokio::test]
async fn nodes_are_reached_from_this_host_alone_whatever_it_is_called() {
    let config = "node_host = 'elsewhere'".to_owned();
    let host = HostPlan { config, ..HostPlan::default() }.start().await;
    let apps = [
        (host.app("beacon", ""), "beacon-base"),
        (host.app("buoy", "replicas = 1"), "buoy-base"),
        (host.app("lantern", RUNTIME), "lantern-1"),
    ];
    for (app, package) in &apps {
        app.deploy(package, Phase::Committed).await;
        assert_eq!(listens_beside(app).await, [IpAddr::V4(Ipv4Addr::LOCALHOST)], "{package}");
    }
    let [(beacon, _), (buoy, _), _] = &apps;
    let ping = format!("IO.inspect(Node.ping(:\"{}-2@elsewhere\"))", beacon.name);
    assert_eq!(rpc(beacon, &ping).await, ":pong", "the places see each other");
    assert_eq!(rpc(buoy, "erlang node").await, format!("'{}-1@elsewhere'", buoy.name));
}

#[tokio::test]
async fn without_distribution_a_node_has_no_name_and_listens_for_none() {
    let host = TempHost::start().await;
    for (base, package, runtime) in [
        ("beacon", "beacon-base", "replicas = 1"),
        ("buoy", "buoy-base", "replicas = 1"),
        ("lantern", "lantern-1", RUNTIME),
    ] {
        let app = host.app(base, &format!("{runtime}\ndistribution = 'off'"));
        app.deploy(package, Phase::Committed).await;
        assert_eq!(listens_beside(&app).await, [] as [IpAddr; 0], "{package}");
    }
    let app = host.app("buoy", "replicas = 1\ntries = 1\ndistribution = 'off'\nlaunch = 'script'");
    let reason = app.deploy("buoy-base", Phase::Failed).await.deployment.reason.unwrap();
    assert!(reason.contains("say launch = \"direct\""), "{reason}");
}
