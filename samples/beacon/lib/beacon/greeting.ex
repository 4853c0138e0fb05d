defmodule Beacon.Greeting do
  @moduledoc "The line on beacon's front page."

  def text, do: "The lamp is lit."
end
