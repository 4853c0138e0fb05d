//! The busiest processes, among very many.

use std::time::Duration;

use probe::{By, Probe, Top, TopPlan};
use testkit::nodes::{SOON, World, eval};
use testkit::wait_for;

/// As many as take no memory worth mentioning.
const IDLE: u64 = 100_000;

fn plan(by: By) -> TopPlan {
    TopPlan { by, most: 10, window: Duration::ZERO, looking: SOON }
}

fn names(top: &Top) -> Vec<&str> {
    top.processes.iter().filter_map(|process| process.name.as_deref()).collect()
}

#[tokio::test]
async fn they_are_found_among_very_many() {
    let world = World::new().await;
    let (_running, node) = world.connected("top", &[]).await;
    let probe = Probe::new(node.clone());
    let made = format!(
        "[spawn(erlang, hibernate, [erlang, node, []]) || _ <- lists:seq(1, {IDLE})],
        register(fat, spawn(fun() -> L = lists:seq(1, 1000000), receive never -> L end end)),
        [begin P = spawn(timer, sleep, [infinity]), [P ! N || _ <- lists:seq(1, N)], register(Name, P) end ||
            {{Name, N}} <- [{{twenty, 20}}, {{thirty, 30}}, {{ten, 10}}]],
        register(worker, proc_lib:spawn(fun F() -> lists:seq(1, 1000), F() end)), ok"
    );
    eval(&node, &made).await;
    let mailboxes = probe.top(&plan(By::Mailbox), SOON).await.unwrap();
    assert_eq!(names(&mailboxes), ["thirty", "twenty", "ten"]);
    let lengths: Vec<_> = mailboxes.processes.iter().map(|each| (each.number, each.messages)).collect();
    assert_eq!(lengths, [(30, 30), (20, 20), (10, 10)]);
    assert_eq!(mailboxes.processes[0].initial_call.as_ref().unwrap().to_string(), "timer:sleep/1");
    assert!(mailboxes.seen > IDLE && mailboxes.count > IDLE, "{} {}", mailboxes.seen, mailboxes.count);
    wait_for("the fat one is fat", SOON, async || {
        let memory = probe.top(&plan(By::Memory), SOON).await.unwrap();
        let [first, second, ..] = &memory.processes[..] else { panic!("{memory:?}") };
        assert_eq!(memory.processes.len(), 10);
        assert!(first.memory_bytes >= second.memory_bytes, "{memory:?}");
        (first.name.as_deref() == Some("fat") && first.memory_bytes > 16_000_000).then_some(())
    })
    .await;
    let rising = TopPlan { window: Duration::from_millis(200), ..plan(By::Reductions) };
    wait_for("the worker works most", SOON, async || {
        let rising = probe.top(&rising, SOON).await.unwrap();
        assert!(rising.seen > IDLE, "{}", rising.seen);
        (names(&rising).first() == Some(&"worker")).then_some(())
    })
    .await;
    let most = probe.top(&plan(By::Reductions), SOON).await.unwrap();
    assert_eq!(most.processes.len(), 10);
    assert!(most.processes.is_sorted_by(|a, b| a.number >= b.number), "{most:?}");
    let worker = most.processes.iter().find(|each| each.name.as_deref() == Some("worker"));
    // a process of proc_lib tells what it was begun with
    assert_eq!(worker.unwrap().initial_call.as_ref().unwrap().module, "erl_eval");
}

#[tokio::test]
async fn looking_ends_with_its_time() {
    let world = World::new().await;
    let (_running, node) = world.connected("late", &[]).await;
    let probe = Probe::new(node.clone());
    for window in [Duration::ZERO, Duration::from_millis(1)] {
        let none = TopPlan { looking: Duration::ZERO, window, ..plan(By::Memory) };
        let none = probe.top(&none, SOON).await.unwrap();
        assert_eq!((none.processes.len(), none.seen), (0, 0));
        assert!(none.count > 20, "{none:?}");
    }
}
