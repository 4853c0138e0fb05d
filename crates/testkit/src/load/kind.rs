//! The kinds of requests that a load is made of.

use std::fmt::{self, Display, Formatter};

use serde::{Deserialize, Serialize};

/// What a request does, and on which connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// GET over a connection that is kept and used again.
    KeepAlive,
    /// GET over a connection of its own.
    NewConnection,
    /// POST of a chunked body, whose digest the answer must tell.
    Upload,
    /// GET of a body that comes in chunks, over a kept connection.
    Stream,
    /// One message over a long-lived WebSocket, in several frames; its echo is compared.
    WebSocket,
    /// A long-lived WebSocket itself, from its handshake to its end. It is not scheduled: a number of clients hold one
    /// each.
    Socket,
    /// A long-lived stream of server-sent events. It is not scheduled either.
    Sse,
}

impl Kind {
    /// Those whose requests are scheduled, in the order of reports.
    pub const SCHEDULED: [Kind; 5] =
        [Kind::KeepAlive, Kind::NewConnection, Kind::Upload, Kind::Stream, Kind::WebSocket];

    /// Its name, as in reports and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Kind::KeepAlive => "keep-alive",
            Kind::NewConnection => "new-connection",
            Kind::Upload => "upload",
            Kind::Stream => "stream",
            Kind::WebSocket => "web-socket",
            Kind::Socket => "socket",
            Kind::Sse => "sse",
        }
    }
}

impl Display for Kind {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
