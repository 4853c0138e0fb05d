//! Tracing calls in a node.

use std::time::Duration;

use beam::Term;
use dist::{Node, Trace, TraceEnd, TraceError, TraceEvent, TracePlan, Traced, TracedKind};
use testkit::wait_for;

use crate::world::{SOON, World, eval, up};

fn plan(limit: u32) -> TracePlan {
    TracePlan {
        module: "lists".to_owned(),
        function: "seq".to_owned(),
        arity: Some(2),
        returns: true,
        limit,
        lasting: SOON,
    }
}

async fn next(trace: &mut Trace) -> TraceEvent {
    tokio::time::timeout(SOON, trace.next()).await.expect("something is due").expect("it has not ended")
}

async fn traced(trace: &mut Trace) -> Traced {
    loop {
        match next(trace).await {
            TraceEvent::Traced(traced) => return traced,
            TraceEvent::Paused => {}
            other => panic!("something traced is due, not {other:?}"),
        }
    }
}

/// Calls what is traced, all the time.
async fn call_for_ever(node: &Node) {
    eval(node, "spawn(fun F() -> lists:seq(1, 3), F() end), ok").await;
}

/// Nothing is traced, and no tracer is there.
async fn is_clean(node: &Node) -> Option<()> {
    let text = "_ = code:ensure_loaded(trace),
        {whereis(bellrock_tracer), erlang:trace_info({lists, seq, 2}, traced),
        [P || P <- processes(), {flags, [_ | _]} <- [erlang:trace_info(P, flags)]],
        [S || erlang:function_exported(trace, session_info, 1), S <- trace:session_info({lists, seq, 2})]}";
    let untraced = Term::tuple([Term::atom("traced"), Term::atom("false")]);
    let clean = [Term::atom("undefined"), untraced, Term::list([]), Term::list([])];
    (eval(node, text).await == Term::tuple(clean)).then_some(())
}

#[tokio::test]
async fn calls_and_results_are_told_until_the_limit() {
    let world = World::new().await;
    let (_running, node) = world.connected("traced", &[]).await;
    let mut trace = node.trace(&plan(50), SOON).await.unwrap();
    assert_eq!(trace.matched(), 1);
    call_for_ever(&node).await;
    let call = traced(&mut trace).await;
    assert_eq!((call.kind, &*call.function, &*call.text), (TracedKind::Call, "lists:seq/2", "{1,3}"));
    let result = traced(&mut trace).await;
    assert_eq!((result.kind, &*result.text), (TracedKind::Return, "[1,2,3]"));
    assert!(call.at_us <= result.at_us && call.at_us > 1_500_000_000_000_000, "{}", call.at_us);
    let mut count = 2;
    let end = loop {
        match next(&mut trace).await {
            TraceEvent::Traced(_) => count += 1,
            TraceEvent::Paused => {}
            TraceEvent::Ended(end) => break end,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!((count, end), (50, TraceEnd::Limit));
    assert!(trace.next().await.is_none());
    is_clean(&node).await.expect("its end is told when all is undone");
}

#[tokio::test]
async fn a_trace_ends_with_its_time_when_asked_and_when_dropped() {
    let world = World::new().await;
    let (_running, node) = world.connected("ending", &[]).await;
    let mut short = TracePlan { lasting: Duration::from_millis(100), ..plan(10) };
    short.returns = false;
    let mut trace = node.trace(&short, SOON).await.unwrap();
    assert_eq!(next(&mut trace).await, TraceEvent::Ended(TraceEnd::Over));
    let mut trace = node.trace(&plan(10), SOON).await.unwrap();
    let busy = node.trace(&plan(10), SOON).await.unwrap_err();
    assert!(matches!(busy, TraceError::Busy), "{busy:?}");
    trace.stop().await.unwrap();
    assert_eq!(next(&mut trace).await, TraceEvent::Ended(TraceEnd::Stopped));
    drop(node.trace(&plan(10), SOON).await.unwrap());
    wait_for("the tracer is gone", SOON, async || is_clean(&node).await).await;
    let unknown = TracePlan { function: "no_such".to_owned(), ..plan(1) };
    let unknown = node.trace(&unknown, SOON).await.unwrap_err();
    assert!(matches!(unknown, TraceError::NoFunction(_)), "{unknown:?}");
    for wild in
        [TracePlan { module: "_".to_owned(), ..plan(1) }, TracePlan { function: "_".to_owned(), ..plan(1) }]
    {
        let refused = node.trace(&wild, SOON).await.unwrap_err();
        assert!(matches!(refused, TraceError::NoFunction(_)), "{refused:?}");
    }
    is_clean(&node).await.expect("nothing was left on");
    let mut killed = node.trace(&plan(10), SOON).await.unwrap();
    eval(&node, "exit(whereis(bellrock_tracer), kill)").await;
    assert!(matches!(next(&mut killed).await, TraceEvent::Ended(TraceEnd::Lost(_))));
    wait_for("what it set is taken back", SOON, async || is_clean(&node).await).await;
}

/// From OTP 27 on; before, a node has one tracer.
#[tokio::test]
async fn somebody_elses_trace_is_left_alone() {
    let world = World::new().await;
    let (_running, node) = world.connected("others", &[]).await;
    let others = "Other = spawn(fun() -> receive stop -> ok end end),
        Pattern = erlang:trace_pattern({lists, seq, 2}, [{'_', [], []}], [local]),
        {Pattern, erlang:trace(all, true, [call, {tracer, Other}]) > 0}";
    let began = Term::tuple([Term::Integer(1), Term::atom("true")]);
    assert_eq!(eval(&node, others).await, began);
    let is_traced = "erlang:trace_info({lists, seq, 2}, traced) =:= {traced, local}";
    assert_eq!(eval(&node, is_traced).await, Term::atom("true"));
    let mut trace = node.trace(&plan(2), SOON).await.unwrap();
    let otp: u32 = up(&node).await.identity.otp.parse().unwrap();
    if otp >= 27 {
        call_for_ever(&node).await;
        assert_eq!(traced(&mut trace).await.kind, TracedKind::Call);
        assert_eq!(traced(&mut trace).await.kind, TracedKind::Return);
        assert_eq!(next(&mut trace).await, TraceEvent::Ended(TraceEnd::Limit));
    } else {
        trace.stop().await.unwrap();
        assert_eq!(next(&mut trace).await, TraceEvent::Ended(TraceEnd::Stopped));
    }
    let expected = if otp >= 27 { "true" } else { "false" };
    assert_eq!(eval(&node, is_traced).await, Term::atom(expected), "OTP {otp}");
}

#[tokio::test]
async fn a_tracer_goes_when_we_vanish() {
    let world = World::new().await;
    let (_running, node) = world.connected("vanish", &[]).await;
    let other = world.open(world.target("vanish"));
    let name = up(&other).await.own_name.clone();
    let mut trace = other.trace(&plan(u32::MAX), SOON).await.unwrap();
    call_for_ever(&node).await;
    while next(&mut trace).await != TraceEvent::Paused {}
    eval(&node, &format!("erlang:disconnect_node('{name}')")).await;
    wait_for("the tracer is gone", SOON, async || is_clean(&node).await).await;
    loop {
        if let TraceEvent::Ended(end) = next(&mut trace).await {
            assert!(matches!(end, TraceEnd::Lost(_)), "{end:?}");
            break;
        }
    }
}

#[tokio::test]
async fn a_code_server_that_hangs_leaves_no_tracer_behind() {
    let world = World::new().await;
    let (_running, node) = world.connected("unloaded", &[]).await;
    // what reads and evaluates the tracer's text is loaded by that
    drop(node.trace(&plan(1), SOON).await.unwrap());
    wait_for("it is gone", SOON, async || is_clean(&node).await).await;
    eval(&node, "sys:suspend(code_server)").await;
    let unloaded =
        TracePlan { module: "digraph".to_owned(), function: "new".to_owned(), arity: None, ..plan(1) };
    let failed = node.trace(&unloaded, SOON).await.unwrap_err();
    assert!(matches!(&failed, TraceError::CodeServer(module) if module == "digraph"), "{failed:?}");
    assert_eq!(eval(&node, "whereis(bellrock_tracer)").await, Term::atom("undefined"));
    eval(&node, "sys:resume(code_server)").await;
    assert_eq!(node.trace(&unloaded, SOON).await.unwrap().matched(), 2);
}
