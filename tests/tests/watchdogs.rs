//! Nodes that have too much of something.

use std::collections::BTreeMap;
use std::time::Duration;

use api::app::{App, Instance};
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
const SETTINGS: &str = "replicas = 3
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

/// The nodes that Bellrock is linked with, by instance.
fn linked(app: &App) -> BTreeMap<u64, String> {
    let node = |it: &Instance| {
        Some((it.instance, it.node.as_ref().filter(|it| it.connected.is_some())?.name.clone()))
    };
    app.instances.iter().filter_map(node).collect()
}

#[tokio::test]
async fn of_three_that_leak_one_is_restarted_and_no_other_nor_that_again_and_no_request_is_lost() {
    let host = TempHost::start().await;
    let app = host.app("beacon", SETTINGS);
    app.deploy("beacon-base", Phase::Committed).await;
    let before = linked(&app.wait_for("all nodes are linked", |app| linked(app).len() == 3).await);
    let weights = Weights { keep_alive: 90, new_connection: 10, ..Weights::none() };
    let plan = Plan::new(host.http(), 20, Duration::from_secs(600));
    let load = Load::start(Plan { app: Some("beacon".to_owned()), weights, ..plan }).unwrap();
    for node in before.values() {
        leak(&app, node).await;
    }
    let told = async |count: usize| {
        let alarms = async || Some(alarms(&app).await).filter(|it| it.len() == count);
        wait_for(format!("{count} alarms"), LONG, alarms).await
    };
    for alarm in told(3).await {
        assert!(alarm.text.contains(" processes of 2048 (9"), "{}", alarm.text);
    }
    let restarted = app.wait_for("one is replaced and the others stay", |app| {
        let now = linked(app);
        let stay = now.keys().filter(|id| before.contains_key(id)).count();
        (usize::from(app.ready), stay, now.len()) == (3, 2, 3) && app.deployment.is_none()
    });
    let now = linked(&restarted.await);
    let (_, fresh) = now.iter().find(|(id, _)| !before.contains_key(id)).unwrap();
    leak(&app, fresh).await;
    told(4).await;
    // looked at several times more, none is restarted or told again
    let refused = "the watchdog does not restart it now";
    wait_for("the daemon says why", LONG, async || host.daemon_log().contains(refused).then_some(())).await;
    load.end().await.assert_nothing_lost();
    let deployments = app.api.deployments(&app.name).await.unwrap();
    let by_watchdog: Vec<&By> =
        deployments.iter().filter(|it| it.kind == DeploymentKind::Restart).map(|it| &it.by).collect();
    let [By::Watchdog { reason }] = by_watchdog[..] else { panic!("{by_watchdog:?}") };
    assert!(reason.starts_with("exceeds with "), "{reason}");
    let after = app.state().await;
    assert_eq!((linked(&after), alarms(&app).await.len()), (now, 4));
    assert_eq!(after.instances.iter().map(|it| it.crashes).sum::<u64>(), 0, "no node came to its end");
}
