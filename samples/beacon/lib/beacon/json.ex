defmodule Beacon.Json do
  @moduledoc "JSON text of flat maps: OTP 25 has no encoder."

  def encode(%{} = map) do
    fields = map |> Enum.sort() |> Enum.map_intersperse(",", fn {k, v} -> [encode(to_string(k)), ":", encode(v)] end)
    ["{", fields, "}"]
  end

  def encode(nil), do: "null"
  def encode(value) when is_boolean(value) or is_integer(value), do: to_string(value)
  def encode(text) when is_binary(text), do: [?", for(<<char::utf8 <- text>>, do: escape(char)), ?"]

  defp escape(?"), do: "\\\""
  defp escape(?\\), do: "\\\\"
  defp escape(char) when char < 32, do: :io_lib.format("\\u~4.16.0b", [char])
  defp escape(char), do: <<char::utf8>>
end
