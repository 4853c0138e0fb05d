//! Connections that come, end and come back.

use std::time::Duration;

use beam::Term;
use dist::{
    Address, Call, CallError, Capacity, ConnectError, Cookie, Down, Event, HandshakeError, LinkEnd, Node,
    OwnName, Status,
};
use rustix::process::Signal;
use testkit::wait_for;

use crate::world::{SOON, World, erlang, eval, free_port, local, up};

/// The error that the connection is not there for.
async fn why_not(node: &Node) -> std::sync::Arc<Down> {
    let mut status = node.status();
    let down = status.wait_for(|status| matches!(status, Status::Down(_)));
    let down = tokio::time::timeout(SOON, down).await.expect("it does not connect").unwrap().clone();
    match down {
        Status::Down(down) => down,
        other => panic!("{other:?}"),
    }
}

fn text(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[tokio::test]
async fn a_killed_node_is_seen_at_once_and_found_again() {
    let world = World::new().await;
    let (mut running, node) = world.connected("killed", &[]).await;
    let before = up(&node).await.identity.clone();
    let mut mailbox = node.mailbox(Capacity::default()).unwrap();
    let waits = node.clone();
    let call = tokio::spawn(async move {
        waits.call(&Call::new("timer", "sleep", [Term::atom("infinity")]), SOON).await
    });
    // the call is on its way
    eval(&node, "ok").await;
    running.kill();
    let pending = call.await.unwrap().unwrap_err();
    assert!(matches!(pending, CallError::NodeDown(..)), "{pending:?}");
    let last = tokio::time::timeout(SOON, mailbox.next()).await.unwrap();
    assert!(matches!(last, Event::NodeDown(_)), "{last:?}");
    why_not(&node).await;
    let refused = node.call(&Call::new("erlang", "node", []), SOON).await.unwrap_err();
    assert!(matches!(refused, CallError::NotConnected { .. }), "{refused:?}");
    let _running = world.start("killed", &[]);
    let after = up(&node).await.identity.clone();
    assert_ne!(before.os_pid, after.os_pid);
    assert_eq!(erlang(&node, "node").await, Term::atom("killed@localhost"));
}

#[tokio::test]
async fn a_ping_finds_us_and_leaves_the_connection() {
    let world = World::new().await;
    let (_running, node) = world.connected("pings", &[]).await;
    let before = up(&node).await;
    let own_name = Term::atom(before.own_name.as_str());
    for _ in 0..3 {
        let ping = Call::new("net_adm", "ping", [own_name.clone()]);
        assert_eq!(node.call(&ping, SOON).await.unwrap(), Term::atom("pong"));
    }
    assert!(std::sync::Arc::ptr_eq(&before, &up(&node).await), "it is the same connection");
}

#[tokio::test]
async fn who_is_not_the_node_that_was_meant_is_left_alone() {
    let world = World::new().await;
    let mut running = world.start("meant", &[]);
    let first = world.open(world.target("meant"));
    let meant = up(&first).await.identity.os_pid;
    drop(first);
    let admit = move |node: &dist::Identity| match node.os_pid == meant {
        true => Ok(()),
        false => Err("it is a stranger".to_owned()),
    };
    let admit = std::sync::Arc::new(admit);
    let node = Node::open_if(world.target("meant"), admit, &world.tasks, &world.stop);
    up(&node).await;
    running.kill();
    why_not(&node).await;
    let _stranger = world.start("meant", &[]);
    let told = wait_for("the stranger is refused", SOON, async || match &*node.status().borrow() {
        Status::Down(down) if text(&**down).contains("stranger") => Some(text(&**down)),
        Status::Up(up) => panic!("connected with {:?}", up.identity),
        _ => None,
    });
    assert_eq!(
        told.await,
        "could not connect: what answers to its name is not taken for it: it is a stranger"
    );
    assert!(matches!(
        node.call(&Call::new("erlang", "node", []), SOON).await,
        Err(CallError::NotConnected { .. })
    ));
}

#[tokio::test]
async fn a_node_that_restarts_itself_is_another() {
    let world = World::new().await;
    let (_running, node) = world.connected("restarts", &[]).await;
    let before = up(&node).await;
    let _ = node.cast(&Call::new("init", "restart", []), SOON).await;
    let after = wait_for("it is another", SOON, async || {
        let up = node.up(SOON).await?;
        (up.identity.creation != before.identity.creation).then_some(up)
    });
    let after = after.await;
    assert_eq!(after.identity.os_pid, before.identity.os_pid, "its process stays");
    assert_eq!(erlang(&node, "node").await, Term::atom("restarts@localhost"));
}

#[tokio::test]
async fn a_node_that_falls_silent_is_given_up() {
    let world = World::new().await;
    let (running, node) = world.connected("silent", &["-kernel", "net_ticktime", "4"]).await;
    assert_eq!(up(&node).await.identity.ticktime_secs, 4);
    running.signal(Signal::STOP);
    let why = why_not(&node).await;
    assert!(matches!(&*why, Down::Ended(end) if matches!(**end, LinkEnd::Silent(_))), "{why:?}");
    running.signal(Signal::CONT);
    assert_eq!(eval(&node_up(&node).await, "ok").await, Term::atom("ok"));
}

async fn node_up(node: &Node) -> Node {
    up(node).await;
    node.clone()
}

#[tokio::test]
async fn an_idle_connection_lives_on_by_ticks() {
    let world = World::new().await;
    let (_running, node) = world.connected("idle", &["-kernel", "net_ticktime", "4"]).await;
    let before = up(&node).await;
    // longer than the node and we bear silence; nothing else is sent meanwhile
    let slept = node.call(&Call::new("timer", "sleep", [Term::Integer(7000)]), SOON).await;
    assert_eq!(slept.unwrap(), Term::atom("ok"));
    assert!(std::sync::Arc::ptr_eq(&before, &up(&node).await), "it is the same connection");
}

#[tokio::test]
async fn a_wrong_cookie_is_told_and_never_shown() {
    let world = World::new().await;
    let (_running, _node) = world.connected("cookie", &[]).await;
    let mut target = world.target("cookie");
    target.cookie = Cookie::new("not_that_one").unwrap();
    assert!(!format!("{target:?}").contains("not_that_one"));
    let why = why_not(&world.open(target)).await;
    let Down::Connect(ConnectError::Handshake { source: HandshakeError::CookieRefused(_), .. }) = &*why
    else {
        panic!("{why:?}");
    };
    assert!(text(&*why).contains("cookie") && !text(&*why).contains("not_that_one"), "{}", text(&*why));
}

#[tokio::test]
async fn a_name_that_is_taken_is_left_to_its_owner() {
    let world = World::new().await;
    let (_running, node) = world.connected("taken", &[]).await;
    let mut target = world.target("taken");
    target.own_name = OwnName::Fixed(up(&node).await.own_name.clone());
    let why = why_not(&world.open(target)).await;
    let Down::Connect(ConnectError::Handshake { source: HandshakeError::NameTaken(_), .. }) = &*why else {
        panic!("{why:?}");
    };
    assert_eq!(erlang(&node, "node").await, Term::atom("taken@localhost"), "the owner has it");
}

#[tokio::test]
async fn a_node_gives_us_a_name() {
    let world = World::new().await;
    let running = world.start("names", &[]);
    let mut target = world.target("names");
    target.own_name = OwnName::Dynamic { host: "localhost".to_owned() };
    let node = world.open(target);
    let name = up(&node).await.own_name.clone();
    assert_eq!(name.host(), "localhost");
    let hidden = eval(&node, "nodes(hidden)").await;
    assert_eq!(hidden, Term::list([Term::atom(name.as_str())]));
    drop(running);
}

#[tokio::test]
async fn a_node_without_epmd_is_reached_by_its_port() {
    let mut world = World::new().await;
    world.kill_epmd();
    let port = free_port();
    let running = world.start("portonly", &["-erl_epmd_port", &port.to_string()]);
    let mut target = world.target("portonly");
    target.address = Address::Port(local(port));
    let node = world.open(target);
    up(&node).await;
    assert_eq!(erlang(&node, "node").await, Term::atom("portonly@localhost"));
    drop(running);
}

#[tokio::test]
async fn another_node_than_the_one_looked_for_is_refused() {
    let world = World::new().await;
    let (_running, _node) = world.connected("found", &[]).await;
    let found = dist::epmd::port_please(&world.epmd, "found", SOON).await.unwrap();
    let mut target = world.target("sought");
    let why = why_not(&world.open(target.clone())).await;
    assert!(text(&*why).contains("knows no node named \"sought\""), "{}", text(&*why));
    target.address = Address::Port(local(found.port));
    let why = why_not(&world.open(target)).await;
    let Down::Connect(ConnectError::Handshake { source: HandshakeError::OtherNode { .. }, .. }) = &*why
    else {
        panic!("{why:?}");
    };
    let names = dist::epmd::names(&world.epmd, SOON).await.unwrap();
    assert_eq!(names.iter().map(|each| each.name.as_str()).collect::<Vec<_>>(), ["found"]);
}

#[tokio::test]
async fn three_hundred_connections_live_side_by_side() {
    let world = World::new().await;
    let (_running, first) = world.connected("crowd", &[]).await;
    let nodes: Vec<_> = (0..300).map(|_| world.open(world.target("crowd"))).collect();
    for node in &nodes {
        up(node).await;
    }
    assert_eq!(eval(&first, "length(nodes(hidden))").await, Term::Integer(301));
    let mut calls = tokio::task::JoinSet::new();
    for node in &nodes {
        let node = node.clone();
        calls.spawn(async move { erlang(&node, "node").await });
    }
    while let Some(answer) = calls.join_next().await {
        assert_eq!(answer.unwrap(), Term::atom("crowd@localhost"));
    }
    drop(nodes);
    wait_for("they leave with their handles", SOON, async || {
        (eval(&first, "length(nodes(hidden))").await == Term::Integer(1)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_actor_ends_with_its_tasks() {
    let world = World::new().await;
    let (_running, node) = world.connected("stops", &[]).await;
    world.stop.cancel();
    world.tasks.close();
    tokio::time::timeout(SOON, world.tasks.wait()).await.expect("all tasks end");
    assert!(matches!(&*node.status().borrow(), Status::Down(down) if matches!(**down, Down::Stopped)));
    assert!(node.up(Duration::from_secs(1)).await.is_none());
}
