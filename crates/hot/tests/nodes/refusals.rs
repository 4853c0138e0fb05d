//! What cannot be done is refused, with process and module, and nothing changes.

use std::time::Duration;

use beam::Term;
use beam::term::Atom;
use hot::{Behaviour, Cause, Environment, Finding, Outcome, Processes, Undo};
use testkit::nodes::SOON;
use testkit::wait_for;

use crate::lab::{Lab, converted, hot, whole};
use crate::plain::{COUNTER_1, COUNTER_2};
use crate::shop::term;

fn refused(outcome: Outcome) -> Vec<Finding> {
    let Outcome::Refused(refusals) = outcome else { panic!("{outcome:?}") };
    refusals
}

/// Waits in itself, and stores a function of itself.
fn waiting(version: u8) -> String {
    format!(
        "start() -> spawn(fun() -> loop() end).
        loop() -> receive stop -> ok; {{ask, From}} -> From ! {version}, loop() end.
        stored() -> fun(X) -> {{X, {version}}} end.
        it() -> {version}."
    )
}

#[tokio::test]
async fn a_process_that_waits_in_a_module_makes_the_next_step_a_refusal() {
    let lab = Lab::new("waits", &[]).await;
    let versions: Vec<_> =
        (1..=3).map(|version| lab.compile(&version.to_string(), &[("waits", &waiting(version))])).collect();
    lab.load(&versions[0]).await;
    lab.eval("register(idle, waits:start()), application:load({application, shop, [{vsn, \"1\"}]})").await;
    let idle = lab.text("whereis(idle)").await;
    // it stays in the code that it waits in, and no undo is hot
    let installed = whole(lab.install(&lab.up("one", &versions[0], &versions[1]).await).await);
    let Undo::Full(why) = installed.undo else { panic!("somebody waits in it") };
    let it_waits = |refusal: &Finding| {
        assert_eq!((refusal.cause, refusal.module.as_deref()), (Cause::OldCode, Some("waits")));
        assert_eq!(refusal.pid.as_deref(), Some(&*idle));
    };
    assert_eq!(why.len(), 1, "{why:?}");
    it_waits(&why[0]);
    // neither is the next step, which changes nothing: neither environment nor version (hazard 5.1)
    let mut next = lab.up("two", &versions[1], &versions[2]).await;
    next.applications.changed.push(term("{application, shop, [{vsn, \"2\"}]}"));
    let set = vec![(Atom::new("key"), Term::atom("new"))];
    next.environment.push(Environment { application: Atom::new("shop"), set, unset: Vec::new() });
    let refusals = refused(lab.install(&next).await);
    assert_eq!(refusals.len(), 1, "{refusals:?}");
    it_waits(&refusals[0]);
    let told = "{waits:it(), application:get_key(shop, vsn), application:get_env(shop, key), is_process_alive(whereis(idle))}";
    assert_eq!(lab.text(told).await, "{2,{ok,\"1\"},undefined,true}");
    // when it has gone, the way is free
    lab.eval("monitor(process, idle), idle ! stop, receive {'DOWN', _, _, _, normal} -> ok end").await;
    next.id = "three".to_owned();
    hot(lab.install(&next).await);
    let told = "{waits:it(), application:get_key(shop, vsn), application:get_env(shop, key)}";
    assert_eq!(lab.text(told).await, "{3,{ok,\"2\"},{ok,new}}");
}

#[tokio::test]
async fn a_stored_function_of_old_code_is_not_lost() {
    let lab = Lab::new("stores", &[]).await;
    let versions: Vec<_> =
        (1..=3).map(|version| lab.compile(&version.to_string(), &[("waits", &waiting(version))])).collect();
    lab.load(&versions[0]).await;
    for (place, put, take) in [
        (
            "a table",
            "spawn(fun() -> ets:new(shelf, [named_table, public]), register(owner, self()),
                ets:insert(shelf, {a, [{b, waits:stored()}]}), receive stop -> ok end end),
                (fun Wait() -> case whereis(owner) of undefined -> Wait(); _ -> ok end end)()",
            "[{_, [{_, F}]}] = ets:lookup(shelf, a), R = F(x), monitor(process, owner), owner ! stop,
                receive {'DOWN', _, _, _, _} -> R end",
        ),
        (
            "persistent_term",
            "persistent_term:put(shelf, #{f => waits:stored()})",
            "#{f := F} = persistent_term:get(shelf), R = F(x), persistent_term:erase(shelf), R",
        ),
        (
            "environment",
            "application:load({application, shop, [{vsn, \"1\"}]}), application:set_env(shop, f, waits:stored())",
            "{ok, F} = application:get_env(shop, f), R = F(x), application:unset_env(shop, f), R",
        ),
    ] {
        lab.eval(put).await;
        let installed = whole(lab.install(&lab.up("up", &versions[0], &versions[1]).await).await);
        let Undo::Full(why) = installed.undo else { panic!("{place}: it is stored") };
        assert_eq!((why[0].cause, why[0].module.as_deref()), (Cause::OldFunction, Some("waits")), "{place}");
        let refusals = refused(lab.install(&lab.up("next", &versions[1], &versions[2]).await).await);
        assert_eq!(refusals, why, "{place}");
        assert_eq!(lab.text(take).await, "{x,1}", "{place}");
        hot(lab.install(&lab.up("next", &versions[1], &versions[0]).await).await);
    }
    // in the state of a server
    let counter = lab.compile("c", &[("counter", COUNTER_1)]);
    lab.load(&counter).await;
    lab.eval("{ok, _} = counter:start(it), F = waits:stored(), sys:replace_state(it, fun(_) -> {counter, 0, F} end)").await;
    whole(lab.install(&lab.up("up", &versions[0], &versions[1]).await).await);
    let refusals = refused(lab.install(&lab.up("next", &versions[1], &versions[2]).await).await);
    assert_eq!(refusals[0].pid.as_deref(), Some(&*lab.text("whereis(it)").await), "{refusals:?}");
    assert_eq!(lab.text("{_, _, F} = sys:get_state(it), F(x)").await, "{x,1}");
}

#[tokio::test]
async fn a_busy_process_ends_it_before_anything_changes() {
    let lab = Lab::new("busy", &[]).await;
    let busy = COUNTER_1.replace(
        "handle_cast(_, S)",
        "handle_cast(busy, S) -> receive go -> {noreply, S} end; handle_cast(_, S)",
    );
    let one = lab.compile("1", &[("counter", &busy)]);
    let two = lab.compile("2", &[("counter", COUNTER_2)]);
    lab.load(&one).await;
    lab.eval("[{ok, _} = counter:start(Each) || Each <- [a, b, c]], gen_server:cast(b, busy)").await;
    let mut up = lab.up("up", &one, &two).await;
    up.processes.push(converted("counter"));
    up.bounds.patience = Duration::from_secs(1);
    let refusals = refused(lab.install(&up).await);
    let b = lab.text("whereis(b)").await;
    let found: Vec<_> =
        refusals.iter().map(|each| (each.cause, each.module.as_deref(), each.pid.as_deref())).collect();
    assert_eq!(found, [(Cause::Unresponsive, Some("counter"), Some(&*b))]);
    assert_eq!(lab.text("gen_server:call(a, add)").await, "{v1,1}");
    // one that becomes busy when all are about to stand still: the others go on, and so does it
    lab.eval("b ! go, {v1, 1} = gen_server:call(b, add)").await;
    up.id = "again".to_owned();
    up.hold = Some(hot::Step::Suspend);
    up.bounds.suspend = Duration::from_secs(1);
    lab.installer.begin(&up, SOON).await.unwrap();
    wait_for("it holds", SOON, async || {
        let progress = lab.installer.progress(SOON).await.unwrap()?;
        (progress.step == Some(hot::Step::Suspend)).then_some(())
    })
    .await;
    lab.eval("gen_server:cast(b, busy)").await;
    lab.installer.proceed("again", SOON).await.unwrap();
    let outcome = lab.installer.wait("again", SOON).await.unwrap().outcome.unwrap();
    assert_eq!(refused(outcome)[0].pid.as_deref(), Some(&*b));
    assert_eq!(lab.text("[gen_server:call(Each, add) || Each <- [a, c]]").await, "[{v1,2},{v1,1}]");
    lab.eval("b ! go, {v1, 2} = gen_server:call(b, add)").await;
    lab.installer.acknowledge("again", SOON).await.unwrap();
    up.id = "at last".to_owned();
    up.hold = None;
    hot(lab.install(&up).await);
    assert_eq!(lab.text("gen_server:call(b, add)").await, "{v2,12}");
}

#[tokio::test]
async fn code_that_cannot_be_loaded_is_refused() {
    let lab = Lab::new("unloadable", &[]).await;
    let one = lab.compile("1", &[("nif", "it() -> 1."), ("fine", "it() -> 1.")]);
    let nif = "-on_load(load/0). load() -> erlang:load_nif(\"./none\", 0). it() -> 2.";
    let two = lab.compile("2", &[("fine", "it() -> 2."), ("nif", nif)]);
    lab.load(&one).await;
    let up = lab.up("up", &one, &two).await;
    let refusals = refused(lab.install(&up).await);
    let [refusal] = &refusals[..] else { panic!("{refusals:?}") };
    assert_eq!((refusal.cause, refusal.module.as_deref()), (Cause::NotLoadable, Some("nif")));
    assert!(refusal.detail.contains("on_load"), "{refusal:?}");
    let mut damaged = lab.up("damaged", &one, &one).await;
    damaged.modules[0].code.object = bytes::Bytes::from_static(b"FOR1");
    assert_eq!(refused(lab.install(&damaged).await)[0].module.as_deref(), Some("nif"));
    assert_eq!(lab.text("{nif:it(), fine:it()}").await, "{1,1}");
}

#[tokio::test]
async fn a_node_that_runs_something_else_is_left_alone() {
    let lab = Lab::new("other", &[]).await;
    let one = lab.compile("1", &[("fine", "it() -> 1.")]);
    let two = lab.compile("2", &[("fine", "it() -> 2.")]);
    lab.load(&two).await;
    let refusals = refused(lab.install(&lab.up("up", &one, &two).await).await);
    assert_eq!((refusals[0].cause, refusals[0].module.as_deref()), (Cause::OtherCode, Some("fine")));
    let mut sticky = lab.up("sticky", &two, &one).await;
    sticky.modules[0].name = Atom::new("lists");
    sticky.modules[0].before = None;
    // its own code is another already; a folder that OTP protects is not even asked about
    assert_eq!(refused(lab.install(&sticky).await)[0].cause, Cause::OtherCode);
    let md5 = lab.eval("lists:module_info(md5)").await;
    let md5 = md5.as_binary().unwrap().as_ref().try_into().unwrap();
    sticky.modules[0].before = Some(hot::Before { md5, code: None });
    assert_eq!(refused(lab.install(&sticky).await)[0].cause, Cause::Sticky);
}

#[tokio::test]
async fn processes_of_the_node_itself_are_never_suspended() {
    let lab = Lab::new("kernel", &[]).await;
    let handler = "-behaviour(gen_event).
        init(_) -> {ok, 1}. handle_event(_, S) -> {ok, S}. handle_call(get, S) -> {ok, {v, S}, S}.
        code_change(_, S, _) -> {ok, S + 1}.";
    let one = lab.compile("1", &[("listens", handler)]);
    let two = lab.compile("2", &[("listens", &handler.replace("{v, S}", "{w, S}"))]);
    lab.load(&one).await;
    lab.eval(
        "ok = gen_event:add_handler(erl_signal_server, listens, []), {ok, _} = gen_event:start({local, bus}),
        ok = gen_event:add_handler(bus, listens, []), ok = gen_event:add_handler(bus, {listens, b}, [])",
    )
    .await;
    let mut up = lab.up("up", &one, &two).await;
    let listens = Processes { behaviour: Behaviour::Handler, ..converted("listens") };
    up.processes.push(listens);
    let refusals = refused(lab.install(&up).await);
    assert_eq!((refusals[0].cause, refusals.len()), (Cause::Excluded, 1));
    assert_eq!(refusals[0].pid.as_deref(), Some(&*lab.text("whereis(erl_signal_server)").await));
    lab.eval("gen_event:delete_handler(erl_signal_server, listens, [])").await;
    hot(lab.install(&up).await);
    let told = "{gen_event:call(bus, listens, get), gen_event:call(bus, {listens, b}, get)}";
    assert_eq!(lab.text(told).await, "{{w,2},{w,2}}");
}
