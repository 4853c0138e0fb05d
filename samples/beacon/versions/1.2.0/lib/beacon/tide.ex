defmodule Beacon.Tide do
  @moduledoc "A tide table that any sailor would laugh at."

  # from one high water to the next: 12 h 25 min
  @cycle_s 44_700

  @doc "`rising` or `falling` at that Unix time."
  def at(seconds) do
    if rem(seconds, @cycle_s) < div(@cycle_s, 2), do: "falling", else: "rising"
  end
end
