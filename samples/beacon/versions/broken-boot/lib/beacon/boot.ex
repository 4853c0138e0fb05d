defmodule Beacon.Boot do
  @moduledoc "What must be right before anything is started."

  def check! do
    IO.puts(:stderr, "beacon: reading the lamp's settings")
    validate!(Application.get_env(:beacon, :lamp, rotation_s: nil))
  end

  defp validate!(lamp) do
    case lamp[:rotation_s] do
      seconds when is_integer(seconds) and seconds > 0 ->
        :ok

      other ->
        raise ArgumentError,
              "config :beacon, :lamp: rotation_s must be a positive number of seconds, got: #{inspect(other)}"
    end
  end
end
