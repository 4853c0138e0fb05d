defmodule Beacon.Greeting do
  @moduledoc "The line on beacon's front page: of a new child, a new protocol implementation, a new application and a new setting."

  def text do
    watch = Application.fetch_env!(:beacon, :watch)
    "Ship at #{Beacon.Lookout.bearing()}, #{Chart.depth("fairway")} fathoms, says #{watch}."
  end
end
