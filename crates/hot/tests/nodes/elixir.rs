//! Elixir: a struct as state, and a root supervisor whose children no module holds.

use hot::{Supervisor, Which};

use crate::lab::{Lab, converted, hot};
use crate::shop::term;

const ONE: &str = r#"
defmodule Shop.Cart do
  use GenServer
  defstruct items: 0
  def start_link(_), do: GenServer.start_link(__MODULE__, [], name: __MODULE__)
  def init(_), do: {:ok, %__MODULE__{}}
  def handle_call(:add, _, %__MODULE__{items: n} = s), do: {:reply, Map.from_struct(%{s | items: n + 1}), %{s | items: n + 1}}
end
defmodule Shop.Clock do
  use Agent
  def start_link(_), do: Agent.start_link(fn -> 7 end, name: __MODULE__)
end
defmodule Shop do
  use Application
  def start(_, _), do: Supervisor.start_link([Shop.Cart, Shop.Clock], strategy: :one_for_one, name: Shop.Supervisor)
end
"#;
const TWO: &str = r#"
defmodule Shop.Cart do
  use GenServer
  defstruct items: 0, currency: :euro
  def start_link(_), do: GenServer.start_link(__MODULE__, [], name: __MODULE__)
  def init(_), do: {:ok, %__MODULE__{}}
  def handle_call(:add, _, %__MODULE__{items: n} = s), do: {:reply, Map.from_struct(%{s | items: n + 1}), %{s | items: n + 1}}
  def code_change(_, s, _), do: {:ok, Map.put_new(s, :currency, :crown)}
end
defmodule Shop.Extra do
  use Agent
  def start_link(_), do: Agent.start_link(fn -> 8 end, name: __MODULE__)
end
defmodule Shop do
  use Application
  def start(_, _), do: Supervisor.start_link([Shop.Extra, Shop.Cart], strategy: :one_for_one, max_restarts: 9, name: Shop.Supervisor)
end
"#;

#[tokio::test]
async fn a_struct_is_converted_and_the_usual_root_takes_new_children() {
    let Some(paths) = testkit::nodes::elixir() else { return };
    let arguments: Vec<&str> = ["-pa"].into_iter().chain(paths.iter().map(String::as_str)).collect();
    let lab = Lab::new("elixir", &arguments).await;
    let one = lab.compile_elixir("1", ONE);
    let two = lab.compile_elixir("2", TWO);
    lab.load(&one).await;
    lab.eval(
        "{ok, _} = application:ensure_all_started(elixir),
        ok = application:load({application, shop, [{vsn, \"1\"}, {mod, {'Elixir.Shop', []}}]}), ok = application:start(shop),
        #{items := 1} = 'Elixir.GenServer':call('Elixir.Shop.Cart', add)",
    )
    .await;
    let mut up = lab.up("up", &one, &two).await;
    up.processes.push(converted("Elixir.Shop.Cart"));
    // what the new version's start/2 would start, as a throwaway VM hands it back
    let child = |name: &str| format!("#{{id => '{name}', start => {{'{name}', start_link, [[]]}}}}");
    let argument = format!(
        "{{ok, {{#{{strategy => one_for_one, intensity => 9, period => 5}}, [{}, {}]}}}}",
        child("Elixir.Shop.Extra"),
        child("Elixir.Shop.Cart")
    );
    up.supervisors.push(Supervisor {
        which: Which::RootOf("shop".into()),
        argument: Some(term(&argument)),
        restart: Vec::new(),
    });
    let pids = "{whereis('Elixir.Shop.Supervisor'), whereis('Elixir.Shop.Cart')}";
    let before = lab.text(pids).await;
    let installed = hot(lab.install(&up).await);
    assert_eq!(installed.converted, 1);
    assert_eq!(lab.text(pids).await, before);
    let told = "{lists:sort(maps:to_list('Elixir.GenServer':call('Elixir.Shop.Cart', add))),
        [Id || {Id, Pid, _, _} <- supervisor:which_children('Elixir.Shop.Supervisor'), is_pid(Pid)],
        'Elixir.Agent':get('Elixir.Shop.Extra', fun(N) -> N end), whereis('Elixir.Shop.Clock')}";
    assert_eq!(
        lab.text(told).await,
        "{[{currency,crown},{items,2}],['Elixir.Shop.Cart','Elixir.Shop.Extra'],8,undefined}"
    );
    // and a crash starts what the new specification says
    let told = "Was = whereis('Elixir.Shop.Extra'), exit(Was, kill),
        (fun Wait() -> case whereis('Elixir.Shop.Extra') of undefined -> Wait(); Was -> Wait(); Now -> is_pid(Now) end end)()";
    assert_eq!(lab.text(told).await, "true");
}
