defmodule Beacon.Router do
  @moduledoc "Which page answers which path."

  alias Beacon.{Pages, Trouble, WebSocket}

  def call(%{path: path} = request) do
    case path do
      "/" -> Pages.front()
      "/health" -> Pages.health()
      "/slow" -> Pages.slow(request)
      "/stream" -> Pages.stream(request)
      "/sse" -> Pages.sse(request)
      "/upload" -> Pages.upload(request)
      "/env" -> Pages.env(request)
      "/state" -> Pages.state(request)
      "/ws" -> WebSocket.upgrade(request)
      "/crash" -> Trouble.crash(request)
      "/exit" -> Trouble.exit(request)
      "/leak" -> Trouble.leak(request)
      "/fork" -> Trouble.fork(request)
      "/flood" -> Trouble.flood(request)
      "/binary" -> Trouble.binary()
      _ -> {404, [], "no such page\n"}
    end
  end
end
