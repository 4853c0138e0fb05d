import Config

port =
  System.get_env("PORT") ||
    raise """
    environment variable PORT is missing.
    Set it to the port that beacon shall listen on, for example: PORT=4000 bin/beacon start
    """

config :beacon,
  port: String.to_integer(port),
  warmup_ms: String.to_integer(System.get_env("WARMUP_MS", "0")),
  drain_ms: String.to_integer(System.get_env("DRAIN_MS", "10000")),
  ignore_sigterm: System.get_env("IGNORE_SIGTERM") == "1",
  watch: "the watch of #{System.get_env("RELEASE_VSN")}"
