//! The proxy's keeper with a real shim; the proxy itself is a process that does nothing, and a script that answers.

use crate::scripted_proxy::{self, ScriptedProxy};
use crate::support::{Host, LONG, Shim, for_until, is_alive, until};
use host::Paths;
use host::proxy::{Keeper, Page, Process, Proxy, ProxyFacts, ProxyPlan, Unserved};
use host::shim::{ShimHost, ShimId};
use model::settings::{CertificateFiles, LogSettings};
use model::{AppName, EffectId, InstanceId};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use wire::proxy::{Answer, Backend, BackendMode, Drained, Front, Health, Refusal, Route};
use wire::shim::Happening;

/// A root for one proxy.
struct Scene {
    host: Host,
    paths: Paths,
    plan: ProxyPlan,
}

/// A daemon's part in it.
struct Daemon {
    proxy: Proxy,
    stop: CancellationToken,
    task: AbortOnDropHandle<()>,
}

impl Scene {
    /// Its program sleeps.
    fn new() -> Self {
        let host = Host::new();
        let paths = Paths::new(host.path("root"));
        let program = host.path("proxy-program");
        write_program(&program, "exec sleep 3600");
        let plan = ProxyPlan {
            program,
            http: vec![free()],
            https: Vec::new(),
            certificates: Vec::new(),
            account: None,
            log: LogSettings::default(),
            front: Front::default(),
            open_files: Some(1_024),
        };
        Scene { host, paths, plan }
    }

    /// Its program answers the daemon.
    fn answering(word: &str) -> Self {
        let scene = Self::new();
        write_program(&scene.plan.program, &scripted_proxy::program(word));
        scene
    }

    fn daemon(&self, epoch: u64) -> Daemon {
        self.daemon_with(epoch, Some(self.plan.clone()))
    }

    fn daemon_with(&self, epoch: u64, plan: Option<ProxyPlan>) -> Daemon {
        let proxy = Proxy::new(epoch, Front::default());
        let shims = ShimHost { epoch, ..self.host.shims.clone() };
        let keeper = Keeper { plan, shims, paths: self.paths.clone(), proxy: proxy.clone() };
        let stop = CancellationToken::new();
        let task = AbortOnDropHandle::new(tokio::spawn(keeper.run(stop.clone())));
        Daemon { proxy, stop, task }
    }
}

impl Daemon {
    async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }

    async fn fact<T>(&self, what: &str, pick: impl Fn(&ProxyFacts) -> Option<T>) -> T {
        let mut facts = self.proxy.facts();
        let facts = tokio::time::timeout(LONG, facts.wait_for(|facts| pick(facts).is_some()));
        let facts = facts.await.unwrap_or_else(|_| panic!("{what}: {:#?}", self.proxy.facts().borrow()));
        pick(&facts.unwrap()).unwrap()
    }

    async fn pid(&self) -> i32 {
        self.other_pid(0).await
    }

    async fn other_pid(&self, than: i32) -> i32 {
        let pick = |facts: &ProxyFacts| match facts.process {
            Process::Running { pid } if pid as i32 != than => Some(pid as i32),
            _ => None,
        };
        self.fact("a process of the proxy", pick).await
    }

    /// One that can be asked, and is another one than this.
    async fn answering_pid(&self, than: i32) -> i32 {
        let pick = |facts: &ProxyFacts| facts.report.is_some().then_some(());
        self.fact("a report of the proxy", pick).await;
        self.other_pid(than).await
    }

    async fn failure(&self) -> String {
        let pick = |facts: &ProxyFacts| match &facts.process {
            Process::Failing { why } => Some(why.clone()),
            _ => None,
        };
        self.fact("a failure of the proxy", pick).await
    }
}

/// The proxies' shims that have a folder.
fn shims(scene: &Scene) -> Vec<String> {
    let entries = fs_err::read_dir(&scene.host.shims.run_root).unwrap();
    let mut names: Vec<_> = entries.map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn write_program(path: &std::path::Path, script: &str) {
    let new = path.with_extension("new");
    fs_err::write(&new, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs_err::set_permissions(&new, std::fs::Permissions::from_mode(0o755)).unwrap();
    fs_err::rename(&new, path).unwrap();
}

fn free() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap()
}

fn app(name: &str) -> AppName {
    name.parse().unwrap()
}

fn page(effect: u64, instances: &[(u64, BackendMode)]) -> Page {
    let backends = instances.iter().map(|(instance, mode)| Backend {
        instance: *instance,
        mode: *mode,
        ..Backend::default()
    });
    let route = Route { app: "beacon".into(), backends: backends.collect(), ..Route::default() };
    Page { app: app("beacon"), effect: Some(EffectId(effect)), route: Some(route) }
}

fn active(effect: u64, instance: u64) -> Page {
    page(effect, &[(instance, BackendMode::Active)])
}

/// A connection that nobody accepts: the socket is there and its queue takes it.
fn connects(address: SocketAddr) -> bool {
    TcpStream::connect_timeout(&address, LONG).is_ok()
}

#[tokio::test]
async fn it_runs_with_or_without_the_daemon_and_the_next_daemon_finds_it() {
    let scene = Scene::new();
    let first = scene.daemon(1);
    let pid = first.pid().await;
    until("it listens", || connects(scene.plan.http[0])).await;
    first.stop().await;
    assert!(is_alive(pid));
    // Killed while no daemon is there, it is back.
    let killed = rustix::process::Pid::from_raw(pid).unwrap();
    let waiting = TcpStream::connect(scene.plan.http[0]).unwrap();
    rustix::process::kill_process(killed, rustix::process::Signal::KILL).unwrap();
    until("the killed one is gone", || !is_alive(pid)).await;
    assert!(connects(scene.plan.http[0]), "the shim keeps the socket");
    let second = scene.daemon(2);
    let next = second.other_pid(pid).await;
    assert!(is_alive(next));
    second.stop().await;
    let third = scene.daemon(3);
    assert_eq!(third.pid().await, next, "found, not started");
    drop(waiting);
    third.stop().await;
}

/// The listening socket of a proxy's process that it has at this place.
fn socket(pid: i32, place: usize) -> std::path::PathBuf {
    fs_err::read_link(format!("/proc/{pid}/fd/{}", 3 + place)).unwrap()
}

#[tokio::test]
async fn other_addresses_replace_it_and_no_address_ends_it() {
    let mut scene = Scene::answering("first");
    let first = scene.daemon(1);
    let (pid, old) = (first.answering_pid(0).await, scene.plan.http[0]);
    let kept = socket(pid, 0);
    first.stop().await;
    let new = free();
    scene.plan.http = vec![new, old];
    let second = scene.daemon(2);
    let next = second.answering_pid(pid).await;
    assert!(connects(new) && connects(old));
    assert_eq!(socket(next, 1), kept, "what stays is not bound anew");
    let kept = socket(next, 0);
    until("the first has left", || !is_alive(pid)).await;
    second.stop().await;
    scene.plan.http = vec![new];
    let third = scene.daemon(3);
    let last = third.answering_pid(next).await;
    assert_eq!(socket(last, 0), kept);
    until("nobody listens at the old address", || TcpStream::connect(old).is_err()).await;
    third.stop().await;
    let none = scene.daemon_with(4, None);
    none.fact("no proxy", |facts| (facts.process == Process::Off).then_some(())).await;
    assert!(!is_alive(last) && TcpStream::connect(new).is_err());
    none.stop().await;
}

#[tokio::test]
async fn another_program_takes_over_the_sockets_and_then_the_first_leaves() {
    let scene = Scene::answering("first");
    let first = scene.daemon(1);
    let pid = first.answering_pid(0).await;
    let kept = socket(pid, 0);
    first.stop().await;
    let waiting = TcpStream::connect(scene.plan.http[0]).unwrap();
    write_program(&scene.plan.program, &scripted_proxy::program("second"));
    let second = scene.daemon(2);
    let next = second.answering_pid(pid).await;
    assert_eq!(socket(next, 0), kept, "the same socket, with its queue");
    until("the first has left", || !is_alive(pid)).await;
    until("so has its shim", || shims(&scene) == ["proxy.2"]).await;
    drop(waiting);
    second.stop().await;
    let third = scene.daemon(3);
    assert_eq!(third.answering_pid(0).await, next, "it has taken over only once");
    third.stop().await;
}

#[tokio::test]
async fn a_daemon_with_another_limit_of_open_files_replaces_it() {
    let mut scene = Scene::answering("first");
    let first = scene.daemon(1);
    let pid = first.answering_pid(0).await;
    first.stop().await;
    scene.plan.open_files = Some(1_048_576);
    let second = scene.daemon(2);
    let next = second.answering_pid(pid).await;
    until("the first has left", || !is_alive(pid)).await;
    second.stop().await;
    let third = scene.daemon(3);
    assert_eq!(third.answering_pid(0).await, next, "it has taken over only once");
    third.stop().await;
}

#[tokio::test]
async fn one_that_cannot_take_over_leaves_the_other_as_it_is() {
    let scene = Scene::answering("first");
    let first = scene.daemon(1);
    let pid = first.answering_pid(0).await;
    first.stop().await;
    write_program(&scene.plan.program, "echo no luck today; exit 3");
    let second = scene.daemon(2);
    let why = second.fact("why not", |facts| facts.outdated.clone()).await;
    assert_eq!(why, "it does not run: no luck today");
    assert_eq!((second.pid().await, shims(&scene)), (pid, vec!["proxy".to_owned()]));
    second.stop().await;
    write_program(&scene.plan.program, &scripted_proxy::program("second"));
    let third = scene.daemon(3);
    third.answering_pid(pid).await;
    assert_eq!(third.fact("the facts", |facts| Some(facts.outdated.clone())).await, None);
    third.stop().await;
}

#[tokio::test]
async fn a_daemon_that_is_killed_while_one_takes_over_is_followed_by_one_that_goes_on() {
    let scene = Scene::answering("first");
    let first = scene.daemon(1);
    let pid = first.answering_pid(0).await;
    write_program(&scene.plan.program, &scripted_proxy::program("second"));
    // Its shim is there, and was told nothing yet.
    scene.host.shims.spawn(&ShimId::new("proxy.2").unwrap()).await.unwrap();
    first.stop().await;
    let second = scene.daemon(2);
    second.answering_pid(pid).await;
    until("only the last is left", || shims(&scene) == ["proxy.2"]).await;
    second.stop().await;
}

/// The goal is to be back within 100 ms; what is asserted is that nothing is waited for, what it took is printed.
#[tokio::test]
async fn killed_it_is_started_again_without_a_wait() {
    let scene = Scene::answering("first");
    let daemon = scene.daemon(1);
    let pid = daemon.answering_pid(0).await;
    let killed = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(killed, rustix::process::Signal::KILL).unwrap();
    daemon.other_pid(pid).await;
    daemon.stop().await;
    let next = ShimHost { epoch: 2, ..scene.host.shims.clone() };
    let mut shim = Shim::from(next.connect(&ShimId::new("proxy").unwrap(), 0, LONG).await.unwrap());
    shim.started().await;
    let ended = {
        shim.exited().await;
        shim.seen.last().unwrap().since_boot_ms
    };
    let restarting = |what: &Happening| match what {
        Happening::Restarting(restarting) => Some((restarting.in_ms, restarting.consecutive)),
        _ => None,
    };
    assert_eq!(shim.wait_for(restarting).await, (0, 1));
    shim.started().await;
    println!("ended to executed again: {} ms", shim.seen.last().unwrap().since_boot_ms - ended);
}

#[tokio::test]
async fn what_keeps_it_from_listening_is_said_and_tried_again() {
    let mut scene = Scene::new();
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    scene.plan.http = vec![taken.local_addr().unwrap()];
    let daemon = scene.daemon(1);
    let why = daemon.failure().await;
    assert!(
        why.contains(&format!("could not listen on {}: Address already in use", scene.plan.http[0])),
        "{why}"
    );
    daemon.proxy.settled(LONG).await;
    drop(taken);
    daemon.pid().await;
    daemon.stop().await;
}

#[tokio::test]
async fn a_missing_program_is_named() {
    let mut scene = Scene::new();
    scene.plan.program = scene.host.path("nowhere");
    let daemon = scene.daemon(1);
    assert!(daemon.failure().await.contains("nowhere"));
    daemon.stop().await;
}

#[tokio::test]
async fn a_killed_shim_is_replaced_with_the_proxy() {
    let scene = Scene::new();
    let daemon = scene.daemon(1);
    let pid = daemon.pid().await;
    let stat = fs_err::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let shim: i32 = stat.rsplit(") ").next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let shim = rustix::process::Pid::from_raw(shim).unwrap();
    rustix::process::kill_process(shim, rustix::process::Signal::KILL).unwrap();
    let next = daemon.other_pid(pid).await;
    assert!(is_alive(next) && !is_alive(pid));
    until("it listens again", || connects(scene.plan.http[0])).await;
    daemon.stop().await;
}

#[tokio::test]
async fn the_first_table_is_complete_and_a_wish_returns_when_it_is_served() {
    let scene = Scene::new();
    let script = ScriptedProxy::listen(&scene.paths);
    let daemon = scene.daemon(7);
    until("it is greeted", || script.hellos() == [7]).await;
    let routes = vec![active(3, 1), Page { app: app("other"), ..active(0, 5) }];
    let wish = tokio::spawn({
        let proxy = daemon.proxy.clone();
        proxy.open(routes);
        async move { proxy.serve(active(4, 2)).await }
    });
    let revision = wish.await.unwrap().unwrap();
    let tables = script.tables();
    assert!(tables.iter().all(|table| table.routes.len() == 2), "{tables:#?}");
    let last = tables.last().unwrap();
    assert_eq!((last.revision, last.epoch, last.routes[0].backends[0].instance), (revision, 7, 2));
    assert!(tables.windows(2).all(|pair| pair[0].revision < pair[1].revision));
    assert_eq!(daemon.proxy.serve(active(3, 1)).await, Err(Unserved::Superseded));
    daemon.stop().await;
}

#[tokio::test]
async fn a_lost_connection_is_made_again_and_the_table_sent_again() {
    let scene = Scene::new();
    let script = ScriptedProxy::listen(&scene.paths);
    let daemon = scene.daemon(1);
    daemon.proxy.open(vec![active(1, 1)]);
    until("a table", || script.tables().len() == 1).await;
    script.hang_up();
    until("the table again", || script.tables().len() == 2).await;
    let tables = script.tables();
    assert_eq!(tables[0], tables[1], "the same one");
    drop(script);
    let script = ScriptedProxy::listen(&scene.paths);
    assert!(daemon.proxy.serve(active(2, 2)).await.is_ok(), "the new process is told");
    assert_eq!(script.tables().last().unwrap().routes[0].backends[0].instance, 2);
    daemon.stop().await;
}

#[tokio::test]
async fn a_refused_table_is_told_and_tried_again() {
    let scene = Scene::new();
    let script = ScriptedProxy::listen(&scene.paths);
    script.refuse_tables(Some(Refusal::Disk));
    let daemon = scene.daemon(1);
    daemon.proxy.open(Vec::new());
    let refused = daemon.proxy.serve(active(1, 1)).await;
    let expected = "the proxy refused to serve by the new routes: the script says so";
    assert_eq!(refused, Err(Unserved::Refused(expected.into())));
    script.refuse_tables(None);
    let _closely = daemon.proxy.watch_closely();
    until("it is served after all", || script.tables().len() == 1).await;
    daemon.stop().await;
}

#[tokio::test]
async fn without_an_answer_a_wish_fails_with_the_reason() {
    let scene = Scene::new();
    let daemon = scene.daemon(1);
    daemon.proxy.open(Vec::new());
    match daemon.proxy.serve(active(1, 1)).await {
        Err(Unserved::Late(Some(why))) => {
            assert!(why.contains("could not connect to the proxy's socket"), "{why}")
        }
        other => panic!("{other:?}"),
    }
    daemon.stop().await;
}

#[tokio::test]
async fn a_drained_instance_is_told_and_forgotten_when_it_serves_again() {
    let scene = Scene::new();
    let script = ScriptedProxy::listen(&scene.paths);
    let daemon = scene.daemon(1);
    daemon.proxy.open(vec![page(1, &[(1, BackendMode::Draining)])]);
    until("a table", || script.tables().len() == 1).await;
    let nothing = daemon.proxy.drained(&app("beacon"), InstanceId(1), Duration::from_millis(50)).await;
    assert_eq!(nothing, None, "the deadline passed");
    let drained = Drained { app: "beacon".into(), instance: 1, cut: 2, ..Drained::default() };
    script.say(Answer::Drained(drained.clone()));
    assert_eq!(daemon.proxy.drained(&app("beacon"), InstanceId(1), LONG).await, Some(drained));
    daemon.proxy.serve(active(2, 1)).await.unwrap();
    assert_eq!(daemon.proxy.drained(&app("beacon"), InstanceId(1), Duration::ZERO).await, None);
    daemon.stop().await;
}

#[tokio::test]
async fn an_instance_that_is_down_is_known_until_it_is_up() {
    let scene = Scene::new();
    let script = ScriptedProxy::listen(&scene.paths);
    let daemon = scene.daemon(1);
    daemon.proxy.open(vec![active(1, 1)]);
    daemon.fact("a table", |facts| (facts.applied > 0).then_some(())).await;
    let health = |up| Health { app: "beacon".into(), instance: 1, up, reason: "refused".into() };
    script.say(Answer::Health(health(false)));
    let reason =
        daemon.fact("down", |facts| Some(facts.down.get(&("beacon".into(), 1))?.reason.clone())).await;
    assert_eq!(reason, "refused");
    script.say(Answer::Health(health(true)));
    daemon.fact("up", |facts| facts.down.is_empty().then_some(())).await;
    daemon.stop().await;
}

#[tokio::test]
async fn certificates_reach_it_and_a_bad_one_does_not_take_the_others_away() {
    let mut scene = Scene::new();
    let file = |name: &str| {
        let path = scene.host.path(name);
        fs_err::write(&path, name).unwrap();
        path
    };
    let missing = scene.host.path("missing");
    scene.plan.certificates = vec![
        CertificateFiles { chain: file("chain"), key: file("key") },
        CertificateFiles { chain: missing.clone(), key: missing },
    ];
    scene.plan.https = vec![free()];
    let script = ScriptedProxy::listen(&scene.paths);
    let daemon = scene.daemon(1);
    for_until("the good one", async || script.certificates() == [1]).await;
    daemon.stop().await;
}

#[tokio::test]
async fn a_broken_new_certificate_leaves_the_old_one_and_lets_the_others_change() {
    let mut scene = Scene::new();
    let file = |name: &str| scene.host.path(name);
    let put = |name: &str, text: &str| fs_err::write(file(name), text).unwrap();
    for name in ["a", "b", "key"] {
        put(name, name);
    }
    let pair = |chain: &str| CertificateFiles { chain: file(chain), key: file("key") };
    scene.plan.certificates = vec![pair("a"), pair("b")];
    scene.plan.https = vec![free()];
    let script = ScriptedProxy::listen(&scene.paths);
    let daemon = scene.daemon(1);
    for_until("both", async || script.chains() == ["a", "b"]).await;
    put("a", "new a");
    put("b", "broken");
    script.hang_up();
    for_until("the good one alone is new", async || script.chains() == ["new a", "b"]).await;
    daemon.stop().await;
    // the next daemon has never seen the old one
    put("a", "newer a");
    fs_err::remove_file(file("b")).unwrap();
    let daemon = scene.daemon(2);
    for_until("the old one stays", async || script.chains() == ["newer a", "b"]).await;
    put("b", "new b");
    for_until("a file is read again when it changes", async || script.chains() == ["newer a", "new b"]).await;
    daemon.stop().await;
}
