defmodule Beacon.Boot do
  @moduledoc "What must be right before anything is started."

  def check!, do: :ok
end
