//! A release of mix: what is computed at its start, protocols, children that no module holds.

use beam::Term;
use dist::Node;
use host::lowering::{Environments, Told};
use testkit::made;
use testkit::nodes::{World, eval_with};
use upgrade::plan::Direction;

use crate::lab::{Beside, Lab, Way};
use crate::unpacked::Unpacked;

const ONE: &str = r#"
defprotocol Shop.Describe do
  @fallback_to_any true
  def it(x)
end
defimpl Shop.Describe, for: Any do
  def it(_), do: "something"
end
defmodule Shop.Cart do
  use GenServer
  defstruct items: 0
  def start_link(_), do: GenServer.start_link(__MODULE__, [], name: __MODULE__)
  def init(_), do: {:ok, %__MODULE__{}}
  def handle_call(:add, _, %__MODULE__{items: n} = s), do: {:reply, Map.from_struct(%{s | items: n + 1}), %{s | items: n + 1}}
end
defmodule Shop.Clock do
  use Agent
  def start_link(n), do: Agent.start_link(fn -> n end, name: __MODULE__)
end
defmodule Shop.Bell do
  use Agent
  def start_link(n), do: Agent.start_link(fn -> n end, name: __MODULE__)
end
defmodule Shop.Staff do
  use Supervisor
  def start_link(_), do: Supervisor.start_link(__MODULE__, [], name: __MODULE__)
  def init(_), do: Supervisor.init([], strategy: :one_for_one)
end
defmodule Shop do
  use Application
  def start(_, _), do: Supervisor.start_link([Shop.Cart, Shop.Staff], strategy: :one_for_one, name: Shop.Supervisor)
end
"#;

/// A protocol has one implementation more, a state one key more, and both supervisors a child more.
fn two() -> String {
    let changes = [
        (
            "defmodule Shop.Cart do",
            "defimpl Shop.Describe, for: List do\n  def it(x), do: \"list of #{length(x)}\"\nend\ndefmodule Shop.Cart do",
        ),
        (
            "defstruct items: 0",
            "defstruct items: 0, currency: :euro\n  def code_change(_, s, _), do: {:ok, Map.put_new(s, :currency, :crown)}",
        ),
        ("Supervisor.init([],", "Supervisor.init([{Shop.Bell, 7}],"),
        ("[Shop.Cart, Shop.Staff]", "[Shop.Cart, Shop.Staff, {Shop.Clock, 8}]"),
    ];
    changes.into_iter().fold(ONE.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replace(from, to)
    })
}

/// Compiles one version, with its protocols consolidated as `mix release` does it.
async fn make(node: &Node, world: &World, version: &str, source: &str) -> Unpacked {
    let mut release =
        made::Release::new(version, Some("Elixir.Shop"), &[]).config("[{shop, [{static, it}]}]");
    let file = |name: &str, text: &str| (format!("releases/{version}/{name}"), text.to_owned());
    release.files = vec![
        file("elixir", ""),
        file("env.sh", ""),
        file("runtime.exs", &format!("import Config # {version}")),
    ];
    let root = release.write(node, world.folder()).await;
    let file = world.folder().join(format!("{version}.ex"));
    fs_err::write(&file, source).unwrap();
    let compile = "{ok, _} = application:ensure_all_started(elixir),
        'Elixir.Code':compiler_options([{ignore_module_conflict, true}, {docs, false}, {debug_info, false}]),
        {ok, Made, _} = 'Elixir.Kernel.ParallelCompiler':compile_to_path([File], Ebin, [{return_diagnostics, false}]),
        Path = unicode:characters_to_list(Ebin),
        _ = [begin
            {ok, Whole} = 'Elixir.Protocol':consolidate(P, 'Elixir.Protocol':extract_impls(P, [Path])),
            To = filename:join(Consolidated, atom_to_list(P) ++ \".beam\"),
            ok = filelib:ensure_dir(To), ok = file:write_file(To, Whole)
        end || P <- 'Elixir.Protocol':extract_protocols([Path])],
        _ = [begin code:purge(M), code:delete(M), code:purge(M) end || M <- Made]";
    let path = |below: String| Term::binary(root.join(below).to_str().unwrap().to_owned());
    let variables = [
        ("File", Term::binary(file.to_str().unwrap().to_owned())),
        ("Ebin", path(format!("lib/shop-{version}/ebin"))),
        ("Consolidated", path(format!("releases/{version}/consolidated"))),
    ];
    eval_with(node, compile, variables).await;
    Unpacked::of(root)
}

/// What `config/runtime.exs` gives when a node starts, and what mix's script has it start by.
async fn started(lab: &Lab, root: &str) {
    let text = "{ok, _} = application:ensure_all_started(elixir),
        true = code:add_patha(Root ++ \"/releases/1/consolidated\"),
        ok = application:set_env(shop, port, 4711, [{persistent, true}]),
        ok = application:set_env(shop, rate, 1, [{persistent, true}]),
        os:putenv(\"RELEASE_SYS_CONFIG\", Root ++ \"/releases/1/sys\")";
    eval_with(&lab.node, text, [("Root", Term::string(root))]).await;
}

/// What VMs of both versions have told.
fn told() -> Told {
    let environment = |rate: i64| -> Environments {
        let keys =
            [("static", Term::atom("it")), ("port", Term::integer(4711)), ("rate", Term::integer(rate))];
        [("shop".to_owned(), keys.map(|(key, value)| (key.to_owned(), value)).into())].into()
    };
    let children = "{ok, {#{strategy => one_for_one, intensity => 3, period => 5}, [
        #{id => 'Elixir.Shop.Cart', start => {'Elixir.Shop.Cart', start_link, [[]]}},
        #{id => 'Elixir.Shop.Staff', start => {'Elixir.Shop.Staff', start_link, [[]]}, type => supervisor},
        #{id => 'Elixir.Shop.Clock', start => {'Elixir.Shop.Clock', start_link, [8]}}]}}.";
    let children = beam::text::consult(children.as_bytes()).unwrap().remove(0);
    Told {
        environments: Some((environment(1), environment(2))),
        roots: [("shop".to_owned(), children)].into(),
        ..Told::default()
    }
}

/// Section 2, a to f.
#[tokio::test]
async fn a_release_of_mix_is_left_wrong_in_five_ways() {
    let Some(paths) = testkit::nodes::elixir() else { return };
    let arguments: Vec<&str> = ["-pa"].into_iter().chain(paths.iter().map(String::as_str)).collect();
    let world = World::new().await;
    let (naive, ours) =
        tokio::join!(Lab::new(&world, "naive", &arguments), Lab::new(&world, "ours", &arguments));
    let one = make(&naive.node, &world, "1", ONE).await;
    let two = make(&naive.node, &world, "2", &two()).await;
    let root = one.root.to_str().unwrap().to_owned();
    tokio::join!(started(&naive, &root), started(&ours, &root));
    let beside = Beside::of(world, naive, ours, vec![one, two]).await;

    let configured = "lists:sort(application:get_all_env(shop))";
    let described = "'Elixir.Shop.Describe':it([a, b])";
    let cart = "lists:sort(maps:to_list('Elixir.GenServer':call('Elixir.Shop.Cart', add)))";
    let children = "{lists:member('Elixir.Shop.Clock', [Id || {Id, _, _, _} <- supervisor:which_children('Elixir.Shop.Supervisor')]),
        [{Id, is_pid(Pid)} || {Id, Pid, _, _} <- supervisor:which_children('Elixir.Shop.Staff')]}";
    let next_start = "{os:getenv(\"RELEASE_VSN\"), filename:basename(filename:dirname(os:getenv(\"RELEASE_SYS_CONFIG\")))}";
    let pids =
        "[whereis(Name) || Name <- ['Elixir.Shop.Supervisor', 'Elixir.Shop.Staff', 'Elixir.Shop.Cart']]";
    beside.both(&format!("{{{configured}, {described}, {cart}, {children}, {next_start}}}")).await;
    let before = beside.ours.text(pids).await;

    beside.offer_equal(1).await;
    beside.handler.installs("2").await;
    let naive = &beside.naive;
    assert_eq!(naive.text(configured).await, "[{static,it}]", "a: what was computed is gone");
    assert_eq!(naive.text(described).await, "<<\"something\">>", "b: the protocol does not know of lists");
    assert_eq!(
        naive.text(children).await,
        "{false,[{'Elixir.Shop.Bell',false}]}",
        "c and d: nobody was started"
    );
    assert_eq!(
        naive.text(next_start).await,
        "{\"1\",\"1\"}",
        "f: a restart in the VM is configured by version 1"
    );

    let way = Way::new(&beside.releases[0], &beside.releases[1], Direction::Up, &told());
    let installed = beside.ours.becomes_hot(&way).await;
    assert_eq!(installed.converted, 1);
    let ours = &beside.ours;
    assert_eq!(ours.text(configured).await, "[{port,4711},{rate,2},{static,it}]");
    assert_eq!(ours.text(described).await, "<<\"list of 2\">>");
    assert_eq!(ours.text(cart).await, "[{currency,crown},{items,2}]", "e: the struct is that of version 2");
    assert_eq!(ours.text(children).await, "{true,[{'Elixir.Shop.Bell',true}]}");
    let clocks = "{'Elixir.Agent':get('Elixir.Shop.Clock', fun(N) -> N end), 'Elixir.Agent':get('Elixir.Shop.Bell', fun(N) -> N end)}";
    assert_eq!(ours.text(clocks).await, "{8,7}");
    assert_eq!(ours.text(next_start).await, "{\"2\",\"2\"}");
    assert_eq!(ours.text(pids).await, before, "nobody was restarted");
}
