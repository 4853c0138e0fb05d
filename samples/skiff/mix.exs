defmodule Skiff.MixProject do
  use Mix.Project

  def project, do: [app: :skiff, version: "1.0.0", deps: []]

  def application, do: []
end
