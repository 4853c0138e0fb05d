//! What modules of the installed compilers are surveyed as.
#![allow(clippy::unwrap_used, reason = "clippy knows tests by their attribute, not their helpers")]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use support::{elixir, erlang, installed_modules, scratch, strip, survey_file};
use upgrade::FunctionName;
use upgrade::inventory::{CodeChange, Module};
use upgrade::survey::{self, SurveyError};

fn names<'a>(names: impl IntoIterator<Item = &'a String>) -> String {
    names.into_iter().cloned().collect::<Vec<_>>().join(" ")
}

fn functions<'a>(names: impl IntoIterator<Item = &'a FunctionName>) -> String {
    names.into_iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

const SERVER: &str = "
-module(buoy).
-behaviour(gen_server).
-export([start_link/0, init/1, handle_call/3, handle_cast/2, code_change/3]).
-record(state, {count = 0, limit = 10}).
start_link() -> gen_server:start_link(?MODULE, [], []).
init([]) -> new(10).
new(Limit) -> {ok, #state{limit = Limit}}.
handle_call({add, N}, _From, #state{count = C} = S) -> {reply, C + N, S#state{count = C + N}};
handle_call(keys, _From, S) -> {reply, lists:map(fun(X) -> {X, S} end, [a]), S}.
handle_cast(#{key := _}, S) -> {noreply, S}.
code_change(_OldVsn, State, _Extra) -> {ok, State}.
";

#[test]
fn a_gen_server_of_erlang() {
    let folder = scratch("survey-server");
    let module = erlang(&folder, "buoy", SERVER);
    assert_eq!(names(&module.behaviours), "gen_server");
    assert_eq!(module.code_change, CodeChange::Trivial);
    assert!(!module.is_special_process && !module.has_on_load && !module.loads_nif && !module.receives);
    assert!(!module.has_own_vsn, "{:?}", module.vsn);
    assert!(module.vsn.is_some() && module.lines.is_some());
    assert!(module.calls("gen_server", "start_link", 3) && module.exports("init", 1));
    assert_eq!(module.records.get("state"), Some(&BTreeSet::from([3])));
    assert_eq!(module.records_built.get("state"), Some(&BTreeSet::from([3])));
    assert!(module.maps.read.contains("key") && module.maps.built.is_empty());
    assert_eq!(functions(&module.function("init", 1).unwrap().calls), "new/1");
    let [closure] = &module.closures[..] else { panic!("{:?}", module.closures) };
    assert_eq!(
        (closure.function.to_string().as_str(), closure.arity, closure.free),
        ("-handle_call/3-fun-0-/2", 1, 1)
    );
    assert_eq!(functions(&module.function("handle_call", 3).unwrap().calls), "-handle_call/3-fun-0-/2");
}

#[test]
fn own_conversions_are_told_from_those_that_do_nothing() {
    let folder = scratch("survey-conversions");
    let server = |name: &str, body: &str| {
        let text = format!("-module({name}).\n-compile(export_all).\n-compile(nowarn_export_all).\n{body}");
        erlang(&folder, name, &text).code_change
    };
    let trivial = [
        "code_change(_, S, _) -> {ok, S}.",
        "code_change(_, S, D, _) -> {ok, S, D}.",
        "system_code_change(M, _, _, _) -> {ok, M}.",
        "code_change(_, S, _) -> {ok, S}. code_change(_, S, D, _) -> {ok, S, D}.",
    ];
    for (index, body) in trivial.iter().enumerate() {
        assert_eq!(server(&format!("trivial{index}"), body), CodeChange::Trivial, "{body}");
    }
    let own = [
        "code_change(_, {s, N}, _) -> {ok, {s, N, 0}}.",
        "code_change(_, S, _) when is_tuple(S) -> {ok, S}.",
        "code_change(V, _, _) -> {ok, V}.",
        "code_change(_, S, E) -> {ok, {S, E}}.",
        "code_change({down, _}, S, _) -> {error, S}; code_change(_, S, _) -> {ok, S}.",
        "code_change(_, S, _) -> convert(S). convert(S) -> {ok, S}.",
        "code_change(_, S, _) -> {error, S}.",
        "code_change(_, S, D, _) -> {ok, D, S}.",
        "code_change(_, S, _) -> {ok, S}. code_change(_, S, D, _) -> {ok, S, [D]}.",
    ];
    for (index, body) in own.iter().enumerate() {
        assert_eq!(server(&format!("own{index}"), body), CodeChange::Own, "{body}");
    }
    assert_eq!(server("none", "code_changes(_, S, _) -> {ok, S}."), CodeChange::None);
    // what nobody can call converts nothing
    let hidden =
        "-module(hidden).\n-export([f/0]).\nf() -> code_change(a, b, c).\ncode_change(_, S, _) -> {ok, [S]}.";
    assert_eq!(erlang(&folder, "hidden", hidden).code_change, CodeChange::None);
}

#[test]
fn special_modules_of_erlang() {
    let folder = scratch("survey-special");
    let text = "-module(special). -vsn(\"2.1\"). -behavior(supervisor). -on_load(load/0).
        -export([loop/0, system_code_change/4, init/1]).
        load() -> erlang:load_nif(\"x\", 0).
        init(_) -> {ok, {#{strategy => one_for_one}, []}}.
        loop() -> receive {stop, X} -> X; _ -> loop() after 100 -> loop() end.
        system_code_change(Misc, _, _, _) -> {ok, [Misc]}.";
    let module = erlang(&folder, "special", text);
    assert!(module.has_on_load && module.loads_nif && module.receives && module.is_special_process);
    assert_eq!((module.vsn.as_deref(), module.has_own_vsn), (Some("\"2.1\""), true));
    assert_eq!((names(&module.behaviours), module.code_change), ("supervisor".to_owned(), CodeChange::Own));
    assert!(module.maps.built.contains("strategy"));
}

/// `beam_lib:strip/1` takes the attributes away.
#[test]
fn behaviours_of_stripped_modules_are_inferred() {
    let folder = scratch("survey-stripped");
    let behaviours = |name: &str, body: &str| {
        let text = format!("-module({name}).\n-compile(export_all).\n-compile(nowarn_export_all).\n{body}");
        let whole = erlang(&folder, name, &text);
        assert_eq!(names(&whole.behaviours), "");
        let stripped = strip(&folder, name);
        assert_eq!((stripped.vsn, stripped.functions), (None, whole.functions));
        names(&stripped.behaviours)
    };
    let server = "init(X) -> X. handle_call(X, _, _) -> X. handle_cast(X, _) -> X.";
    assert_eq!(behaviours("server", server), "gen_server");
    assert_eq!(
        behaviours("both", &format!("{server} start(X, _) -> X. stop(X) -> X.")),
        "application gen_server"
    );
    assert_eq!(behaviours("statem", "init(X) -> X. callback_mode() -> state_functions."), "gen_statem");
    assert_eq!(
        behaviours("event", "init(X) -> X. handle_event(X, _) -> X. handle_call(X, _) -> X."),
        "gen_event"
    );
    let start = "start_link() -> supervisor:start_link(?MODULE, []).";
    assert_eq!(behaviours("tree", &format!("{start} init(X) -> X.")), "supervisor");
    assert_eq!(behaviours("starter", &format!("{start} {server}")), "gen_server");
    assert_eq!(behaviours("plain", "init(X) -> X."), "");
}

const ELIXIR: &str = r#"
defmodule Beacon.Point do
  defstruct x: 1, y: "south", z: nil
end
defmodule Beacon.Counter do
  use GenServer
  def start_link(options), do: GenServer.start_link(__MODULE__, options)
  @impl true
  def init(_), do: {:ok, %{count: 0, at: %Beacon.Point{}}}
  @impl true
  def handle_call(:next, _from, %{count: count} = state), do: {:reply, state.limit, %{state | at: count}}
end
defmodule Beacon.Careful do
  use GenServer
  @vsn "7"
  def init(_), do: {:ok, 0}
  def code_change(_old, state, _extra), do: {:ok, {state, 1}}
end
defmodule Beacon.Tree do
  use Supervisor
  def init(_), do: Supervisor.init([Beacon.Counter], strategy: :one_for_one)
end
"#;

#[test]
fn modules_of_elixir() {
    let modules = elixir(&scratch("survey-elixir"), ELIXIR);
    let point = modules["Elixir.Beacon.Point"].structure.clone().unwrap();
    let expected = [("x", "1"), ("y", "<<\"south\">>"), ("z", "nil")];
    assert_eq!(point, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());

    let counter = &modules["Elixir.Beacon.Counter"];
    assert_eq!(names(&counter.behaviours), "Elixir.GenServer");
    assert_eq!((counter.code_change, counter.has_own_vsn), (CodeChange::Trivial, false), "{:?}", counter.vsn);
    assert!(counter.mentions.contains("Elixir.Beacon.Point"), "{:?}", counter.mentions);
    assert!(!counter.mentions.contains("Elixir.Beacon.Counter"));
    assert!(
        ["count", "limit", "at"].iter().all(|key| counter.maps.read.contains(*key)),
        "{:?}",
        counter.maps
    );
    assert!(["count", "at", "x"].iter().all(|key| counter.maps.built.contains(*key)), "{:?}", counter.maps);
    assert!(!counter.maps.built.contains("limit"));

    let careful = &modules["Elixir.Beacon.Careful"];
    assert_eq!((careful.code_change, careful.has_own_vsn), (CodeChange::Own, true), "{:?}", careful.vsn);
    let tree = &modules["Elixir.Beacon.Tree"];
    assert_eq!(
        (names(&tree.behaviours), tree.code_change),
        ("Elixir.Supervisor".to_owned(), CodeChange::None)
    );
}

/// Two versions of a module: which of the functions of both are other ones, and which of these in values only.
fn compare(folder: &str, old: &str, new: &str) -> (String, String) {
    let [old, new] = [old, new].map(|text| erlang(&scratch(folder), "m", &format!("-module(m).\n{text}")));
    assert_ne!(old.digest, new.digest);
    let differ = |what: fn(&Module) -> BTreeMap<&FunctionName, u64>| {
        let (old, new) = (what(&old), what(&new));
        functions(
            old.into_iter()
                .filter(|(name, it)| new.get(*name).is_some_and(|other| other != it))
                .map(|it| it.0),
        )
    };
    let skeletons = differ(|module| module.functions.iter().map(|(name, it)| (name, it.skeleton)).collect());
    (differ(|module| module.functions.iter().map(|(name, it)| (name, it.digest)).collect()), skeletons)
}

#[test]
fn a_function_that_nobody_changed_is_the_same() {
    // one with everything whose number moves: atoms, imports, literals, labels, strings, closures, calls
    let same = "same(X, <<\"head\", Rest/binary>>) ->
            F = fun(Y) -> lists:reverse([Y, X, \"a literal\", {b, [c]}]) end,
            case X of
                1 -> {F, fun other/1, other(Rest)};
                2.5 -> <<\"made\", X:16, Rest/binary>>;
                123456789012345678901234567890 -> #{a => X, b => [F, \"more\"]};
                _ when is_map(X) -> #{a := Z} = X, maps:get(Z, X);
                _ -> try other(X) catch error:E -> {E, same(E, Rest)} end
            end.
        other(X) -> binary:part(X, 0, 1).";
    let old = format!("-export([same/2, first/0]).\nfirst() -> one.\n{same}");
    let new = format!(
        "-export([zero/1, same/2, first/0]).\n\n\nzero(X) -> F = fun() -> io:format(\"zero ~p\", [X]) end, {{F, \"made up\", <<\"x\", X/binary>>}}.\n\
         first() -> {{two, file:cwd()}}.\n\n{same}"
    );
    assert_eq!(compare("same", &old, &new), ("first/0".to_owned(), "first/0".to_owned()));
}

#[test]
fn a_change_shows_in_the_function_that_was_changed_alone() {
    let text = |body: &str| format!("-export([f/1, g/1]).\ng(X) -> {{f(X), 1}}.\nf(X) -> {body}.");
    let both = ("f/1".to_owned(), "f/1".to_owned());
    let values = ("f/1".to_owned(), String::new());
    let cases = [
        ("{a, X}", "{b, X}", &both),
        ("{a, X}", "{a, X, X}", &both),
        ("lists:sort(X)", "lists:usort(X)", &both),
        ("{X, [a, b]}", "{X, [a, c]}", &both),
        ("#{a => 1, b => X}", "#{a => 1, c => X}", &both),
        ("#{a => 1, x => X}", "#{b => 1, x => X}", &both),
        ("case X of 1 -> a; _ -> b end", "case X of 1 -> b; _ -> a end", &both),
        ("{limit, 5, X}", "{limit, 7, X}", &values),
        ("{X, 5000000000000000000000}", "{X, 7000000000000000000000}", &values),
        ("{X, \"some\", <<\"text\">>, 1.5}", "{X, \"other\", <<\"texts\">>, 2.5}", &values),
        ("X + 1", "X + 2", &values),
        ("<<\"abc\", X/binary>>", "<<\"abd\", X/binary>>", &values),
        ("<<\"abc\", Y/binary>> = X, Y", "<<\"abd\", Y/binary>> = X, Y", &values),
    ];
    for (index, (old, new, expected)) in cases.into_iter().enumerate() {
        assert_eq!(&compare(&format!("change-{index}"), &text(old), &text(new)), expected, "{old} | {new}");
    }
}

/// Nothing of the installed OTP and Elixir is too new, too large or names too much.
#[test]
fn every_module_of_the_installation_is_surveyed() {
    let mut surveyed = 0;
    for path in installed_modules() {
        let (name, module) = survey_file(&path);
        assert_eq!(path.file_stem().and_then(|stem| stem.to_str()), Some(name.as_str()));
        assert!(module.functions.len() >= module.exports.len(), "{name}");
        surveyed += 1;
    }
    assert!(surveyed > 500, "{surveyed}");
}

/// A file of some kilobytes cannot have an inventory of gigabytes.
#[test]
fn a_module_that_names_too_much_is_refused() {
    let name = "x".repeat(250);
    let atoms = [&2_u32.to_be_bytes()[..], &[1, b'a', 250], name.as_bytes()].concat();
    let rows: Vec<u8> =
        (0..60_000_u32).flat_map(|row| [2, 2, row % 256].map(u32::to_be_bytes).concat()).collect();
    let closures: Vec<u8> =
        (0..60_000_u32).flat_map(|row| [2, 3, 1, row, 0, 0].map(u32::to_be_bytes).concat()).collect();
    let table = |rows: &[u8]| [&60_000_u32.to_be_bytes()[..], rows].concat();
    let file = |chunks: &[(&[u8; 4], &[u8])]| {
        let mut body = b"BEAM".to_vec();
        for (id, content) in chunks {
            body.extend_from_slice(*id);
            body.extend_from_slice(&u32::try_from(content.len()).unwrap().to_be_bytes());
            body.extend_from_slice(content);
            body.resize(body.len().next_multiple_of(4), 0);
        }
        let whole = [&b"FOR1"[..], &u32::try_from(body.len()).unwrap().to_be_bytes(), &body].concat();
        // compressed it is small, and that counts
        gzip(&whole)
    };
    let closures = file(&[(b"AtU8", &atoms), (b"FunT", &table(&closures))]);
    assert!(closures.len() < 300_000, "{}", closures.len());
    assert_eq!(survey::module(&closures), Err(SurveyError::TooManyNames));
    let imports = file(&[(b"AtU8", &atoms), (b"ImpT", &table(&rows))]);
    assert_eq!(survey::module(&imports), Err(SurveyError::TooManyNames));
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut encoder, bytes).unwrap();
    encoder.finish().unwrap()
}
