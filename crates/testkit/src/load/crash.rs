//! What was in flight inside a process that crashed by itself is not lost: it is counted apart.
//!
//! The generator cannot know of crashes, and must not guess them from what it sees: that would hide losses. Who runs
//! it says when something died ([`Report::with_crashes`](super::Report::with_crashes)); a loss is put down to a crash
//! only when it was under way at that time and looks as such a loss must: `upstream-reset` from the proxy or an
//! answer cut in the middle for an instance, a connection that ended for the proxy itself.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::fault::Fault;
use super::loss::Loss;

/// The word of the proxy's answer when an instance broke the connection.
const UPSTREAM_RESET: &str = "upstream-reset";

/// Who crashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crashed {
    /// An instance behind the proxy.
    Instance,
    /// The server that the load talks to: the proxy, or an instance when there is none.
    Server,
}

/// A crash that is known to whoever runs the load, and when it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crash {
    /// Who.
    pub who: Crashed,
    /// Not before.
    pub from: SystemTime,
    /// Not after.
    pub until: SystemTime,
}

impl Crash {
    /// At a moment that is known to within so much.
    #[must_use]
    pub fn about(who: Crashed, at: SystemTime, within: Duration) -> Crash {
        Crash { who, from: at.checked_sub(within).unwrap_or(UNIX_EPOCH), until: at + within }
    }

    pub(super) fn explains(&self, loss: &Loss) -> bool {
        let ended = loss.lost_at_unix_ms;
        let began = ended.saturating_sub(loss.lost_ms.saturating_sub(loss.sent_ms));
        let was_under_way = began <= unix_ms(self.until) && ended >= unix_ms(self.from);
        // what outlived the crash by far did not die of it
        let ended_then = ended <= unix_ms(self.until);
        was_under_way && ended_then && self.looks_like(&loss.fault)
    }

    fn looks_like(&self, fault: &Fault) -> bool {
        match (self.who, fault) {
            (Crashed::Instance, Fault::Proxy { word, .. }) => word == UPSTREAM_RESET,
            // 1006 is never sent; 1011 to 1014 are a server's or gateway's trouble (RFC 6455, IANA)
            (Crashed::Instance, Fault::Closed { code, .. }) => (1011..=1014).contains(code),
            (_, Fault::Cut { .. }) | (Crashed::Server, Fault::NoAnswer { .. }) => true,
            _ => false,
        }
    }
}

/// Milliseconds since 1970.
pub(super) fn unix_ms(at: SystemTime) -> u64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::kind::Kind;

    fn loss(began_s: u64, ended_s: u64, fault: Fault) -> Loss {
        Loss {
            sent_ms: began_s * 1000,
            lost_ms: ended_s * 1000,
            lost_at_unix_ms: 1_000_000 + ended_s * 1000,
            kind: Kind::Stream,
            sent: "GET /stream".to_owned(),
            connection: None,
            fault,
        }
    }

    fn cut() -> Fault {
        Fault::Cut { received_bytes: 7, reset: false, cause: "end".to_owned() }
    }

    fn no_answer() -> Fault {
        Fault::NoAnswer { reset: true, cause: "reset".to_owned() }
    }

    fn proxy(word: &str) -> Fault {
        Fault::Proxy { status: 502, word: word.to_owned() }
    }

    /// A crash ten seconds after the run began.
    fn crash(who: Crashed) -> Crash {
        Crash::about(who, UNIX_EPOCH + Duration::from_secs(1010), Duration::from_secs(1))
    }

    #[test]
    fn only_what_was_under_way_then_is_put_down_to_a_crash() {
        for (began, ended, expected) in
            [(9, 10, true), (2, 11, true), (9, 9, true), (2, 8, false), (9, 12, false), (12, 13, false)]
        {
            let explained = crash(Crashed::Instance).explains(&loss(began, ended, cut()));
            assert_eq!(explained, expected, "from {began} to {ended}");
        }
    }

    #[test]
    fn only_what_looks_like_it_is_put_down_to_a_crash() {
        for (fault, by_instance, by_server) in [
            (cut(), true, true),
            (proxy("upstream-reset"), true, false),
            (proxy("no-instance"), false, false),
            (no_answer(), false, true),
            (Fault::Status { status: 500 }, false, false),
            (Fault::Wrong { detail: "digest".to_owned() }, false, false),
            (Fault::Closed { code: 1011, when: "idle".to_owned() }, true, false),
            (Fault::Closed { code: 1001, when: "in a message".to_owned() }, false, false),
        ] {
            let loss = loss(9, 10, fault);
            assert_eq!(crash(Crashed::Instance).explains(&loss), by_instance, "{loss}");
            assert_eq!(crash(Crashed::Server).explains(&loss), by_server, "{loss}");
        }
    }
}
