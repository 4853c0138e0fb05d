defmodule Beacon.Ballast do
  @moduledoc "Memory that is never given back: what `/leak` leaks."
  use Agent

  def start_link(_), do: Agent.start_link(fn -> [] end, name: __MODULE__)

  @doc "Takes that many megabytes more and answers how many are held."
  def take(megabytes) do
    # copied, so that every page is written and counts as resident
    blocks = for _ <- 1..megabytes//1, do: :binary.copy(<<7>>, 1_000_000)

    Agent.get_and_update(__MODULE__, fn held ->
      held = blocks ++ held
      {length(held), held}
    end)
  end
end
