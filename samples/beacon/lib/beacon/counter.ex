defmodule Beacon.Counter do
  @moduledoc "The state behind `/state`. Its state is a number."
  use GenServer

  @vsn 1

  def start_link(_), do: GenServer.start_link(__MODULE__, 0, name: __MODULE__)

  @doc "Adds, and answers what `/state` shows."
  def add(number), do: GenServer.call(__MODULE__, {:add, number})

  @impl true
  def init(count), do: {:ok, count}

  @impl true
  def handle_call({:add, number}, _from, count) do
    count = count + number
    {:reply, %{count: count}, count}
  end

  @impl true
  def code_change({:down, _vsn}, %{count: count}, _extra), do: {:ok, count}
  def code_change(_vsn, count, _extra), do: {:ok, count}
end
