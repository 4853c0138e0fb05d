defmodule Beacon.Application do
  @moduledoc "Starts beacon's tree, and ends it without losing a request."
  use Application

  @impl true
  def start(_type, _args) do
    say("starting, os pid #{System.pid()}, node #{node()}")
    Beacon.Boot.check!()
    if env(:ignore_sigterm), do: :ok = :os.set_signal(:sigterm, :ignore)

    http = %{name: Beacon.Http, port: env(:port), handler: &Beacon.Router.call/1}

    children = [
      Beacon.Counter,
      Beacon.Lookout,
      Beacon.Ballast,
      Beacon.Health,
      :skiff.child_spec(http)
    ]

    with {:ok, pid} <- Supervisor.start_link(children, strategy: :one_for_one, name: Beacon.Supervisor) do
      say("listening on port #{env(:port)}")
      IO.puts(:stderr, "beacon: #{length(children)} services started")
      {:ok, pid}
    end
  end

  @doc "Called before the tree goes: no new connections, those in flight get `DRAIN_MS`."
  @impl true
  def prep_stop(state) do
    say("stopping: requests in flight may finish")
    {:left, left} = :skiff.drain(Beacon.Http, env(:drain_ms))
    say("drained, #{left} connections left")
    state
  end

  @impl true
  def stop(_state), do: say("stopped")

  defp say(text), do: IO.puts("beacon #{Beacon.version()}: #{text}")

  defp env(key), do: Application.fetch_env!(:beacon, key)
end
