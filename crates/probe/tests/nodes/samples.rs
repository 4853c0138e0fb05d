//! Facts and samples.

use std::time::Duration;

use beam::Term;
use probe::{Probe, ProbeError, SamplePlan};
use testkit::nodes::{SOON, World, eval, up};
use testkit::wait_for;

#[tokio::test]
async fn a_node_says_who_it_is_also_after_it_was_started_again() {
    let world = World::new().await;
    let (mut running, node) = world.connected("facts", &["+S", "3:2"]).await;
    let probe = Probe::new(node.clone());
    let facts = probe.facts(SOON).await.unwrap();
    let first = up(&node).await;
    assert_eq!((facts.otp, facts.erts), (first.identity.otp.clone(), first.identity.erts.clone()));
    assert_eq!((&*facts.node, facts.os_pid), ("facts@localhost", first.identity.os_pid));
    assert_eq!((facts.schedulers, facts.elixir), (2, None));
    let later = probe.facts(SOON).await.unwrap();
    assert!(later.uptime >= facts.uptime, "{later:?}");
    // what the first node has parsed is not used any more
    running.kill();
    let _running = world
        .start("facts", &["-pa", "/usr/lib/elixir/lib/elixir/ebin", "-eval", "application:load(elixir)"]);
    let again = wait_for("the other one answers", SOON, async || {
        let facts = probe.facts(SOON).await.ok()?;
        (facts.os_pid != first.identity.os_pid && facts.elixir.is_some()).then_some(facts)
    });
    assert!(again.await.elixir.unwrap().starts_with("1."));
}

#[tokio::test]
async fn a_node_that_is_not_there_is_no_answer() {
    let world = World::new().await;
    let probe = Probe::new(world.open(world.target("nobody")));
    let error = probe.facts(SOON).await.unwrap_err();
    assert!(matches!(error, ProbeError::Prepare { .. }), "{error:?}");
}

#[tokio::test]
async fn a_sample_tells_numbers_and_limits() {
    let world = World::new().await;
    let (_running, node) = world.connected("sample", &["+P", "4096", "+t", "300000"]).await;
    let (_other, _) = world.connected("neighbour", &[]).await;
    eval(&node, "net_kernel:connect_node('neighbour@localhost')").await;
    let probe = Probe::new(node.clone());
    let before = probe.sample(&SamplePlan::default(), SOON).await.unwrap();
    assert_eq!((before.atoms.limit, before.processes.limit), (300_000, 4096));
    assert!(before.atoms.count > 5000 && before.ports.count > 0 && before.ets_tables.count > 5, "{before:?}");
    assert_eq!((before.nodes.count, &before.nodes.names[..]), (1, &["neighbour@localhost".to_owned()][..]));
    assert_eq!(before.hidden_nodes.count, 1);
    assert_eq!((before.load.clone(), &before.mailboxes[..]), (None, &[][..]));
    assert!(before.processes_seen > 20, "{before:?}");
    let made = "[list_to_atom(\"made_\" ++ integer_to_list(N)) || N <- lists:seq(1, 2000)],
        
        Pids = [spawn(timer, sleep, [infinity]) || _ <- lists:seq(1, 1500)],
        [[P ! N || _ <- lists:seq(1, N)] || {P, N} <- lists:zip(lists:sublist(Pids, 9), lists:seq(1, 9))],
        register(full, lists:nth(9, Pids)), persistent_term:put(binary, binary:copy(<<7>>, 5000000))";
    eval(&node, made).await;
    let after = probe.sample(&SamplePlan { mailboxes: 3, ..SamplePlan::default() }, SOON).await.unwrap();
    assert!(after.atoms.count >= before.atoms.count + 2000, "{before:?} {after:?}");
    assert!(after.processes.count >= before.processes.count + 1400, "{before:?} {after:?}");
    assert!(after.processes.percent() >= 36, "{after:?}");
    let (memory, less) = (after.memory.unwrap(), before.memory.unwrap());
    assert!(memory.binary_bytes >= less.binary_bytes + 4_000_000, "{memory:?}");
    assert!(memory.total_bytes >= memory.processes_bytes + memory.binary_bytes, "{memory:?}");
    assert!(after.reductions > before.reductions);
    let mailboxes: Vec<_> =
        after.mailboxes.iter().map(|each| (each.name.as_deref(), each.messages)).collect();
    assert_eq!(mailboxes, [(Some("full"), 9), (None, 8), (None, 7)]);
    let none = SamplePlan { mailboxes: 0, nodes: 0, ..SamplePlan::default() };
    let none = probe.sample(&none, SOON).await.unwrap();
    assert_eq!((none.processes_seen, none.nodes.count, none.nodes.names.len()), (0, 1, 0));
}

#[tokio::test]
async fn load_is_measured_and_nothing_stays_on() {
    let world = World::new().await;
    let (_running, node) = world.connected("load", &["+S", "2:2"]).await;
    let probe = Probe::new(node.clone());
    eval(&node, "spawn(fun F() -> lists:seq(1, 1000), F() end)").await;
    let plan = SamplePlan { window: Duration::from_millis(200), ..SamplePlan::default() };
    // one of two schedulers is busy, as far as the machine lets it
    let load = wait_for("a load is seen", SOON, async || {
        let load = probe.sample(&plan, SOON).await.unwrap().load.unwrap();
        (load.mean() > 0.2).then_some(load)
    });
    let load = load.await;
    assert!(load.schedulers.len() == 2 && load.mean() <= 1.0, "{load:?}");
    assert!(load.window >= plan.window && load.reductions_per_sec > 10_000, "{load:?}");
    let off = async || eval(&node, "erlang:statistics(scheduler_wall_time)").await == Term::atom("undefined");
    wait_for("it is off again", SOON, async || off().await.then_some(())).await;
}
