//! Who a node is.

use std::time::Duration;

use beam::Term;
use beam::term::Pid;

use crate::call::{Call, CallError};
use crate::chardata;
use crate::link::Link;

/// Longest of its answers, bytes: numbers, versions and a pid.
const MOST_BYTES: usize = 4096;
/// Longest text of a version, characters.
const MOST_CHARS: usize = 64;

/// Who a node is. A node that was started again differs in `creation` (also after `init:restart()`, where the process
/// stays) or in `os_pid` (also when epmd gave the same creation twice).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// OTP's release, as `"25"`.
    pub otp: String,
    /// The version of ERTS, as `"13.1.5"`.
    pub erts: String,
    /// Which start of the node it is.
    pub creation: u32,
    /// Its process on its host.
    pub os_pid: u32,
    /// After how long a silence it gives up a connection, s.
    pub ticktime_secs: u64,
    /// The process that prints to its standard output, if it has one.
    pub(crate) user: Option<Pid>,
}

impl Identity {
    /// Asks the node, and follows its ticktime from then on.
    pub(super) async fn ask(link: &Link, within: Duration) -> Result<Self, CallError> {
        let ask = async |module, function, argument: Option<&str>| {
            link.call_for(&Call::new(module, function, argument.map(Term::atom)), within, MOST_BYTES).await
        };
        let (otp, erts, os_pid, ticktime, user) = tokio::try_join!(
            ask("erlang", "system_info", Some("otp_release")),
            ask("erlang", "system_info", Some("version")),
            ask("os", "getpid", None),
            ask("net_kernel", "get_net_ticktime", None),
            ask("erlang", "whereis", Some("user")),
        )?;
        let os_pid = chardata::text(&os_pid).parse();
        let ticktime_secs = read_ticktime(&ticktime);
        link.pace().set(ticktime_secs);
        Ok(Self {
            otp: version(&otp),
            erts: version(&erts),
            creation: link.peer_creation(),
            os_pid: os_pid.map_err(|_| CallError::Answer("os:getpid/0".to_owned()))?,
            ticktime_secs,
            user: user.as_pid().cloned(),
        })
    }
}

/// A version's text, which is short.
fn version(answer: &Term) -> String {
    chardata::text(answer).chars().take(MOST_CHARS).collect()
}

/// The seconds, also while they are being changed; OTP's default where it is neither.
fn read_ticktime(answer: &Term) -> u64 {
    let changing = answer.as_tuple().and_then(|parts| parts.get(1));
    changing.unwrap_or(answer).as_integer().and_then(|secs| u64::try_from(secs).ok()).unwrap_or(60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticktime_is_read_also_while_it_changes() {
        assert_eq!(read_ticktime(&Term::Integer(4)), 4);
        let changing = Term::tuple([Term::atom("ongoing_change_to"), Term::Integer(8)]);
        assert_eq!(read_ticktime(&changing), 8);
        assert_eq!(read_ticktime(&Term::atom("ignored")), 60);
    }
}
