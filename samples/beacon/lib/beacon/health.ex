defmodule Beacon.Health do
  @moduledoc "Says whether beacon may have traffic: not before `WARMUP_MS` have passed."
  use Agent

  def start_link(_), do: Agent.start_link(&now/0, name: __MODULE__)

  @doc "`:ok`, or the reason why not."
  def check do
    if up_ms() >= Application.fetch_env!(:beacon, :warmup_ms),
      do: :ok,
      else: {:error, "warming up"}
  end

  defp up_ms, do: now() - Agent.get(__MODULE__, & &1)

  defp now, do: System.monotonic_time(:millisecond)
end
