defmodule Beacon.Migrator do
  @moduledoc """
  Stands for a database migration: `bin/beacon eval "Beacon.Migrator.migrate"`.

  - `MIGRATION_LOG`: file that gets a line per run: OS pid, time, version
  - `MIGRATION_SLEEP_MS`: how long a run takes
  - `MIGRATION_FAIL`: set, it raises after the line is written
  - `MIGRATION_HANG`: set, it starts an OS child that ignores SIGTERM (a line `child PID`), and hangs
  """

  def migrate do
    IO.puts("migrating to #{vsn()}")
    log("#{System.pid()} #{DateTime.to_iso8601(DateTime.utc_now())} #{vsn()}")
    "MIGRATION_SLEEP_MS" |> System.get_env("0") |> String.to_integer() |> Process.sleep()
    if System.get_env("MIGRATION_HANG"), do: hang()
    if System.get_env("MIGRATION_FAIL"), do: raise("relation \"lamps\" already exists")
    IO.puts("migrated")
  end

  defp hang do
    log("child #{Beacon.Fork.spawn("setsid")}")
    Process.sleep(:infinity)
  end

  defp log(line) do
    with path when is_binary(path) <- System.get_env("MIGRATION_LOG") do
      File.write!(path, line <> "\n", [:append])
    end
  end

  # `eval` loads no application
  defp vsn do
    Application.load(:beacon)
    Beacon.version()
  end
end
