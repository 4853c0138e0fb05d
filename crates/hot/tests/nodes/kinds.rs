//! Kinds of processes, children and applications.

use std::time::Duration;

use beam::Term;
use beam::term::Atom;
use hot::{Apply, Outcome, Step, Supervisor, Which};

use crate::lab::{Lab, converted, hot};
use crate::plain::{COUNTER_1, COUNTER_2};
use crate::shop::{Shop, term};

/// A state machine, whose state and data are converted.
fn machine(version: u8) -> String {
    format!(
        "-behaviour(gen_statem).
        start() -> gen_statem:start({{local, machine}}, ?MODULE, [], []).
        callback_mode() -> handle_event_function.
        init([]) -> {{ok, idle, {version}}}.
        handle_event({{call, From}}, get, State, Data) -> {{keep_state_and_data, [{{reply, From, {{{version}, State, Data}}}}]}}.
        code_change({{down, _}}, ready, N, _) -> {{ok, idle, N - 1}};
        code_change(_, idle, N, _) -> {{ok, ready, N + 1}}."
    )
}

/// A special process (`proc_lib`, `sys`) whose loop goes by its module's name.
fn special(version: u8) -> String {
    format!(
        "start() -> proc_lib:start(?MODULE, init, [self(), here]).
        init(Parent, _) -> register(special, self()), proc_lib:init_ack(Parent, {{ok, self()}}), loop(Parent, {version}).
        loop(Parent, S) ->
            receive
                {{system, From, What}} -> sys:handle_system_msg(What, From, Parent, ?MODULE, [], S);
                {{get, From}} -> From ! {{{version}, S}}, ?MODULE:loop(Parent, S)
            end.
        system_continue(Parent, _, S) -> ?MODULE:loop(Parent, S).
        system_terminate(Reason, _, _, _) -> exit(Reason).
        system_get_state(S) -> {{ok, S}}.
        system_replace_state(F, S) -> N = F(S), {{ok, N, N}}.
        system_code_change(S, _, {{down, _}}, _) -> {{ok, S - 1}};
        system_code_change(S, _, _, _) -> {{ok, S + 1}}."
    )
}

const TOLD: &str = "special ! {get, self()}, {gen_statem:call(machine, get), receive Got -> Got end}";

#[tokio::test]
async fn state_machines_and_special_processes_are_converted_too() {
    let lab = Lab::new("kinds", &[]).await;
    let one = lab.compile("1", &[("machine", &machine(1)), ("special", &special(1))]);
    let two = lab.compile("2", &[("machine", &machine(2)), ("special", &special(2))]);
    lab.load(&one).await;
    lab.eval("{ok, _} = machine:start(), {ok, _} = special:start()").await;
    assert_eq!(lab.text(TOLD).await, "{{1,idle,1},{1,1}}");
    let both = || [converted("machine"), converted("special")];
    let mut up = lab.up("up", &one, &two).await;
    up.processes.extend(both());
    hot(lab.install(&up).await);
    assert_eq!(lab.text(TOLD).await, "{{2,ready,2},{2,2}}");
    let mut down = lab.step("down", &two, &one, hot::Direction::Down).await;
    down.processes.extend(both());
    hot(lab.install(&down).await);
    assert_eq!(lab.text(TOLD).await, "{{1,idle,1},{1,1}}");
}

/// A supervisor of one kind of children.
fn workers(intensity: u8) -> String {
    format!(
        "-behaviour(supervisor).
        start() -> {{ok, Pid}} = supervisor:start_link({{local, workers}}, ?MODULE, []), unlink(Pid).
        init([]) -> {{ok, {{#{{strategy => simple_one_for_one, intensity => {intensity}}},
            [#{{id => any, start => {{starts, start, []}}}}]}}}}."
    )
}

#[tokio::test]
async fn children_that_come_and_go_meanwhile_are_converted_or_begin_anew() {
    let lab = Lab::new("workers", &[]).await;
    // children are started by a function that stays
    let starts = lab.compile("s", &[("starts", "start() -> gen_server:start_link(counter, [], []).")]);
    lab.load(&starts).await;
    let one = lab.compile("1", &[("counter", COUNTER_1), ("workers", &workers(1))]);
    let two = lab.compile("2", &[("counter", COUNTER_2), ("workers", &workers(5))]);
    lab.load(&one).await;
    // somebody starts and stops children all the time
    lab.eval(
        "Me = self(), spawn(fun() -> register(somebody, self()), workers:start(), Me ! ready,
            (fun Loop() ->
                {ok, A} = supervisor:start_child(workers, []), {ok, _} = supervisor:start_child(workers, []),
                supervisor:terminate_child(workers, A),
                receive stop -> ok after 1 -> Loop() end
            end)() end), receive ready -> ok end",
    )
    .await;
    let mut up = lab.up("up", &one, &two).await;
    up.processes.push(converted("counter"));
    up.supervisors.push(Supervisor {
        which: Which::Module("workers".into()),
        argument: None,
        restart: Vec::new(),
    });
    let installed = hot(lab.install(&up).await);
    assert!(installed.suspended > installed.converted, "their supervisor stands still too");
    // they cannot be restarted one by one
    let mut restart = hot::Instructions::new("restart", hot::Direction::Up);
    restart.restarts.push("counter".into());
    let Outcome::Refused(why) = lab.install(&restart).await else { panic!("their supervisor would end") };
    assert!(why[0].pid.is_some() && why[0].module.as_deref() == Some("counter"), "{why:?}");
    // nobody has a state of the version before, and nobody has crashed
    let told = "monitor(process, somebody), somebody ! stop, receive {'DOWN', _, _, _, normal} -> ok end,
        Pids = [Pid || {_, Pid, _, _} <- supervisor:which_children(workers)],
        {lists:usort([element(1, gen_server:call(Pid, add)) || Pid <- Pids]), element(6, sys:get_state(workers)),
            is_pid(whereis(workers))}";
    assert_eq!(lab.text(told).await, "{[v2],5,true}");
}

#[tokio::test]
async fn children_and_applications_are_restarted_where_told() {
    let shop = Shop::new("restarts").await;
    let lab = &shop.lab;
    let pids = "[whereis(Each) || Each <- [shop_sup, a, b, d]]";
    let Term::List(before) = lab.eval(pids).await else { panic!("they run") };
    let mut again = hot::Instructions::new("children", hot::Direction::Up);
    again.supervisors.push(Supervisor {
        which: Which::RootOf("shop".into()),
        argument: None,
        restart: vec![Term::atom("b"), Term::atom("nobody")],
    });
    let there = Apply {
        module: Atom::new("persistent_term"),
        function: Atom::new("put"),
        arguments: vec![Term::atom("called"), Term::atom("yes")],
    };
    again.calls.push(there);
    hot(lab.install(&again).await);
    let Term::List(after) = lab.eval(pids).await else { panic!("they run") };
    let same: Vec<_> = before.iter().zip(after.iter()).map(|(one, two)| one == two).collect();
    assert_eq!(same, [true, true, false, true]);
    assert_eq!(lab.text("{persistent_term:get(called), gen_server:call(b, add)}").await, "{yes,2}");
    let mut application = hot::Instructions::new("application", hot::Direction::Up);
    application.applications.restarted.push("shop".into());
    hot(lab.install(&application).await);
    assert_ne!(lab.text("whereis(shop_sup)").await, dist::shown(&before[0]));
    // by module: those that a supervisor has by name
    let Term::List(before) = lab.eval(pids).await else { panic!("they run") };
    let mut modules = hot::Instructions::new("modules", hot::Direction::Up);
    modules.restarts.push("till".into());
    assert_eq!(hot(lab.install(&modules).await).suspended, 3);
    let Term::List(after) = lab.eval(pids).await else { panic!("they run") };
    let same: Vec<_> = before.iter().zip(after.iter()).map(|(one, two)| one == two).collect();
    // d is no child since the application began anew
    assert_eq!(same, [true, false, false, true]);
    assert_eq!(lab.text("gen_server:call(b, add)").await, "2");
}

#[tokio::test]
async fn states_that_are_too_large_to_keep_need_a_full_deployment_when_it_fails() {
    let shop = Shop::new("large").await;
    shop.lab.eval("application:set_env(shop, trap, raise)").await;
    let mut up = shop.up("up").await;
    up.bounds.most_saved_bytes = 1;
    let Outcome::NeedsFull { failure, undo } = shop.lab.install(&up).await else {
        panic!("nothing was kept")
    };
    assert_eq!(failure.step, Step::Convert);
    assert_eq!(undo, "states were not kept: they are larger than the bound");
    // everybody goes on nevertheless
    assert_eq!(shop.lab.text("gen_server:call(a, add)").await, "{2,euro}");
}

#[tokio::test]
async fn a_callback_that_hangs_is_complained_about_and_holds_up_nobody() {
    let shop = Shop::new("hangs").await;
    let hangs = "start(_, _) -> shop_sup:start_link(). stop(_) -> ok. config_change(_, _, _) -> timer:sleep(infinity).";
    let two = shop.lab.compile("hangs", &[("shop", hangs)]);
    let mut up = shop.lab.up("up", &shop.one, &two).await;
    let environment = term("{colour, blue}");
    let [key, value] = environment.as_tuple().unwrap() else { panic!("a pair") };
    up.environment.push(hot::Environment {
        application: "shop".into(),
        set: vec![(key.as_atom().unwrap().into(), value.clone())],
        unset: Vec::new(),
    });
    up.bounds.patience = Duration::from_millis(500);
    up.os_environment.push(("RELEASE_VSN".to_owned(), None));
    let Outcome::Installed(installed) = shop.lab.install(&up).await else { panic!("it is installed") };
    assert_eq!(installed.failure, None);
    assert_eq!(
        (installed.complaints[0].step, &*installed.complaints[0].why),
        (Step::Configure, "{shop,late}")
    );
    assert_eq!(
        shop.lab.text("{os:getenv(\"RELEASE_VSN\"), application:get_env(shop, colour)}").await,
        "{false,{ok,blue}}"
    );
}

/// Its `init/1` can be called in its own process only.
fn strict(ids: &str) -> String {
    format!(
        "-behaviour(supervisor).
        start() -> {{ok, Pid}} = supervisor:start_link({{local, strict}}, ?MODULE, []), unlink(Pid).
        init([]) -> true = lists:member(whereis(strict), [self(), undefined]),
            {{ok, {{#{{}}, [#{{id => Id, start => {{starts, start, []}}}} || Id <- [{ids}]]}}}}."
    )
}

#[tokio::test]
async fn children_that_are_not_known_are_left_alone() {
    let lab = Lab::new("strict", &[]).await;
    lab.load(&lab.compile("s", &[("starts", "start() -> {ok, spawn_link(timer, sleep, [infinity])}.")]))
        .await;
    let one = lab.compile("1", &[("strict", &strict("a, b"))]);
    let two = lab.compile("2", &[("strict", &strict("b, c"))]);
    lab.load(&one).await;
    lab.eval("strict:start()").await;
    let mut up = lab.up("up", &one, &two).await;
    up.supervisors.push(Supervisor {
        which: Which::Module("strict".into()),
        argument: None,
        restart: Vec::new(),
    });
    let Outcome::Installed(installed) = lab.install(&up).await else { panic!("it is installed") };
    assert_eq!(installed.failure, None);
    let [complaint] = &installed.complaints[..] else { panic!("{installed:?}") };
    assert_eq!(complaint.step, Step::Children);
    assert!(complaint.why.contains("children_are_not_known"), "{complaint:?}");
    let told = "lists:sort([{Id, is_pid(Pid)} || {Id, Pid, _, _} <- supervisor:which_children(strict)])";
    assert_eq!(lab.text(told).await, "[{a,true},{b,true},{c,false}]");
}

#[tokio::test]
async fn a_state_is_not_told() {
    let lab = Lab::new("secret", &[]).await;
    let one = lab.compile("1", &[("counter", COUNTER_1)]);
    let two = lab.compile("2", &[("counter", COUNTER_2)]);
    lab.load(&one).await;
    lab.eval("{ok, _} = counter:start(it), sys:replace_state(it, fun(_) -> {card, <<\"4111\">>} end)").await;
    let mut up = lab.up("up", &one, &two).await;
    up.processes.push(converted("counter"));
    let Outcome::Undone(failure) = lab.install(&up).await else { panic!("it has no clause for it") };
    assert!(failure.why.contains("function_clause") && failure.why.contains("code_change,3"), "{failure:?}");
    assert!(!failure.why.contains("4111"), "{failure:?}");
    assert_eq!(lab.text("sys:get_state(it)").await, "{card,<<\"4111\">>}");
}

#[tokio::test]
async fn an_application_that_is_restarted_is_so_too_when_it_is_undone() {
    let shop = Shop::new("restarted").await;
    let lab = &shop.lab;
    let server = COUNTER_1.replace(
        "start(Name)",
        "start_link() -> gen_server:start_link({local, other}, ?MODULE, [], []). start(Name)",
    );
    let application = "start(_, _) -> counter:start_link(). stop(_) -> ok.";
    lab.load(&lab.compile("o", &[("counter", &server), ("other_app", application)])).await;
    lab.eval("ok = application:load({application, other, [{vsn, \"1\"}, {mod, {other_app, []}}]}), ok = application:start(other),
        application:set_env(shop, trap, raise)").await;
    let before = lab.text("whereis(other)").await;
    let state = shop.all().await;
    let mut up = shop.up("up").await;
    up.applications.restarted.push("other".into());
    let Outcome::Undone(failure) = lab.install(&up).await else { panic!("a conversion raises") };
    assert_eq!(failure.step, Step::Convert);
    assert_eq!(shop.all().await, state);
    let between = lab.text("whereis(other)").await;
    assert!(between.starts_with('<') && between != before);
    // the evaluator is killed while it is stopped
    up.id = "killed".to_owned();
    up.hold = Some(Step::Load);
    lab.installer.begin(&up, testkit::nodes::SOON).await.unwrap();
    testkit::wait_for("it holds", testkit::nodes::SOON, async || {
        let progress = lab.installer.progress(testkit::nodes::SOON).await.unwrap()?;
        (progress.step == Some(Step::Load)).then_some(())
    })
    .await;
    assert_eq!(lab.text("whereis(other)").await, "undefined");
    lab.eval("{monitors, [{process, E}]} = process_info(whereis(bellrock_upgrade), monitors), exit(E, kill)")
        .await;
    let outcome = lab.installer.wait("killed", testkit::nodes::SOON).await.unwrap().outcome.unwrap();
    assert!(matches!(outcome, Outcome::Undone(_)), "{outcome:?}");
    lab.installer.acknowledge("killed", testkit::nodes::SOON).await.unwrap();
    assert!(lab.text("whereis(other)").await.starts_with('<'));
    // and when it succeeds
    lab.eval("application:unset_env(shop, trap)").await;
    up.id = "at last".to_owned();
    up.hold = None;
    hot(lab.install(&up).await);
    assert!(lab.text("whereis(other)").await.starts_with('<'));
    shop.assert_is_two().await;
}
