defmodule Beacon.Pages do
  @moduledoc "The pages of an app that is not well, whatever it said before."

  alias Beacon.{Counter, Greeting, Json}

  def front do
    json(200, %{
      app: "beacon",
      version: Beacon.version(),
      greeting: Greeting.text(),
      place: System.get_env("BELLROCK_PLACE", ""),
      instance: System.get_env("BELLROCK_INSTANCE", ""),
      pid: String.to_integer(System.pid()),
      node: to_string(node())
    })
  end

  def health, do: {503, [], "the milk has turned\n"}

  def slow(request) do
    ms = :skiff.int_param("ms", request, 1000)
    Process.sleep(ms)
    {200, [], "slept #{ms} ms\n"}
  end

  @doc "`chunks` chunks (default 5), `ms` (default 100) apart."
  def stream(request) do
    chunks = :skiff.int_param("chunks", request, 5)
    ms = :skiff.int_param("ms", request, 100)

    {:stream, 200, [{"content-type", "text/plain"}],
     fn send ->
       for n <- 1..chunks//1 do
         send.("chunk #{n}\n")
         Process.sleep(ms)
       end
     end}
  end

  @doc "An event each `ms` (default 1000) until `events` were sent, the client leaves or beacon stops."
  def sse(request) do
    ms = :skiff.int_param("ms", request, 1000)
    events = :skiff.int_param("events", request, -1)
    headers = [{"content-type", "text/event-stream"}, {"cache-control", "no-store"}]
    {:stream, 200, headers, &send_events(&1, 1, events, ms, request)}
  end

  defp send_events(_send, n, events, _ms, _request) when events >= 0 and n > events, do: :ok

  defp send_events(send, n, events, ms, request) do
    send.("id: #{n}\nevent: beam\ndata: #{Json.encode(%{n: n, version: Beacon.version()})}\n\n")

    unless :skiff.draining(request) do
      receive do
        {:skiff, :drain} -> :ok
      after
        ms -> send_events(send, n + 1, events, ms, request)
      end
    end
  end

  @doc "Counts and hashes the body as it comes in; nothing of it is kept."
  def upload(%{method: method}) when method in ["POST", "PUT"] do
    {bytes, hash} =
      :skiff_body.fold(
        fn data, {bytes, hash} -> {bytes + byte_size(data), :crypto.hash_update(hash, data)} end,
        {0, :crypto.hash_init(:sha256)}
      )

    sha256 = hash |> :crypto.hash_final() |> Base.encode16(case: :lower)
    json(200, %{bytes: bytes, sha256: sha256})
  end

  def upload(_), do: {405, [{"allow", "POST, PUT"}], "POST or PUT a body\n"}

  def env(request) do
    case System.get_env(:skiff.param("name", request, "")) do
      nil -> {404, [], "not set\n"}
      value -> {200, [], value}
    end
  end

  @doc "Shows the counter; `POST` adds 1, `incr=N` adds N."
  def state(%{method: method} = request) do
    number =
      case {:skiff.param("incr", request, nil), method} do
        {nil, "POST"} -> 1
        {nil, _} -> 0
        {_, _} -> :skiff.int_param("incr", request, 1)
      end

    json(200, Map.put(Counter.add(number), :version, Beacon.version()))
  end

  defp json(status, map) do
    {status, [{"content-type", "application/json"}], [Json.encode(map), "\n"]}
  end
end
