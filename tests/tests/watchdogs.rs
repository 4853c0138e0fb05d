//! Nodes that have too much of something.

use std::time::Duration;

use api::deployment::DeploymentKind;
use api::deployment::Phase;
use api::event::{Event, Level};
use api::version::By;
use beam::Term;
use beam::term::{Atom, Export};
use dist::Call;
use testkit::load::{Load, Plan, Weights};
use testkit::wait::LONG;
use testkit::{TempHost, TestApp, wait_for};

use crate::links::ask;

/// A limit of 2048 processes, of which a node has some 100 by itself.
const SETTINGS: &str = "replicas = 2
    watch_window = '0 s'
    variables = { ERL_FLAGS = '+P 2048' }
    watchdog = { every = '1 s', restart_every = '1 day' }";

/// Has the node of a place start processes that do nothing, 1800 of them.
async fn leak(app: &TestApp<'_>, node: &str) {
    let spawn = Export { module: Atom::new("erlang"), function: Atom::new("spawn"), arity: 3 };
    let each = |term: Term| Term::list(std::iter::repeat_n(term, 1800));
    let sleep = [Term::atom("timer"), Term::atom("sleep"), Term::list([Term::atom("infinity")])];
    let arguments = [Term::Export(Box::new(spawn))].into_iter().chain(sleep.map(each));
    ask(app.host, &app.name, node, Call::new("lists", "zipwith3", arguments)).await;
}

async fn alarms(app: &TestApp<'_>) -> Vec<Event> {
    let events = app.api.events(&app.name).await.unwrap();
    events.into_iter().filter(|it| it.level == Level::Alarm && it.text.contains("exceeds with")).collect()
}

#[tokio::test]
async fn of_two_that_leak_one_is_restarted_before_its_end_and_no_request_is_lost() {
    let host = TempHost::start().await;
    let app = host.app("beacon", SETTINGS);
    app.deploy("beacon-base", Phase::Committed).await;
    let linked = |app: &api::app::App| {
        let nodes = app.instances.iter().filter_map(|it| it.node.as_ref());
        nodes.filter(|it| it.connected.is_some()).count() == 2
    };
    let state = app.wait_for("both nodes are linked", linked).await;
    let weights = Weights { keep_alive: 90, new_connection: 10, ..Weights::none() };
    let plan = Plan::new(host.http(), 20, Duration::from_secs(600));
    let load = Load::start(Plan { app: Some("beacon".to_owned()), weights, ..plan }).unwrap();
    for instance in &state.instances {
        leak(&app, &instance.node.as_ref().unwrap().name).await;
    }
    let alarms = wait_for("both are told", LONG, async || {
        let alarms = alarms(&app).await;
        (alarms.len() == 2).then_some(alarms)
    });
    for alarm in alarms.await {
        assert!(alarm.text.contains(" processes of 2048 (9"), "{}", alarm.text);
    }
    let restarted = app.wait_for("one is replaced and the other one stays", |app| {
        let same = |it: &api::app::Instance| state.instances.iter().any(|old| old.instance == it.instance);
        let stay = app.instances.iter().filter(|it| same(it)).count();
        usize::from(app.ready) == 2 && app.deployment.is_none() && stay == 1
    });
    assert_eq!(restarted.await.instances.len(), 2);
    load.end().await.assert_nothing_lost();
    // looked at several times more, it is neither restarted nor told again
    let refused = "the watchdog does not restart it now";
    wait_for("the daemon says why", LONG, async || host.daemon_log().contains(refused).then_some(())).await;
    let deployments = app.api.deployments(&app.name).await.unwrap();
    let by_watchdog: Vec<&By> =
        deployments.iter().filter(|it| it.kind == DeploymentKind::Restart).map(|it| &it.by).collect();
    let [By::Watchdog { reason }] = by_watchdog[..] else { panic!("{by_watchdog:?}") };
    assert!(reason.starts_with("exceeds with "), "{reason}");
    let exits: u64 = app.state().await.instances.iter().map(|it| it.crashes).sum();
    assert_eq!(exits, 0, "no node came to its end");
}
