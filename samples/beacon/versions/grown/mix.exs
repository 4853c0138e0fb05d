defmodule Beacon.MixProject do
  use Mix.Project

  # VERSION and deps/skiff are laid beside this file by `cargo xtask samples`.
  def project do
    [
      app: :beacon,
      version: "VERSION" |> File.read!() |> String.trim(),
      elixir: "~> 1.14",
      start_permanent: Mix.env() == :prod,
      deps: [{:skiff, path: "deps/skiff"}, {:chart, path: "deps/chart"}],
      releases: [beacon: [include_executables_for: [:unix], steps: [:assemble, :tar]]]
    ]
  end

  def application do
    [extra_applications: [:logger, :crypto], mod: {Beacon.Application, []}]
  end
end
