defmodule Beacon.Counter do
  @moduledoc "The state behind `/state`. Its state is a map since 1.3.0; it was a number before."
  use GenServer

  @vsn 2

  def start_link(_), do: GenServer.start_link(__MODULE__, %{count: 0, changes: 0}, name: __MODULE__)

  @doc "Adds, and answers what `/state` shows."
  def add(number), do: GenServer.call(__MODULE__, {:add, number})

  @impl true
  def init(state), do: {:ok, state}

  @impl true
  def handle_call({:add, number}, _from, %{count: count, changes: changes}) do
    changes = if number == 0, do: changes, else: changes + 1
    state = %{count: count + number, changes: changes}
    {:reply, state, state}
  end

  @impl true
  def code_change({:down, _vsn}, %{count: count}, _extra), do: {:ok, count}
  def code_change(1, count, _extra), do: {:ok, %{count: count, changes: 0}}
end
