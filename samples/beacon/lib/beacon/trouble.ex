defmodule Beacon.Trouble do
  @moduledoc "Pages that hurt: what a supervisor of apps has to cope with."

  alias Beacon.{Ballast, Counter, Fork, Noise}

  @doc """
  `how=process`: a bug crashes the counter, which is restarted; the request gets a 500.
  `how=vm` (default): it crashes until the supervisors give up, the permanent application ends
  and takes the VM with it (exit status 1, erl_crash.dump).
  """
  def crash(request) do
    case :skiff.param("how", request, "vm") do
      "process" -> Counter.add(:not_a_number)
      "vm" -> {200, [], "crashing\n", &crash_for_good/0}
      _ -> {400, [], "how=process or how=vm\n"}
    end
  end

  defp crash_for_good do
    spawn(fn ->
      for _ <- Stream.cycle([:again]) do
        catch_exit(fn -> Counter.add(:not_a_number) end)
      end
    end)
  end

  defp catch_exit(fun) do
    fun.()
  catch
    :exit, _ -> :ok
  end

  def exit(request) do
    status = :skiff.int_param("status", request, 0)
    {200, [], "exiting with #{status}\n", fn -> System.halt(status) end}
  end

  def leak(request) do
    held = Ballast.take(:skiff.int_param("mb", request, 10))
    IO.puts(:stderr, "beacon: #{held} MB leaked")
    {200, [], "#{held}\n"}
  end

  def fork(request) do
    case :skiff.param("how", request, "setsid") do
      how when how in ["setsid", "double"] -> {200, [], "#{Fork.spawn(how)}\n"}
      _ -> {400, [], "how=setsid or how=double\n"}
    end
  end

  @doc "`mb` megabytes (default 10) to stdout, with `to=stderr` there; answers when all is written."
  def flood(request) do
    mb = :skiff.int_param("mb", request, 10)
    device = if :skiff.param("to", request, "stdout") == "stderr", do: :standard_error, else: :user
    Noise.flood(device, mb)
    {200, [], "#{mb}\n"}
  end

  def binary do
    Noise.binary()
    {200, [], "written\n"}
  end
end
