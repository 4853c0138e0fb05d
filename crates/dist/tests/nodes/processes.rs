//! Processes of ours among those of a node.

use beam::Term;
use beam::term::{Atom, Pid};
use dist::{Call, Capacity, Event, Mailbox, Node, SpawnError, Watched};

use crate::world::{SOON, World, eval, eval_with};

/// A process that does nothing until it is told to exit with a reason.
async fn sleeper(node: &Node) -> Pid {
    let pid = eval(node, "spawn(fun() -> receive {stop, R} -> exit(R) end end)").await;
    pid.as_pid().unwrap().clone()
}

fn stop(reason: &str) -> Term {
    Term::tuple([Term::atom("stop"), Term::atom(reason)])
}

async fn next(mailbox: &mut Mailbox) -> Event {
    tokio::time::timeout(SOON, mailbox.next()).await.expect("something is due")
}

async fn down(mailbox: &mut Mailbox) -> Term {
    match next(mailbox).await {
        Event::Down { reason, .. } => reason,
        other => panic!("an end is due, not {other:?}"),
    }
}

#[tokio::test]
async fn messages_go_both_ways() {
    let world = World::new().await;
    let (_running, node) = world.connected("messages", &[]).await;
    let mut mailbox = node.mailbox(Capacity::default()).unwrap();
    let echo = eval(&node, "spawn(fun() -> receive {From, M} -> From ! {back, M} end end)").await;
    let message = Term::tuple([mailbox.pid().into(), Term::string("hello")]);
    mailbox.send(echo.as_pid().unwrap(), &message).await.unwrap();
    let Event::Message(back) = next(&mut mailbox).await else { panic!("a message is due") };
    assert_eq!(back, Term::tuple([Term::atom("back"), Term::string("hello")]));
    eval(&node, "register(echo, spawn(fun() -> receive {From, M} -> From ! {named, M} end end))").await;
    let message = Term::tuple([mailbox.pid().into(), Term::Integer(1)]);
    mailbox.send_to_name("echo", &message).await.unwrap();
    let Event::Message(back) = next(&mut mailbox).await else { panic!("a message is due") };
    assert_eq!(back, Term::tuple([Term::atom("named"), Term::Integer(1)]));
}

#[tokio::test]
async fn what_is_monitored_is_told_when_it_ends() {
    let world = World::new().await;
    let (_running, node) = world.connected("monitors", &[]).await;
    let mut mailbox = node.mailbox(Capacity::default()).unwrap();
    let pid = sleeper(&node).await;
    mailbox.monitor(&Watched::Pid(pid.clone())).await.unwrap();
    mailbox.send(&pid, &stop("because")).await.unwrap();
    assert_eq!(down(&mut mailbox).await, Term::atom("because"));
    mailbox.monitor(&Watched::Pid(pid)).await.unwrap();
    assert_eq!(down(&mut mailbox).await, Term::atom("noproc"));
    mailbox.monitor(&Watched::Name(Atom::new("no_such"))).await.unwrap();
    assert_eq!(down(&mut mailbox).await, Term::atom("noproc"));

    let (kept, left) = (sleeper(&node).await, sleeper(&node).await);
    let monitor = mailbox.monitor(&Watched::Pid(left.clone())).await.unwrap();
    mailbox.demonitor(&monitor).await.unwrap();
    mailbox.monitor(&Watched::Pid(kept.clone())).await.unwrap();
    mailbox.send(&left, &stop("unseen")).await.unwrap();
    mailbox.send(&kept, &stop("seen")).await.unwrap();
    assert_eq!(down(&mut mailbox).await, Term::atom("seen"));
}

#[tokio::test]
async fn a_process_is_started_and_its_end_told() {
    let world = World::new().await;
    let (_running, node) = world.connected("spawns", &[]).await;
    let mut mailbox = node.mailbox(Capacity::default()).unwrap();
    let call = Call::new("erlang", "exit", [Term::list([Term::atom("reason")])]);
    let spawned = mailbox.spawn(&call, SOON).await.unwrap();
    match next(&mut mailbox).await {
        Event::Down { monitor, reason } => {
            assert_eq!(monitor, spawned.monitor);
            assert_eq!(reason, Term::list([Term::atom("reason")]));
        }
        other => panic!("an end is due, not {other:?}"),
    }
    let long = "m".repeat(300);
    let refused = mailbox.spawn(&Call::new(long, "f", []), SOON).await.unwrap_err();
    assert!(matches!(refused, SpawnError::Call(dist::CallError::Encode(..))), "{refused:?}");
    let undefined = mailbox.spawn(&Call::new("no_such", "function", []), SOON).await.unwrap();
    assert_eq!(undefined.pid.node.as_str(), "spawns@localhost");
    assert!(format!("{:?}", down(&mut mailbox).await).contains("undef"));
}

#[tokio::test]
async fn a_mailbox_with_thousands_of_ties_ends_and_the_connection_stays() {
    let world = World::new().await;
    let (_running, node) = world.connected("ties", &[]).await;
    let mut other = node.mailbox(Capacity::default()).unwrap();
    let mailbox = node.mailbox(Capacity::default()).unwrap();
    let pid = sleeper(&node).await;
    for _ in 0..20_000 {
        mailbox.monitor(&Watched::Pid(pid.clone())).await.unwrap();
    }
    mailbox.link(&pid).await.unwrap();
    other.monitor(&Watched::Pid(pid.clone())).await.unwrap();
    drop(mailbox);
    // it was linked and does not trap exits of reason normal, so that it lives on, watched by the other only
    let watchers = "{monitored_by, Ps} = process_info(P, monitored_by), length(Ps)";
    assert_eq!(eval_with(&node, watchers, [("P", pid.clone().into())]).await, Term::Integer(1));
    other.send(&pid, &stop("seen")).await.unwrap();
    assert_eq!(down(&mut other).await, Term::atom("seen"), "the connection is the same");
}

#[tokio::test]
async fn a_process_that_starts_too_late_is_not_monitored() {
    let world = World::new().await;
    let (_running, node) = world.connected("late", &[]).await;
    let mailbox = node.mailbox(Capacity::default()).unwrap();
    let call = Call::new("timer", "sleep", [Term::atom("infinity")]);
    // asked once, which sends it, and given up before the answer can be read
    tokio::select! {
        biased;
        started = mailbox.spawn(&call, SOON) => panic!("nobody read {started:?}"),
        () = std::future::ready(()) => {}
    }
    let started = "[process_info(P, monitored_by) || P <- processes(),
        {current_function, {timer, sleep, 1}} <- [process_info(P, current_function)]]";
    let unwatched = Term::list([Term::tuple([Term::atom("monitored_by"), Term::list([])])]);
    testkit::wait_for("it is not monitored", SOON, async || {
        (eval(&node, started).await == unwatched).then_some(())
    })
    .await;
}

#[tokio::test]
async fn links_work_both_ways() {
    let world = World::new().await;
    let (_running, node) = world.connected("links", &[]).await;
    let mut mailbox = node.mailbox(Capacity::default()).unwrap();
    let (linked, unlinked) = (sleeper(&node).await, sleeper(&node).await);
    mailbox.link(&unlinked).await.unwrap();
    mailbox.unlink(&unlinked).await.unwrap();
    mailbox.send(&unlinked, &stop("unseen")).await.unwrap();
    mailbox.link(&linked).await.unwrap();
    mailbox.send(&linked, &stop("seen")).await.unwrap();
    match next(&mut mailbox).await {
        Event::Exit { from, reason } => assert_eq!((from, reason), (linked, Term::atom("seen"))),
        other => panic!("an exit is due, not {other:?}"),
    }
    // unlink/1 waits for nothing, but a link after it needs the acknowledgement
    let links = eval_with(
        &node,
        "link(P), unlink(P), link(P), unlink(P), {links, []} =:= process_info(self(), links)",
        [("P", mailbox.pid().into())],
    );
    assert_eq!(links.await, Term::atom("true"));
}

#[tokio::test]
async fn who_monitors_or_is_linked_with_a_mailbox_learns_of_its_end() {
    let world = World::new().await;
    let (_running, node) = world.connected("ends", &[]).await;
    let mut other = node.mailbox(Capacity::default()).unwrap();
    let mailbox = node.mailbox(Capacity::default()).unwrap();
    let watch =
        "spawn(fun() -> process_flag(trap_exit, true), erlang:monitor(process, P), link(P), O ! ready,
        receive {'DOWN', _, process, P, D} -> receive {'EXIT', P, E} -> O ! {D, E} end end end)";
    eval_with(&node, watch, [("P", mailbox.pid().into()), ("O", other.pid().into())]).await;
    assert!(matches!(next(&mut other).await, Event::Message(_)));
    // both signals of the watcher are here once its message is
    let gone = mailbox.pid();
    drop(mailbox);
    let Event::Message(told) = next(&mut other).await else { panic!("a message is due") };
    assert_eq!(told, Term::tuple([Term::atom("normal"), Term::atom("normal")]));
    let missing = "M = erlang:monitor(process, P), receive {'DOWN', M, _, _, R} -> R end";
    assert_eq!(eval_with(&node, missing, [("P", gone.into())]).await, Term::atom("noproc"));
    let call = "{'EXIT', {R, _}} = (catch gen_server:call({net_kernel, N}, hello)), element(1, {R})";
    let why = eval_with(&node, call, [("N", Term::Atom(other.pid().node))]).await;
    assert_eq!(why, Term::atom("noproc"), "nobody hangs for want of a server here");
}

#[tokio::test]
async fn a_full_mailbox_says_what_it_dropped() {
    let world = World::new().await;
    let (_running, node) = world.connected("full", &[]).await;
    let mut mailbox = node.mailbox(Capacity { events: 10, ..Capacity::default() }).unwrap();
    eval_with(&node, "[P ! N || N <- lists:seq(1, 100)], ok", [("P", mailbox.pid().into())]).await;
    // the answer to this comes after all of them
    let Event::Dropped(dropped) = next(&mut mailbox).await else { panic!("it says nothing") };
    assert_eq!(dropped.events, 90);
    for expected in 91..=100 {
        let Event::Message(number) = next(&mut mailbox).await else { panic!("a message is due") };
        assert_eq!(number, Term::Integer(expected));
    }
}
