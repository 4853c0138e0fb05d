defmodule Beacon.Health do
  @moduledoc "Says whether beacon may have traffic: never, its database does not answer."
  use Agent

  def start_link(_), do: Agent.start_link(fn -> :waiting end, name: __MODULE__)

  def check, do: {:error, "the database does not answer: connection refused"}
end
