//! What a shim says, in the model's words.

use jiff::Timestamp;
use model::app::{ExitHow, ShimFact};
use wire::shim::{Event, Exited, Happening, How};

/// The time of a shim's event.
pub(super) fn time(event: &Event) -> Timestamp {
    i64::try_from(event.time_ms)
        .ok()
        .and_then(|ms| Timestamp::from_millisecond(ms).ok())
        .unwrap_or(Timestamp::UNIX_EPOCH)
}

/// How a run ended.
pub(crate) fn exit_how(exited: &Exited) -> ExitHow {
    match (exited.status, exited.signal) {
        _ if exited.oom => ExitHow::OutOfMemory { limit_bytes: exited.memory_limit },
        (Some(status), _) => ExitHow::Status(status),
        (None, Some(signal)) => ExitHow::Signal(signal),
        (None, None) => ExitHow::Unknown,
    }
}

/// The fact for the engine, if there is one in it; `tail` is read only where it is shown.
pub(super) fn of(event: &Event, tail: impl FnOnce() -> Option<String>) -> Option<ShimFact> {
    let at = time(event);
    match event.what.as_ref()? {
        Happening::Started(started) => {
            Some(ShimFact::Started { run: run(started.run), pid: started.pid, at })
        }
        Happening::Exited(exited) if exited.is_crash() => Some(ShimFact::Exited {
            run: run(exited.run),
            at,
            how: exit_how(exited),
            uptime_ms: exited.uptime_ms,
            crash_dump: exited.crash_dump.as_ref().map(|path| path.display().to_string()),
            tail: exited.reason.clone().or_else(tail),
        }),
        Happening::Restarting(restarting) => Some(ShimFact::BackingOff {
            until: at + std::time::Duration::from_millis(restarting.in_ms),
            consecutive: u32::try_from(restarting.consecutive).unwrap_or(u32::MAX),
        }),
        Happening::LogDropped(dropped) => Some(ShimFact::LogDropped { bytes: dropped.bytes }),
        Happening::HeartNoticed(_) => Some(ShimFact::Warning {
            text: "it runs with -heart, whose restarts Bellrock prevents; remove -heart from vm.args".into(),
        }),
        Happening::EventsLost(lost) => Some(ShimFact::Warning {
            text: format!("{} events were lost: nobody took them in time", lost.count),
        }),
        Happening::Exited(Exited { how: How::KilledAfterTimeout, .. }) => {
            Some(ShimFact::Warning { text: "it did not stop in time and was killed".into() })
        }
        Happening::Exited(_) | Happening::Began(_) | Happening::RestartForced(_) | Happening::Stopped(_) => {
            None
        }
    }
}

fn run(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kill_for_want_of_memory_is_told_as_such() {
        let killed = Exited { signal: Some(9), ..Exited::default() };
        assert_eq!(exit_how(&killed).to_string(), "signal 9");
        let by_host = Exited { oom: true, ..killed.clone() };
        assert_eq!(exit_how(&by_host).to_string(), "killed by the kernel for want of memory");
        let by_limit = Exited { memory_limit: Some(512_000_000), ..by_host };
        assert_eq!(exit_how(&by_limit).to_string(), "killed by the kernel: memory limit 512 MB reached");
    }
}
