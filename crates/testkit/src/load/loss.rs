//! A request that was lost, with all that helps to find out why.

use std::fmt::{self, Display, Formatter};

use serde::{Deserialize, Serialize};

use super::fault::Fault;
use super::kind::Kind;

/// A request without a whole and right answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    /// When it was sent, in milliseconds since the run began.
    pub sent_ms: u64,
    /// When it was lost, in milliseconds since the run began.
    pub lost_ms: u64,
    /// When it was lost, in milliseconds since 1970: to find it in logs.
    pub lost_at_unix_ms: u64,
    /// Its kind.
    pub kind: Kind,
    /// What was sent.
    pub sent: String,
    /// The connection; none when none was made.
    pub connection: Option<Connection>,
    /// What came.
    pub fault: Fault,
}

/// The connection that something was sent on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    /// Counted from 1 over the whole run.
    pub number: u64,
    /// Our port: to find it in captures and logs.
    pub local_port: u16,
    /// Which request on it this was, counted from 1.
    pub request: u64,
}

impl Display for Connection {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "connection {} from port {}, request {} on it", self.number, self.local_port, self.request)
    }
}

impl Display for Loss {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let seconds = |ms: u64| format!("{}.{:03} s", ms / 1000, ms % 1000);
        write!(
            f,
            "{}  {}  {}, sent at {}",
            seconds(self.lost_ms),
            self.kind,
            self.sent,
            seconds(self.sent_ms)
        )?;
        match &self.connection {
            Some(connection) => write!(f, " on {connection}: ")?,
            None => write!(f, ": ")?,
        }
        Display::fmt(&self.fault, f)
    }
}
