//! Bellrock's own links to the nodes of its instances.

use std::collections::BTreeSet;

use api::app::{App, InstanceState};
use api::deployment::Phase;
use api::node::Node;
use beam::Term;
use dist::{Address, Call, Cookie, HostPort, Limits, OwnName, Target, Timing};
use rustix::process::Signal;
use testkit::steady::Steady;
use testkit::wait::LONG;
use testkit::{TempHost, TestApp, processes, wait_for};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The nodes of an app's ready instances, by place.
fn nodes(app: &App) -> Vec<&Node> {
    let ready = app.instances.iter().filter(|it| it.state == InstanceState::Ready);
    ready.filter_map(|it| it.node.as_ref()).collect()
}

/// Whether all so many nodes are linked and each is connected with so many others.
pub(crate) fn is_meshed(app: &App, count: usize, others: usize) -> bool {
    let whole = |node: &&Node| {
        let mesh = node.mesh.as_ref();
        node.connected.is_some()
            && mesh.is_some_and(|it| it.connected.len() == others && it.missing.is_empty())
    };
    let nodes = nodes(app);
    nodes.len() == count && nodes.iter().all(whole)
}

/// What a node answers to another hidden one than Bellrock's, which has the cookie of this file.
pub(crate) async fn ask(host: &TempHost, cookie: &str, node: &str, call: Call) -> Term {
    let cookie = fs_err::read_to_string(host.path("var/lib/bellrock/cookies").join(cookie)).unwrap();
    let (_, at) = node.split_once('@').unwrap();
    let target = Target {
        node: node.parse().unwrap(),
        address: Address::Epmd(HostPort::new("127.0.0.1", 4369)),
        cookie: Cookie::new(cookie).unwrap(),
        tls: None,
        own_name: OwnName::Dynamic { host: at.to_owned() },
        timing: Timing::default(),
        limits: Limits::default(),
    };
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let node = dist::Node::open(target, &tasks, &stop);
    assert!(node.up(LONG).await.is_some(), "{:?}", node.status().borrow());
    let answer = node.call(&call, LONG).await.unwrap();
    stop.cancel();
    answer
}

fn names(answer: &Term) -> BTreeSet<String> {
    answer.as_list().unwrap().iter().map(|name| name.as_atom().unwrap().to_owned()).collect()
}

/// The names of other nodes that the node of a place says it is connected with.
async fn neighbours(app: &TestApp<'_>, node: &str, cookie: &str) -> BTreeSet<String> {
    names(&ask(app.host, cookie, node, Call::new("erlang", "nodes", [])).await)
}

#[tokio::test]
async fn nodes_are_linked_and_meshed_and_come_back_from_everything() {
    let host = TempHost::start().await;
    let app = host.app("beacon", "replicas = 3\nmax = 3");
    app.deploy("beacon-base", Phase::Committed).await;
    let state = app.wait_for("three nodes are meshed", |app| is_meshed(app, 3, 2)).await;
    let told = app.wait_for("they have said all", |app| {
        nodes(app).iter().all(|it| it.connected.as_ref().is_some_and(|it| it.started_at.is_some()))
    });
    let told = told.await;
    for node in nodes(&told) {
        let facts = node.connected.as_ref().unwrap();
        assert_eq!((facts.otp.as_str(), facts.erts.is_empty()), ("25", false), "{facts:?}");
        assert!(facts.elixir.is_some() && facts.schedulers > Some(0), "{facts:?}");
    }
    let all: BTreeSet<String> = nodes(&state).iter().map(|node| node.name.clone()).collect();
    for node in &all {
        let others: BTreeSet<String> = all.iter().filter(|it| *it != node).cloned().collect();
        assert_eq!(neighbours(&app, node, &app.name).await, others, "of {node}");
    }
    let shown = host.bellrock(&["status", &app.name]).await;
    assert_eq!(shown.stdout.matches("mesh 2 of 2").count(), 3, "{}", shown.stdout);

    // an instance that is killed
    let before = app.instance(2).await;
    assert!(processes::signal(before.pid.unwrap() as i32, host.root(), Signal::KILL));
    let is_back = |app: &App| {
        let second = app.instances.iter().find(|it| it.place == 2);
        is_meshed(app, 3, 2) && second.is_some_and(|it| it.pid != before.pid && it.pid.is_some())
    };
    app.wait_for("the killed one is back and meshed", is_back).await;

    // two nodes that lose each other
    let [first, .., last] = &all.iter().collect::<Vec<_>>()[..] else { panic!("three nodes") };
    ask(&host, &app.name, first, Call::new("erlang", "disconnect_node", [Term::atom(last)])).await;
    wait_for("they have found each other again", LONG, async || {
        neighbours(&app, first, &app.name).await.contains(*last).then_some(())
    })
    .await;

    // the daemon
    let (pids, steady) = (app.pids().await, Steady::begin(&app, 3, 3));
    host.kill_daemon();
    host.start_daemon().await;
    app.wait_for("the next daemon has linked again", |app| is_meshed(app, 3, 2)).await;
    let seen = steady.end().await;
    assert_eq!((seen.fewest_places, app.pids().await), (3, pids), "{seen:?}");
    let hidden = ask(&host, &app.name, first, Call::new("erlang", "nodes", [Term::atom("hidden")])).await;
    let ours = names(&hidden).into_iter().filter(|name| name.starts_with("bellrock@")).count();
    assert_eq!(ours, 1, "{hidden:?}");
}

#[tokio::test]
async fn apps_of_one_mesh_share_a_cookie_and_others_stay_apart() {
    let host = TempHost::start().await;
    let one = |mesh: &str| format!("replicas = 1\nmax = 2\n[mesh]\n{mesh}");
    let beacon = host.app("beacon", &one("name = \"harbour\""));
    let buoy = host.app("buoy", &one("name = \"harbour\""));
    let alone = host.app("beacon", &one("connect = false"));
    beacon.deploy("beacon-base", Phase::Committed).await;
    buoy.deploy("buoy-base", Phase::Committed).await;
    alone.deploy("beacon-base", Phase::Committed).await;
    let state = beacon.wait_for("beacon is connected with buoy", |app| is_meshed(app, 1, 1)).await;
    let other = buoy.wait_for("buoy is connected with beacon", |app| is_meshed(app, 1, 1)).await;
    let [(beacon_node, _), (buoy_node, facts)] = [&state, &other].map(|app| {
        let node = nodes(app)[0];
        (node.name.clone(), node.connected.clone().unwrap())
    });
    assert_eq!(facts.elixir, None, "buoy is Erlang");
    assert_eq!(neighbours(&beacon, &beacon_node, "mesh.harbour").await, [buoy_node].into());
    let linked =
        alone.wait_for("it is linked", |app| nodes(app).iter().any(|it| it.connected.is_some())).await;
    let node = nodes(&linked)[0];
    assert_eq!(node.mesh, None);
    assert_eq!(neighbours(&alone, &node.name, &alone.name).await, BTreeSet::new());
    assert!(!host.path("var/lib/bellrock/cookies").join(&beacon.name).exists(), "it has the mesh's alone");
}

#[tokio::test]
async fn a_function_says_when_it_is_ready_and_a_node_that_hangs_is_noticed() {
    let host = TempHost::start().await;
    let app = host.app(
        "beacon",
        r#"
        replicas = 1
        [variables]
        WARMUP_MS = "1500"
        [readiness]
        kind = "mfa"
        mfa = "Elixir.Beacon.Health:check/0"
        retry_period = "100 ms"
        [health]
        kind = "node"
        interval = "200 ms"
        within = "1 s"
        failures = 2
        "#,
    );
    app.deploy("beacon-base", Phase::Committed).await;
    let instance = app.instance(1).await;
    let took = instance.ready_at.unwrap().duration_since(instance.up_since.unwrap());
    assert!(took >= jiff::SignedDuration::from_millis(1500), "it said no for so long: {took}");
    let pid = instance.pid.unwrap() as i32;
    assert!(processes::signal(pid, host.root(), Signal::STOP));
    let state = |state: InstanceState| move |app: &App| app.instances.iter().all(|it| it.state == state);
    let hung = app.wait_for("it is noticed", state(InstanceState::Unhealthy)).await;
    let why = hung.instances[0].detail.clone().unwrap();
    assert!(why.contains("init:get_status/0 had no answer within 1s"), "{why}");
    assert!(processes::signal(pid, host.root(), Signal::CONT));
    let well = app.wait_for("it is well again", state(InstanceState::Ready)).await;
    assert_eq!((well.instances[0].pid, well.instances[0].crashes), (instance.pid, 0));
}

#[tokio::test]
async fn a_release_without_a_node_runs_as_before_and_status_says_why() {
    let host = TempHost::start().await;
    let flags = "[variables]\nERL_AFLAGS = \"-kernel start_distribution false\"";
    let app = host.app("beacon", &format!("replicas = 1\n{flags}"));
    app.deploy("beacon-base", Phase::Committed).await;
    let told = app.wait_for("it is told", |app| nodes(app).iter().any(|it| it.why_not.is_some())).await;
    let node = nodes(&told)[0];
    let why = node.why_not.as_deref().unwrap();
    assert!(node.connected.is_none() && why.contains("knows no node named"), "{node:?}");
    let shown = host.bellrock(&["status", &app.name]).await;
    assert!(shown.stdout.contains("not connected: "), "{}", shown.stdout);
    assert_eq!((app.state().await.ready, app.instance(1).await.crashes), (1, 0));
}

#[tokio::test]
async fn a_node_ends_itself_where_no_signal_would() {
    let host = TempHost::start().await;
    let settings = "replicas = 1\nstop_by = \"node\"\n[variables]\nIGNORE_SIGTERM = \"1\"";
    let app = host.app("beacon", settings);
    app.deploy("beacon-base", Phase::Committed).await;
    app.wait_for("it is linked", |app| nodes(app).iter().any(|it| it.connected.is_some())).await;
    let granted = app.api.stop(&app.name).await.unwrap();
    let detail = app.ends(granted, Phase::Committed).await;
    let log = testkit::app::log(&detail);
    assert!(!log.contains("was killed"), "{log}");
    let said = fs_err::read_to_string(host.path(format!("var/log/bellrock/{0}/{0}-1-stdout.log", app.name)));
    let said = said.unwrap();
    let wanted = ["beacon 1.0.0: drained, ", "beacon 1.0.0: stopped"];
    assert!(wanted.iter().all(|line| said.contains(line)), "{said}");
    assert!(app.api.exits(&app.name).await.unwrap().is_empty(), "an end that was asked for is no crash");
}

#[tokio::test]
async fn a_node_that_cannot_be_asked_is_stopped_by_a_signal() {
    let host = TempHost::start().await;
    let flags = "[variables]\nERL_AFLAGS = \"-kernel start_distribution false\"";
    let app = host.app("beacon", &format!("replicas = 1\nstop_by = \"node\"\n{flags}"));
    app.deploy("beacon-base", Phase::Committed).await;
    let granted = app.api.stop(&app.name).await.unwrap();
    let detail = app.ends(granted, Phase::Committed).await;
    assert!(!testkit::app::log(&detail).contains("was killed"), "{detail:?}");
    assert!(app.api.exits(&app.name).await.unwrap().is_empty());
}
