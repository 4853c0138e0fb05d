//! What comes is there when the first new code calls it, and what goes is there as long as old code may call it.

use std::time::Duration;

use beam::Term;
use beam::term::Atom;
use hot::{
    AddedApplication, Deleted, Direction, Environment, Instructions, Outcome, StartType, Step, Supervisor,
    Which,
};
use testkit::nodes::eval_with;

use crate::lab::{Lab, Version, converted, hot, whole};
use crate::plain::{COUNTER_1, COUNTER_2};
use crate::shop::{Shop, term};

/// A supervisor with these children, of which each has its module's name.
fn watch(children: &str) -> String {
    format!(
        "-behaviour(supervisor).
        start() -> {{ok, Pid}} = supervisor:start_link({{local, watch}}, ?MODULE, []), unlink(Pid), ok.
        init([]) -> {{ok, {{#{{}}, [#{{id => Id, start => {{Id, start_link, Given}}}} || {{Id, Given}} <- [{children}]]}}}}."
    )
}

/// A server that takes its time to begin, and answers what it began with.
fn server(name: &str, init: &str) -> String {
    format!(
        "-behaviour(gen_server).
        start_link() -> start_link(none).
        start_link(Given) -> gen_server:start_link({{local, {name}}}, ?MODULE, Given, []).
        ask() -> gen_server:call({name}, ask).
        init(Given) -> timer:sleep(100), {init}.
        handle_call(ask, _, S) -> {{reply, S, S}}.
        handle_cast(_, S) -> {{noreply, S}}."
    )
}

/// Its one server is `chart`.
const CHARTS: &str = "
    -behaviour(application).
    start(_, _) -> chart:start_link().
    stop(_) -> ok.";

/// What requests call. They are in the middle of it for a while.
const FRONT_1: &str = "page() -> timer:sleep(20), ok.";
const FRONT_2: &str = "
    page() ->
        {ok, _} = application:get_env(shop, watch),
        bearing = lookout:ask(),
        timer:sleep(300),
        depth = chart:ask(),
        {ok, _} = application:get_env(shop, watch),
        gone:by().";

/// Processes that are not suspended ask for pages all the time; the names of what failed are kept.
const REQUESTS: &str = "Ask = fun Ask() ->
        try front:page() of ok -> counters:add(persistent_term:get(pages), 1, 1)
        catch C:R:S -> counters:add(persistent_term:get(pages), 2, 1), persistent_term:put(failed, {C, R, S})
        end,
        Ask()
    end,
    persistent_term:put(pages, counters:new(2, [])),
    [spawn(Ask) || _ <- lists:seq(1, 20)], ok";

async fn md5(lab: &Lab, name: &str) -> Deleted {
    let md5 = lab.eval(&format!("{name}:module_info(md5)")).await;
    Deleted { name: Atom::new(name), md5: md5.as_binary().unwrap().as_ref().try_into().unwrap() }
}

fn watched(which: Which, argument: Option<&str>) -> Supervisor {
    Supervisor { which, argument: argument.map(term), restart: Vec::new() }
}

fn key(application: &str, set: &[(&str, Term)], unset: &[&str]) -> Environment {
    Environment {
        application: application.into(),
        set: set.iter().map(|(key, value)| ((*key).into(), value.clone())).collect(),
        unset: unset.iter().map(|key| (*key).into()).collect(),
    }
}

const CHARTS_APP: &str =
    "{application, charts, [{vsn, \"1\"}, {mod, {charts, []}}, {modules, [charts, chart]}]}";

/// Whose root is told its children by a module, or by whoever starts it.
async fn nobody_notices(name: &'static str, by_module: bool) {
    let lab = Lab::new(name, &[]).await;
    let told = "-behaviour(supervisor). init(Told) -> Told.";
    lab.load(&lab.compile("told", &[("told", told)])).await;
    let (before, after) = (watch(""), watch("{lookout, []}"));
    let one = [("front", FRONT_1), ("watch", &before), ("counter", COUNTER_1)];
    let (lookout, chart) = (server("lookout", "{ok, bearing}"), server("chart", "{ok, depth}"));
    let two = [
        ("front", FRONT_2),
        ("watch", &*after),
        ("counter", COUNTER_2),
        ("lookout", &lookout),
        ("charts", CHARTS),
        ("chart", &chart),
        ("gone", "by() -> ok."),
    ];
    let (one, two) = (lab.compile("1", &one), lab.compile("2", &two));
    lab.load(&one).await;
    lab.eval("ok = application:load({application, shop, [{vsn, \"1\"}]}), {ok, _} = counter:start(it), ok")
        .await;
    let which = if by_module {
        lab.eval("watch:start()").await;
        Which::Module("watch".into())
    } else {
        lab.eval("{ok, Pid} = supervisor:start_link({local, watch}, told, {ok, {#{}, []}}), unlink(Pid)")
            .await;
        Which::Name("watch".into())
    };
    let argument = |text| if by_module { None } else { Some(text) };
    lab.eval(REQUESTS).await;
    for round in 1..=2 {
        let mut up = lab.up(&format!("up {round}"), &one, &two).await;
        up.processes.push(converted("counter"));
        let child = argument("{ok, {#{}, [#{id => lookout, start => {lookout, start_link, []}}]}}");
        up.supervisors.push(watched(which.clone(), child));
        let start = StartType::Permanent;
        up.applications.added.push(AddedApplication { specification: term(CHARTS_APP), start });
        up.environment.push(key("shop", &[("watch", Term::Integer(1))], &[]));
        whole(lab.install(&up).await);
        let started =
            lab.text("lists:keyfind(charts, 1, proplists:get_value(started, application:info()))").await;
        assert_eq!(started, "{charts,permanent}");
        // requests are in the code before for a while
        lab.eval("(fun Wait() -> case code:soft_purge(front) of true -> ok; false -> Wait() end end)()")
            .await;
        let mut down = lab.step(&format!("down {round}"), &two, &one, Direction::Down).await;
        down.processes.push(converted("counter"));
        down.supervisors.push(watched(which.clone(), argument("{ok, {#{}, []}}")));
        down.applications.removed.push("charts".into());
        down.environment.push(key("shop", &[], &["watch"]));
        for name in ["lookout", "charts", "chart", "gone"] {
            down.deleted.push(md5(&lab, name).await);
        }
        hot(lab.install(&down).await);
    }
    let told = "Pages = persistent_term:get(pages), {counters:get(Pages, 1) > 100, counters:get(Pages, 2), persistent_term:get(failed, none)}";
    assert_eq!(lab.text(told).await, "{true,0,none}");
    let left = "{[whereis(Each) || Each <- [lookout, chart]], application:get_env(shop, watch), supervisor:which_children(watch)}";
    assert_eq!(lab.text(left).await, "{[undefined,undefined],undefined,[]}");
}

#[tokio::test]
async fn nobody_calls_a_child_or_an_application_that_is_not_there() {
    nobody_notices("module", true).await;
}

#[tokio::test]
async fn nobody_calls_a_child_of_a_root_or_an_application_that_is_not_there() {
    nobody_notices("root", false).await;
}

/// A supervisor in two versions, of which the second has more children.
async fn grown(lab: &Lab, one: &[(&str, &str)], two: &[(&str, &str)]) -> (Version, Version, Instructions) {
    let (one, two) = (lab.compile("1", one), lab.compile("2", two));
    lab.load(&one).await;
    lab.eval(
        "ok = application:load({application, shop, [{vsn, \"1\"}, {env, [{colour, red}]}]}), watch:start()",
    )
    .await;
    let mut up = lab.up("up", &one, &two).await;
    up.supervisors.push(watched(Which::Module("watch".into()), None));
    (one, two, up)
}

#[tokio::test]
async fn who_needs_what_is_exchanged_begins_after_the_exchange() {
    let lab = Lab::new("needs", &[]).await;
    let (before, after) =
        (watch(""), watch("{first, []}, {second, []}, {third, []}, {fourth, [fun() -> four end]}"));
    let first = server("first", "{ok, application:get_env(shop, colour)}");
    let second = server("second", "{ok, by_another:version()}");
    let third = server("third", "{ok, {first:ask(), second:ask()}}");
    let (_, _, mut up) = grown(
        &lab,
        &[("watch", &before), ("front", "version() -> 1.")],
        &[
            ("watch", &after),
            ("front", "version() -> 2."),
            ("by_another", "version() -> front:version()."),
            ("first", &first),
            ("second", &second),
            ("third", &third),
            ("fourth", &server("fourth", "{ok, Given()}")),
        ],
    )
    .await;
    up.environment.push(key("shop", &[("colour", Term::atom("blue"))], &[]));
    hot(lab.install(&up).await);
    assert_eq!(lab.text("{third:ask(), fourth:ask()}").await, "{{{ok,blue},2},four}");
}

#[tokio::test]
async fn who_is_told_something_else_after_the_exchange_begins_anew() {
    let lab = Lab::new("anew", &[]).await;
    // how many is told by a module that is exchanged
    let after = watch("{sized, [front:size()]}");
    let (_, _, up) = grown(
        &lab,
        &[("watch", &watch("")), ("front", "size() -> 1.")],
        &[("watch", &after), ("front", "size() -> 2."), ("sized", &server("sized", "{ok, Given}"))],
    )
    .await;
    hot(lab.install(&up).await);
    assert_eq!(
        lab.text("exit(whereis(sized), kill), {module_loaded(bellrock_copy), code:is_loaded(bellrock_copy)}")
            .await,
        "{false,false}"
    );
    let again = "(fun Wait() -> try sized:ask() catch exit:_ -> Wait() end end)()";
    assert_eq!(lab.text(again).await, "2");
}

#[tokio::test]
async fn who_takes_the_name_of_one_that_goes_begins_when_that_has_gone() {
    let lab = Lab::new("name", &[]).await;
    let (one, two) = (server("the_cache", "{ok, one}"), server("the_cache", "{ok, two}"));
    let (_, _, mut up) = grown(
        &lab,
        &[("watch", &watch("{cache, []}")), ("cache", &one)],
        &[("watch", &watch("{store, []}")), ("store", &two)],
    )
    .await;
    up.deleted.push(md5(&lab, "cache").await);
    hot(lab.install(&up).await);
    assert_eq!(
        lab.text("{store:ask(), [Id || {Id, _, _, _} <- supervisor:which_children(watch)]}").await,
        "{two,[store]}"
    );
}

#[tokio::test]
async fn who_does_not_begin_ends_it_before_anything_is_exchanged() {
    let lab = Lab::new("refuses", &[]).await;
    let (_, _, mut up) = grown(
        &lab,
        &[("watch", &watch("")), ("front", "version() -> 1.")],
        &[
            ("watch", &watch("{good, []}, {bad, []}")),
            ("front", "version() -> 2."),
            ("good", &server("good", "{ok, good}")),
            ("bad", &server("bad", "{stop, no}")),
        ],
    )
    .await;
    let all = "{supervisor:which_children(watch), whereis(good), [module_loaded(M) || M <- [good, bad]], front:version(),
        application:get_all_env(shop), os:getenv(\"RELEASE_VSN\"), code:get_path(), application:loaded_applications()}";
    let before = lab.text(all).await;
    up.environment.push(key("shop", &[("taste", Term::atom("sweet")), ("colour", Term::atom("blue"))], &[]));
    up.environment.push(key("charts", &[("depth", Term::Integer(1))], &[]));
    up.os_environment.push(("RELEASE_VSN".to_owned(), Some("2".to_owned())));
    up.code_paths.push(hot::CodePath::Last(lab.world.folder().to_str().unwrap().to_owned()));
    let Outcome::Undone(failure) = lab.install(&up).await else { panic!("a child does not begin") };
    assert_eq!(
        (failure.step, failure.why.contains("start_child,bad")),
        (Step::NewChildren, true),
        "{failure:?}"
    );
    assert_eq!(lab.text(all).await, before);

    let shop = Shop::new("fails").await;
    let before = shop.all().await;
    let fails = "start(_, _) -> {error, no}. stop(_) -> ok.";
    // nobody goes whose place it could take
    let two = shop.lab.compile("fails", &[("extra", fails), ("price", "it() -> 2.")]);
    let mut up = shop.lab.up("fails", &shop.one, &two).await;
    let extra = term("{application, extra, [{vsn, \"7\"}, {mod, {extra, []}}, {modules, [extra]}]}");
    up.applications.added.push(AddedApplication { specification: extra, start: StartType::Permanent });
    up.environment.push(key("extra", &[("seen", Term::atom("yes"))], &[]));
    let Outcome::Undone(failure) = shop.lab.install(&up).await else {
        panic!("an application does not begin")
    };
    assert_eq!(
        (failure.step, failure.why.contains("start,extra")),
        (Step::NewApplications, true),
        "{failure:?}"
    );
    assert_eq!(shop.all().await, before);
    // not even what a later load of it would find
    let loaded =
        "ok = application:load({application, extra, [{vsn, \"7\"}]}), application:get_all_env(extra)";
    assert_eq!(shop.lab.text(loaded).await, "[]");
}

#[tokio::test]
async fn who_stays_in_the_code_before_keeps_nobody_for_ever() {
    let lab = Lab::new("lingers", &[]).await;
    let waits = "wait() -> receive go -> ok end.";
    let two = [("watch", &*watch("")), ("front", "wait() -> ok.")];
    let (_, _, mut up) = grown(
        &lab,
        &[("watch", &watch("{lookout, []}")), ("front", waits), ("lookout", &server("lookout", "{ok, 1}"))],
        &two,
    )
    .await;
    up.deleted.push(md5(&lab, "lookout").await);
    up.bounds.linger = Duration::from_millis(300);
    eval_with(&lab.node, "register(idle, spawn(fun front:wait/0)), ok", []).await;
    whole(lab.install(&up).await);
    assert_eq!(lab.text("{whereis(lookout), is_process_alive(whereis(idle))}").await, "{undefined,true}");
}
