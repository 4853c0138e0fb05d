//! One process.

use beam::Term;
use probe::{InfoPlan, Probe, ProbeError};
use testkit::nodes::{SOON, World, eval};

#[tokio::test]
async fn a_process_is_told_without_its_messages() {
    let world = World::new().await;
    let (_running, node) = world.connected("info", &[]).await;
    let probe = Probe::new(node.clone());
    let made = "P = proc_lib:spawn(fun() ->
            put(secret, lists:duplicate(1000, x)), process_flag(trap_exit, true),
            [spawn_link(timer, sleep, [infinity]) || _ <- lists:seq(1, 5)],
            erlang:monitor(process, kernel_sup), receive never -> ok end end),
        register('Elixir.My.Repo', P), [P ! {message, N} || N <- lists:seq(1, 4)], pid_to_list(P)";
    let pid = eval(&node, made).await.as_text().unwrap();
    let plan = InfoPlan { most: 3, chars: 40, messages: 0 };
    let info = testkit::wait_for("it has begun", SOON, async || {
        let info = probe.info(&pid, &plan, SOON).await.unwrap();
        (info.monitors.count == 1).then_some(info)
    });
    let info = info.await;
    assert_eq!((&*info.pid, info.name.as_deref()), (&*pid, Some("Elixir.My.Repo")));
    assert_eq!((info.links.count, info.links.some.len(), info.traps_exits), (5, 3, true));
    assert!(info.monitors.some[0].contains("kernel_sup"), "{info:?}");
    assert_eq!((info.messages, &info.queue), (4, &None));
    assert_eq!((&*info.status, &*info.priority), ("waiting", "normal"));
    assert!(
        info.stack.iter().any(|frame| frame.function.module == "proc_lib" && frame.line.is_some()),
        "{info:?}"
    );
    let dictionary = info.dictionary.as_ref().unwrap();
    let (_, value) = dictionary.some.iter().find(|(key, _)| key == "secret").unwrap();
    assert!(value.starts_with("[x,x") && value.chars().count() <= 45, "{value}");
    assert_eq!(info.initial_call.as_ref().unwrap().module, "erl_eval");
    let messages = InfoPlan { messages: 2, ..plan };
    for name in ["Elixir.My.Repo", "My.Repo", &format!("#PID{pid}")] {
        let info = probe.info(name, &messages, SOON).await.unwrap();
        assert_eq!(info.queue.unwrap(), ["{message,1}", "{message,2}"]);
    }
    // all of a large dictionary would be copied
    let large =
        "P = spawn(fun() -> put(large, lists:seq(1, 300000)), receive never -> ok end end), pid_to_list(P)";
    let large = eval(&node, large).await.as_text().unwrap();
    testkit::wait_for("it is large", SOON, async || {
        let info = probe.info(&large, &plan, SOON).await.unwrap();
        (info.dictionary.is_none() && info.heap_bytes > 1_000_000).then_some(())
    })
    .await;
}

#[tokio::test]
async fn who_is_not_there_is_told_and_no_atom_is_made() {
    let world = World::new().await;
    let (_running, node) = world.connected("noinfo", &[]).await;
    let probe = Probe::new(node.clone());
    for nobody in ["no_such_process", "<0.99999.0>", "<nonsense", "<7.1.0>", "", "#PID<>"] {
        let error = probe.info(nobody, &InfoPlan::default(), SOON).await.unwrap_err();
        assert!(matches!(&error, ProbeError::NoProcess(name) if name == nobody), "{nobody}: {error:?}");
    }
    let no_atom = "try binary_to_existing_atom(<<\"no_such_process\">>) catch error:badarg -> none end";
    assert_eq!(eval(&node, no_atom).await, Term::atom("none"));
}
