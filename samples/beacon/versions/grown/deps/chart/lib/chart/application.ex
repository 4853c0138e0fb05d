defmodule Chart.Application do
  @moduledoc "Holds the chart."
  use Application

  @impl true
  def start(_type, _args) do
    Supervisor.start_link([Chart], strategy: :one_for_one, name: Chart.Supervisor)
  end
end
