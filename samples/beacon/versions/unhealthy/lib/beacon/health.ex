defmodule Beacon.Health do
  @moduledoc """
  Says whether beacon may have traffic: at first it may, then, `FAIL_HEALTH_AFTER_MS` (default
  5000) after it was first found ready, it fails for good.
  """
  use Agent

  def start_link(_) do
    warm = now() + Application.fetch_env!(:beacon, :warmup_ms)
    Agent.start_link(fn -> {:warming, warm} end, name: __MODULE__)
  end

  def check, do: Agent.get_and_update(__MODULE__, &check(&1, now()))

  defp check({:warming, until} = state, now) when now < until, do: {{:error, "warming up"}, state}
  defp check({:warming, _}, now), do: {:ok, {:ready, now + fail_after_ms()}}
  defp check({:ready, until} = state, now) when now < until, do: {:ok, state}
  defp check(state, _now), do: {{:error, "connection pool exhausted"}, state}

  defp fail_after_ms, do: "FAIL_HEALTH_AFTER_MS" |> System.get_env("5000") |> String.to_integer()

  defp now, do: System.monotonic_time(:millisecond)
end
