defmodule Beacon.Greeting do
  @moduledoc "The line on beacon's front page."

  alias Beacon.Tide

  def text, do: "The lamp is lit; the tide is #{Tide.at(System.os_time(:second))}."
end
