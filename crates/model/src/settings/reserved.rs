//! Environment variables that settings may not say, because Bellrock does.

/// A name that is kept, or with a `*` at its end the beginning of such names.
struct Reserved {
    name: &'static str,
    why: &'static str,
    remedy: &'static str,
}

const fn kept(name: &'static str, why: &'static str, remedy: &'static str) -> Reserved {
    Reserved { name, why, remedy }
}

const DUMPS: &str = "is given by Bellrock, so that crash dumps stay bounded";
const HEART: &str = "would let `heart` restart the app behind Bellrock's back";
const SCRIPT: &str = "is given by Bellrock to the release's start script";
const SYSTEMD: &str = "belongs to systemd and the daemon, not to an app";

const RESERVED: [Reserved; 15] = [
    kept("PORT", "is given by Bellrock to each instance", "say `port`"),
    kept("BELLROCK_*", "is kept for what Bellrock tells the app", "choose another name"),
    kept("RELEASE_*", SCRIPT, "choose another name"),
    kept("RELX_REPLACE_OS_VARS", SCRIPT, "remove it"),
    kept("RELX_OUT_FILE_PATH", SCRIPT, "remove it"),
    kept("ERL_CRASH_DUMP", DUMPS, "say `crash_dumps`"),
    kept("ERL_CRASH_DUMP_SECONDS", DUMPS, "say `crash_dumps`"),
    kept("ERL_CRASH_DUMP_BYTES", DUMPS, "say `crash_dumps`"),
    kept("HEART_COMMAND", HEART, "remove it; Bellrock restarts the app"),
    kept("HEART_BEAT_TIMEOUT", HEART, "remove it; Bellrock restarts the app"),
    kept("NOTIFY_SOCKET", SYSTEMD, "remove it"),
    kept("WATCHDOG_USEC", SYSTEMD, "remove it"),
    kept("WATCHDOG_PID", SYSTEMD, "remove it"),
    kept("LISTEN_FDS", SYSTEMD, "remove it"),
    kept("LISTEN_PID", SYSTEMD, "remove it"),
];

impl Reserved {
    fn covers(&self, name: &str) -> bool {
        match self.name.strip_suffix('*') {
            Some(beginning) => name.starts_with(beginning),
            None => name == self.name,
        }
    }
}

/// Why an app's variable of this name is refused, and what to do instead; `None` = it is free.
pub fn reserved_variable(name: &str) -> Option<(&'static str, &'static str)> {
    let found = RESERVED.iter().find(|reserved| reserved.covers(name))?;
    Some((found.why, found.remedy))
}

/// Each kept name with its reason, for the reference.
pub(super) fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    RESERVED.iter().map(|reserved| (reserved.name, reserved.why))
}
