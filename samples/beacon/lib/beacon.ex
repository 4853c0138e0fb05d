defmodule Beacon do
  @moduledoc "A lighthouse keeper over HTTP: the sample that Bellrock's tests and demo deploy."

  @doc "The version that the running release says it has."
  def version, do: to_string(Application.spec(:beacon, :vsn))
end
