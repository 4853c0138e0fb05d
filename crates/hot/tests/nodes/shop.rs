//! An application in two versions, between which everything differs.

use beam::Term;
use beam::term::Atom;
use hot::{
    AddedApplication, CodePath, Deleted, Direction, Environment, Instructions, StartType, Supervisor, Which,
};
use testkit::nodes::eval_with;

use crate::lab::{Lab, Version, converted};

const APPLICATION: &str = r#"
    -behaviour(application).
    start(_, _) -> shop_sup:start_link().
    stop(_) -> ok.
    config_change(Changed, New, Removed) -> persistent_term:put(told, {Changed, New, Removed}), ok.
"#;
const EXTRA: &str = r#"
    -behaviour(application).
    -behaviour(supervisor).
    start(_, _) -> supervisor:start_link({local, extra_sup}, ?MODULE, []).
    stop(_) -> ok.
    init([]) -> {ok, {#{}, []}}.
"#;
const TILL_1: &str = r#"
    -behaviour(gen_server).
    start_link(Name) -> gen_server:start_link({local, Name}, ?MODULE, [], []).
    init([]) -> {ok, {till, 1}}.
    handle_call(add, _, {till, N}) -> {reply, N + 1, {till, N + 1}}.
    handle_cast(_, S) -> {noreply, S}.
"#;
/// Its conversion raises, or does not return, when the environment says so.
const TILL_2: &str = r#"
    -behaviour(gen_server).
    start_link(Name) -> gen_server:start_link({local, Name}, ?MODULE, [], []).
    init([]) -> {ok, {till, 1, euro}}.
    handle_call(add, _, {till, N, U}) -> {reply, {N + 1, U}, {till, N + 1, U}}.
    handle_cast(_, S) -> {noreply, S}.
    code_change({down, _}, {till, N, _}, _) -> {ok, {till, N}};
    code_change(_, {till, N}, _) ->
        case application:get_env(shop, trap) of
            {ok, raise} when N =:= 2 -> error(no);
            {ok, hang} when N =:= 2 -> timer:sleep(infinity);
            _ -> {ok, {till, N, euro}}
        end.
"#;
const OLD: &str = "it() -> gone.";
const PRICE_1: &str = "it() -> 1. wait(_) -> receive go -> ok end. stored() -> fun(X) -> X end.";
const PRICE_2: &str = "it() -> 2.";
const ADDED: &str = "it() -> new.";

/// Children with these ids; `done` has ended by the time that its start returns.
fn supervisor(intensity: u8, ids: &str) -> String {
    format!(
        r#"
    -behaviour(supervisor).
    start_link() -> supervisor:start_link({{local, ?MODULE}}, ?MODULE, []).
    init([]) -> {{ok, {{#{{intensity => {intensity}, period => 9}}, [child(Id) || Id <- [{ids}]]}}}}.
    child(done) -> #{{id => done, start => {{?MODULE, ignored, []}}}};
    child(Id) -> #{{id => Id, start => {{till, start_link, [Id]}}}}.
    ignored() -> persistent_term:put(ignored, persistent_term:get(ignored, 0) + 1), ignore.
"#
    )
}

/// A node with version 1 running.
pub(crate) struct Shop {
    pub(crate) lab: Lab,
    pub(crate) one: Version,
    pub(crate) two: Version,
}

impl Shop {
    pub(crate) async fn new(name: &'static str) -> Self {
        let lab = Lab::new(name, &[]).await;
        let (first, second) = (supervisor(1, "a, b, done"), supervisor(7, "c, a, done"));
        let one =
            [("shop", APPLICATION), ("shop_sup", &first), ("till", TILL_1), ("price", PRICE_1), ("old", OLD)];
        let two = [
            ("shop", APPLICATION),
            ("shop_sup", &second),
            ("till", TILL_2),
            ("price", PRICE_2),
            ("added", ADDED),
        ];
        let one = lab.compile("1", &one);
        let two = lab.compile("2", &[&two[..], &[("extra", EXTRA)]].concat());
        lab.load(&one).await;
        let text = "ok = application:load({application, shop, [{vsn, \"1\"}, {mod, {shop, []}},
                {env, [{colour, red}, {size, 1}, {gone, 1}]}]}),
            ok = application:set_env(shop, own, kept),
            true = code:add_pathz(Path),
            os:putenv(\"RELEASE_VSN\", \"1\"),
            ok = application:start(shop),
            {ok, _} = supervisor:start_child(shop_sup, #{id => d, start => {till, start_link, [d]}}),
            2 = gen_server:call(b, add)";
        eval_with(&lab.node, text, [("Path", Term::string(one.folder.to_str().unwrap()))]).await;
        Self { lab, one, two }
    }

    /// From the first version to the second.
    pub(crate) async fn up(&self, id: &str) -> Instructions {
        let mut up = self.lab.up(id, &self.one, &self.two).await;
        // the node's own md5 of what is deleted
        let md5 = self.lab.eval("old:module_info(md5)").await;
        let md5 = md5.as_binary().unwrap().as_ref().try_into().unwrap();
        up.deleted.push(Deleted { name: Atom::new("old"), md5 });
        up.processes.push(converted("till"));
        let which = Which::Module(Atom::new("shop_sup"));
        up.supervisors.push(Supervisor { which, argument: None, restart: Vec::new() });
        up.applications
            .changed
            .push(term("{application, shop, [{vsn, \"2\"}, {mod, {shop, []}}, {env, [{size, 9}]}]}"));
        let specification =
            term("{application, extra, [{vsn, \"7\"}, {mod, {extra, []}}, {env, [{seen, no}]}]}");
        up.applications.added.push(AddedApplication { specification, start: StartType::Permanent });
        up.environment.push(Environment {
            application: Atom::new("shop"),
            set: vec![(Atom::new("colour"), Term::atom("blue")), (Atom::new("taste"), Term::atom("sweet"))],
            unset: vec![Atom::new("gone")],
        });
        let seen = (Atom::new("seen"), Term::atom("yes"));
        up.environment.push(Environment {
            application: Atom::new("extra"),
            set: vec![seen],
            unset: Vec::new(),
        });
        let folder = |version: &Version| version.folder.to_str().unwrap().to_owned();
        // it is compared as an absolute path
        let old = format!("{}/../1", folder(&self.two));
        up.code_paths.push(CodePath::Replace { old, new: folder(&self.two) });
        up.os_environment.push(("RELEASE_VSN".to_owned(), Some("2".to_owned())));
        up
    }

    /// From the second to the first.
    pub(crate) async fn down(&self, id: &str) -> Instructions {
        let mut down = self.lab.step(id, &self.two, &self.one, Direction::Down).await;
        for name in ["added", "extra"] {
            let md5 = self.lab.eval(&format!("{name}:module_info(md5)")).await;
            let md5 = md5.as_binary().unwrap().as_ref().try_into().unwrap();
            down.deleted.push(Deleted { name: Atom::new(name), md5 });
        }
        down.processes.push(converted("till"));
        let which = Which::Name(Atom::new("shop_sup"));
        down.supervisors.push(Supervisor { which, argument: None, restart: Vec::new() });
        down.applications.changed.push(term("{application, shop, [{vsn, \"1\"}, {mod, {shop, []}}]}"));
        down.applications.removed.push(Atom::new("extra"));
        down.environment.push(Environment {
            application: Atom::new("shop"),
            set: vec![(Atom::new("colour"), Term::atom("red")), (Atom::new("gone"), Term::Integer(1))],
            unset: vec![Atom::new("taste")],
        });
        let folder = |version: &Version| version.folder.to_str().unwrap().to_owned();
        down.code_paths.push(CodePath::Replace { old: folder(&self.two), new: folder(&self.one) });
        down.os_environment.push(("RELEASE_VSN".to_owned(), Some("1".to_owned())));
        down
    }

    /// All that an upgrade touches, as the node has it.
    pub(crate) async fn all(&self) -> Term {
        let text = "Children = [{Id, Pid} || {Id, Pid, _, _} <- supervisor:which_children(shop_sup)],
            Modules = [shop, shop_sup, till, price, old, added, extra],
            {[case erlang:module_loaded(M) of true -> {M, M:module_info(md5)}; false -> {M, none} end || M <- Modules],
             lists:sort(application:get_all_env(shop)), application:get_all_env(extra),
             application:get_key(shop, vsn), lists:keymember(extra, 1, application:which_applications()),
             code:get_path(), os:getenv(\"RELEASE_VSN\"), lists:sort(Children),
             [{Id, sys:get_state(Pid)} || {Id, Pid} <- Children, is_pid(Pid)],
             [{Pid, lists:nth(2, element(4, sys:get_status(Pid)))} || {_, Pid} <- Children ++ [{top, whereis(shop_sup)}], is_pid(Pid)],
             {ok, {supervisor:count_children(shop_sup), element(6, sys:get_state(shop_sup))}},
             persistent_term:get(told, none), persistent_term:get(ignored)}";
        self.lab.eval(text).await
    }

    /// That version 2 runs, and everybody works.
    pub(crate) async fn assert_is_two(&self) {
        let text = "Ids = [Id || {Id, Pid, _, _} <- supervisor:which_children(shop_sup), is_pid(Pid)],
            {lists:sort(Ids), gen_server:call(a, add), gen_server:call(c, add), gen_server:call(d, add), price:it(), added:it(),
             erlang:module_loaded(old), lists:sort(application:get_all_env(shop)), application:get_env(extra, seen),
             application:get_key(shop, vsn), lists:keymember(extra, 1, application:which_applications()),
             os:getenv(\"RELEASE_VSN\"), persistent_term:get(told), persistent_term:get(ignored),
             element(6, sys:get_state(shop_sup))}";
        assert_eq!(
            dist::shown(&self.lab.eval(text).await),
            "{[a,c,d],{2,euro},{2,euro},{2,euro},2,new,false,\
             [{colour,blue},{own,kept},{size,1},{taste,sweet}],{ok,yes},{ok,\"2\"},true,\"2\",\
             {[{colour,blue}],[{taste,sweet}],[gone]},1,7}"
        );
    }
}

/// A term of this text.
pub(crate) fn term(text: &str) -> Term {
    beam::text::consult(format!("{text}.").as_bytes()).unwrap().remove(0)
}
