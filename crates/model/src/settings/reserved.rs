//! Environment variables that settings may not say, because Bellrock does.

/// Why an app's variable of this name is refused, and what to do instead; `None` = it is free.
pub(super) fn refusal(name: &str) -> Option<(&'static str, &'static str)> {
    Some(match name {
        "PORT" => ("is given by Bellrock to each instance", "say `port`"),
        "ERL_CRASH_DUMP" | "ERL_CRASH_DUMP_SECONDS" | "ERL_CRASH_DUMP_BYTES" => {
            ("is given by Bellrock, so that crash dumps stay bounded", "say `crash_dumps`")
        }
        "HEART_COMMAND" | "HEART_BEAT_TIMEOUT" => (
            "would let `heart` restart the app behind Bellrock's back",
            "remove it; Bellrock restarts the app",
        ),
        "RELX_REPLACE_OS_VARS" | "RELX_OUT_FILE_PATH" => {
            ("is given by Bellrock to the release's start script", "remove it")
        }
        "NOTIFY_SOCKET" | "WATCHDOG_USEC" | "WATCHDOG_PID" | "LISTEN_FDS" | "LISTEN_PID"
        | "LISTEN_FDNAMES" => ("belongs to systemd and the daemon, not to an app", "remove it"),
        name if name.starts_with("BELLROCK_") => {
            ("starts with BELLROCK_, which is kept for what Bellrock tells the app", "choose another name")
        }
        name if name.starts_with("RELEASE_") => (
            "starts with RELEASE_, which Bellrock gives to the release's start script",
            "choose another name",
        ),
        _ => return None,
    })
}
