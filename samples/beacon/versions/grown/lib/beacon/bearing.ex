defmodule Beacon.Bearing do
  @moduledoc "A direction, which a protocol of Elixir itself knows how to write since 1.6.0."
  defstruct [:degrees]

  defimpl String.Chars do
    def to_string(%{degrees: degrees}), do: "#{degrees}°"
  end
end
