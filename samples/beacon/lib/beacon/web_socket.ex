defmodule Beacon.WebSocket do
  @moduledoc """
  `/ws`: echoes text and binary messages, fragmented ones as one; answers pings; closes properly,
  with 1001 when beacon stops (RFC 6455).
  """
  import Bitwise

  @guid "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
  @max_message 16_000_000

  @continuation 0
  @text 1
  @binary 2
  @close 8
  @ping 9
  @pong 10

  def upgrade(%{headers: %{"upgrade" => upgrade, "sec-websocket-key" => key}} = request) do
    if String.downcase(upgrade) == "websocket" do
      accept = Base.encode64(:crypto.hash(:sha, key <> @guid))

      headers = [
        {"upgrade", "websocket"},
        {"connection", "Upgrade"},
        {"sec-websocket-accept", accept}
      ]

      {:upgrade, headers, &serve(&1, &2, request)}
    else
      upgrade(nil)
    end
  end

  def upgrade(_), do: {426, [{"upgrade", "websocket"}], "this page speaks WebSocket\n"}

  defp serve(socket, buffer, request) do
    if :skiff.draining(request), do: go_away(socket), else: loop(socket, buffer, nil)
  end

  # `partial` is nil or {opcode, data so far} of a fragmented message
  defp loop(socket, buffer, partial) do
    case parse(buffer) do
      {:ok, frame, rest} -> frame(frame, socket, rest, partial)
      :more -> wait(socket, buffer, partial)
      {:error, status} -> close(socket, status)
    end
  end

  defp wait(socket, buffer, partial) do
    :inet.setopts(socket, active: :once)

    receive do
      {:tcp, ^socket, data} -> loop(socket, buffer <> data, partial)
      {:tcp_closed, ^socket} -> :ok
      {:tcp_error, ^socket, _} -> :ok
      {:skiff, :drain} -> go_away(socket)
    end
  end

  defp go_away(socket), do: close(socket, 1001)

  defp frame({_fin, @ping, data}, socket, rest, partial) do
    send_frame(socket, @pong, data)
    loop(socket, rest, partial)
  end

  defp frame({_fin, @pong, _data}, socket, rest, partial), do: loop(socket, rest, partial)
  defp frame({_fin, @close, data}, socket, _rest, _partial), do: send_frame(socket, @close, data)

  defp frame({1, opcode, data}, socket, rest, nil) when opcode in [@text, @binary] do
    send_frame(socket, opcode, data)
    loop(socket, rest, nil)
  end

  defp frame({0, opcode, data}, socket, rest, nil) when opcode in [@text, @binary],
    do: loop(socket, rest, {opcode, data})

  defp frame({fin, @continuation, data}, socket, rest, {opcode, so_far}) do
    whole = so_far <> data

    cond do
      byte_size(whole) > @max_message -> close(socket, 1009)
      fin == 0 -> loop(socket, rest, {opcode, whole})
      true -> frame({1, opcode, whole}, socket, rest, nil)
    end
  end

  defp frame(_, socket, _rest, _partial), do: close(socket, 1002)

  defp parse(<<_fin::1, _rsv::3, _op::4, 0::1, _::7, _::binary>>), do: {:error, 1002}
  defp parse(<<_fin::1, rsv::3, _::4, _::binary>>) when rsv != 0, do: {:error, 1002}
  defp parse(<<f::1, _::3, op::4, 1::1, 126::7, n::16, rest::binary>>), do: payload(f, op, n, rest)
  defp parse(<<f::1, _::3, op::4, 1::1, 127::7, n::64, rest::binary>>), do: payload(f, op, n, rest)

  defp parse(<<f::1, _::3, op::4, 1::1, n::7, rest::binary>>) when n < 126,
    do: payload(f, op, n, rest)

  defp parse(_), do: :more

  defp payload(_fin, _op, n, _rest) when n > @max_message, do: {:error, 1009}
  defp payload(_fin, op, n, _rest) when op >= @close and n > 125, do: {:error, 1002}

  defp payload(fin, op, n, rest) do
    case rest do
      <<key::binary-4, data::binary-size(n), rest::binary>> -> {:ok, {fin, op, unmask(data, key)}, rest}
      _ -> :more
    end
  end

  defp unmask(data, key) do
    mask = key |> :binary.copy(div(byte_size(data), 4) + 1) |> binary_part(0, byte_size(data))
    :crypto.exor(data, mask)
  end

  defp close(socket, status), do: send_frame(socket, @close, <<status::16>>)

  defp send_frame(socket, opcode, data) do
    :gen_tcp.send(socket, [<<1 <<< 7 ||| opcode>>, length_field(byte_size(data)), data])
  end

  defp length_field(n) when n < 126, do: <<n>>
  defp length_field(n) when n < 65_536, do: <<126, n::16>>
  defp length_field(n), do: <<127, n::64>>
end
