//! What a node says of itself, asked once for each connection.

use std::time::Duration;

use beam::Term;
use dist::{Call, CallError, Identity, Node};
use jiff::Timestamp;

use crate::clock;

/// Longest text of a version, characters.
const MOST_CHARS: usize = 64;

/// What a node says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeFacts {
    /// OTP's release, as `25`.
    pub otp: String,
    /// The version of ERTS, as `13.1.5`.
    pub erts: String,
    /// The version of Elixir, where it is loaded.
    pub elixir: Option<String>,
    /// Schedulers online, once it was told.
    pub schedulers: Option<u32>,
    /// When its virtual machine was started, once it was told. `init:restart/0` does not change it.
    pub started_at: Option<Timestamp>,
}

impl NodeFacts {
    /// What the connection itself has told.
    pub(super) fn of(identity: &Identity) -> Self {
        let Identity { otp, erts, .. } = identity;
        NodeFacts { otp: otp.clone(), erts: erts.clone(), elixir: None, schedulers: None, started_at: None }
    }

    /// The same with what the node is asked for.
    pub(super) async fn ask(mut self, node: &Node, within: Duration) -> Result<Self, CallError> {
        let elixir = Call::new("application", "get_key", [Term::atom("elixir"), Term::atom("vsn")]);
        let schedulers = Call::new("erlang", "system_info", [Term::atom("schedulers_online")]);
        let uptime = Call::new("erlang", "statistics", [Term::atom("wall_clock")]);
        let (elixir, schedulers, uptime) = tokio::try_join!(
            node.call(&elixir, within),
            node.call(&schedulers, within),
            node.call(&uptime, within)
        )?;
        self.elixir = read_version(&elixir);
        self.schedulers = schedulers.as_integer().and_then(|count| u32::try_from(count).ok());
        self.started_at = read_uptime(&uptime).and_then(|up| clock::now().checked_sub(up).ok());
        Ok(self)
    }
}

/// `{ok, "1.14.0"}`, or `undefined` where there is no such application.
fn read_version(answer: &Term) -> Option<String> {
    match answer.as_tuple()? {
        [ok, version] if ok.as_atom() == Some("ok") => {
            let plain = version.as_text()?.chars().filter(|c| !c.is_control()).take(MOST_CHARS).collect();
            Some(plain)
        }
        _ => None,
    }
}

/// `{Total, SinceLastCall}`, ms.
fn read_uptime(answer: &Term) -> Option<Duration> {
    let total = answer.as_tuple()?.first()?.as_integer()?;
    u64::try_from(total).ok().map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Term {
        beam::text::consult(format!("{text}.").as_bytes()).unwrap().remove(0)
    }

    #[test]
    fn answers_are_read_and_others_are_none() {
        assert_eq!(read_version(&read("{ok,\"1.14.0\"}")).as_deref(), Some("1.14.0"));
        assert_eq!(read_version(&read("undefined")), None);
        assert_eq!(read_version(&read("{ok,[atom]}")), None);
        assert_eq!(read_uptime(&read("{61000,5}")), Some(Duration::from_secs(61)));
        assert_eq!(read_uptime(&read("{-1,5}")), None);
    }
}
