defmodule Beacon.Fork do
  @moduledoc "OS children that do not want to end: they ignore SIGTERM and leave beacon's session."

  @stay "trap '' TERM HUP INT; echo $$; exec sleep 3600 </dev/null >/dev/null 2>&1"

  @doc """
  Starts one and answers its OS pid. `setsid`: a child in a session of its own; `double`: one
  whose parents have ended as well, as a daemon does.
  """
  def spawn("setsid"), do: shell("exec setsid -w sh -c \"$STAY\"")
  def spawn("double"), do: shell("setsid sh -c 'sh -c \"$STAY\" &'")

  defp shell(command) do
    env = [{'STAY', to_charlist(@stay)}]
    port = Port.open({:spawn_executable, "/bin/sh"}, [:binary, line: 80, args: ["-c", command], env: env])

    receive do
      {^port, {:data, {:eol, pid}}} -> String.to_integer(pid)
    after
      5_000 -> raise "the child did not say its pid"
    end
  end
end
