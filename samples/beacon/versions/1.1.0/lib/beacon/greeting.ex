defmodule Beacon.Greeting do
  @moduledoc "The line on beacon's front page."

  def text, do: "The lamp is lit and turns every #{period_s()} seconds."

  defp period_s, do: 4
end
