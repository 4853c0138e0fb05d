defmodule Beacon.Noise do
  @moduledoc "Output that a log keeper must survive."

  @line String.duplicate("fog ", 31) <> "end\n"

  @doc "Writes that many megabytes of lines and returns when the VM has taken them all."
  def flood(device, megabytes) do
    block = String.duplicate(@line, 512)
    for _ <- 1..div(megabytes * 1_000_000, byte_size(block))//1, do: IO.binwrite(device, block)
    IO.puts(device, "flood of #{megabytes} MB done")
  end

  @doc "Writes all 256 byte values, invalid UTF-8 and terminal escapes among them, and no line end."
  def binary do
    # with another encoding the device would turn bytes above 127 into UTF-8
    :ok = :io.setopts(:user, encoding: :latin1)
    IO.binwrite(:user, :binary.list_to_bin(Enum.to_list(0..255)))
    :ok = :io.setopts(:user, encoding: :unicode)
  end
end
