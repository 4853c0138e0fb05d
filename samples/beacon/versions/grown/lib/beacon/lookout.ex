defmodule Beacon.Lookout do
  @moduledoc "Looks out, since 1.6.0."
  use GenServer

  alias Beacon.Bearing

  def start_link(_), do: GenServer.start_link(__MODULE__, %Bearing{degrees: 270}, name: __MODULE__)

  @doc "Where the ship is."
  def bearing, do: GenServer.call(__MODULE__, :bearing)

  @impl true
  def init(bearing), do: {:ok, bearing}

  @impl true
  def handle_call(:bearing, _from, bearing), do: {:reply, bearing, bearing}
end
