//! What a load shall be: where to, how much of what, and its bounds.

use std::net::SocketAddr;
use std::time::Duration;

use super::kind::Kind;
use super::schedule;

/// More requests than this in one run are refused: a run is bounded.
pub const MOST_REQUESTS: u64 = 10_000_000;

/// What a load shall be. [`Plan::new`] has values that suit a test against `beacon`.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Where requests are sent, without TLS.
    pub target: SocketAddr,
    /// The `Host` header; the target when there is none.
    pub host: Option<String>,
    /// The application's name that front pages must tell. Any will do when there is none.
    pub app: Option<String>,
    /// Scheduled requests a second, over all kinds.
    pub rate: u32,
    /// How long requests are sent; a run can be stopped before.
    pub lasts: Duration,
    /// How the scheduled requests are shared out among the kinds.
    pub weights: Weights,
    /// Clients that hold a stream of server-sent events each, all the time.
    pub sse_clients: u16,
    /// Clients that hold a WebSocket each, all the time; messages are shared out among those that are free.
    pub web_sockets: u16,
    /// Connections that are kept and used again, at most. A request waits while all are in use.
    pub kept_connections: u16,
    /// What requests of each kind look like.
    pub shape: Shape,
    /// A request that begins later than this after it was due was not sent in time.
    pub late_after: Duration,
    /// A connection must stand within this time.
    pub connect_within: Duration,
    /// An answer must be whole within this time, counted from the request's beginning; an event and a WebSocket's
    /// echo must have come. It must be longer than the proxy holds a request.
    pub answer_within: Duration,
    /// Requests under way at one moment, at most: what is due while so many are is not sent, and counted so.
    pub most_under_way: u16,
    /// Whether a 5xx that does not say that the proxy made it (`x-bellrock-error`) is the application's own, and no
    /// loss. Without it every answer but the one expected is a loss, which is right when something else than our
    /// proxy stands in between.
    pub app_errors_are_no_loss: bool,
    /// Losses that are told in full; the rest is only counted.
    pub losses_told: usize,
}

/// Shares of the kinds among scheduled requests. Zero means none of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weights {
    /// Of [`Kind::KeepAlive`].
    pub keep_alive: u16,
    /// Of [`Kind::NewConnection`].
    pub new_connection: u16,
    /// Of [`Kind::Upload`].
    pub upload: u16,
    /// Of [`Kind::Stream`].
    pub stream: u16,
    /// Of [`Kind::WebSocket`].
    pub web_socket: u16,
}

impl Weights {
    /// Nothing; to be filled.
    #[must_use]
    pub const fn none() -> Weights {
        Weights { keep_alive: 0, new_connection: 0, upload: 0, stream: 0, web_socket: 0 }
    }

    /// What every sample answers: pages and streams. Only `beacon` knows the other kinds.
    #[must_use]
    pub const fn pages() -> Weights {
        Weights { keep_alive: 80, new_connection: 10, stream: 10, ..Weights::none() }
    }

    /// Every kind: at 500 requests a second, 5 uploads and 5 WebSocket messages of 1 MB each second.
    #[must_use]
    pub const fn all() -> Weights {
        Weights { keep_alive: 78, new_connection: 10, upload: 1, stream: 10, web_socket: 1 }
    }

    pub(super) fn of(&self, kind: Kind) -> u16 {
        match kind {
            Kind::KeepAlive => self.keep_alive,
            Kind::NewConnection => self.new_connection,
            Kind::Upload => self.upload,
            Kind::Stream => self.stream,
            Kind::WebSocket => self.web_socket,
            Kind::Socket | Kind::Sse => 0,
        }
    }
}

/// What requests of each kind look like.
#[derive(Debug, Clone)]
pub struct Shape {
    /// Path of the page that is asked for with GET; it answers JSON with a `version`.
    pub page: String,
    /// Bytes of an upload; it is sent in ten chunks or more.
    pub upload_bytes: usize,
    /// How long sending an upload takes at least.
    pub upload_lasts: Duration,
    /// Most chunks of a stream; each stream has another number of them.
    pub stream_chunks: u16,
    /// Between two chunks of a stream.
    pub stream_every: Duration,
    /// Between two events.
    pub event_every: Duration,
    /// Bytes of a WebSocket message.
    pub message_bytes: usize,
    /// Frames that a WebSocket message is sent in.
    pub message_frames: u16,
    /// How long sending a WebSocket message takes at least, so that it is under way when something happens.
    pub message_lasts: Duration,
}

impl Default for Shape {
    fn default() -> Self {
        Shape {
            page: "/".to_owned(),
            upload_bytes: 256 * 1024,
            upload_lasts: Duration::from_millis(100),
            stream_chunks: 10,
            stream_every: Duration::from_millis(20),
            event_every: Duration::from_millis(100),
            message_bytes: 1_000_000,
            message_frames: 8,
            message_lasts: Duration::from_millis(100),
        }
    }
}

/// Why a plan cannot be carried out.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PlanError {
    /// Nothing would be sent.
    #[error("a load needs a rate of at least 1, and a weight or a client of some kind")]
    Nothing,
    /// Too much would be sent.
    #[error("{requests} requests in one run are more than {MOST_REQUESTS}")]
    TooMany {
        /// How many it would be.
        requests: u64,
    },
    /// Requests that nobody could carry out.
    #[error("{kind} has a weight, but the number of connections or sockets for it is 0")]
    NoConnections {
        /// Of this kind.
        kind: Kind,
    },
    /// Sizes out of range.
    #[error(
        "an upload and a message have 1 byte to {most} bytes, a message 3 frames or more, a stream a chunk"
    )]
    Shape {
        /// Bytes that the source of bodies holds.
        most: usize,
    },
}

impl Plan {
    /// So many requests a second for so long, of every kind, with clients for events.
    #[must_use]
    pub fn new(target: SocketAddr, rate: u32, lasts: Duration) -> Plan {
        Plan {
            target,
            host: None,
            app: None,
            rate,
            lasts,
            weights: Weights::all(),
            sse_clients: 8,
            web_sockets: 8,
            kept_connections: 64,
            shape: Shape::default(),
            late_after: Duration::from_secs(1),
            connect_within: Duration::from_secs(10),
            answer_within: Duration::from_secs(60),
            most_under_way: 2000,
            app_errors_are_no_loss: false,
            losses_told: 1000,
        }
    }

    /// The same with pages and streams only: what every HTTP sample answers.
    #[must_use]
    pub fn pages_only(self) -> Plan {
        Plan { weights: Weights::pages(), sse_clients: 0, web_sockets: 0, ..self }
    }

    pub(super) fn check(&self) -> Result<(), PlanError> {
        let weights: u32 = Kind::SCHEDULED.iter().map(|kind| u32::from(self.weights.of(*kind))).sum();
        let clients = self.sse_clients + self.web_sockets;
        if self.rate == 0 || (weights == 0 && clients == 0) {
            return Err(PlanError::Nothing);
        }
        let requests = schedule::total(self.rate, self.lasts);
        if requests > MOST_REQUESTS {
            return Err(PlanError::TooMany { requests });
        }
        if self.weights.web_socket > 0 && self.web_sockets == 0 {
            return Err(PlanError::NoConnections { kind: Kind::WebSocket });
        }
        if self.weights.keep_alive + self.weights.stream > 0 && self.kept_connections == 0 {
            return Err(PlanError::NoConnections { kind: Kind::KeepAlive });
        }
        self.shape.check()
    }

    pub(super) fn host(&self) -> String {
        self.host.clone().unwrap_or_else(|| self.target.to_string())
    }
}

impl Shape {
    fn check(&self) -> Result<(), PlanError> {
        let most = super::noise::LONGEST;
        let fits = |bytes: usize| (1..=most).contains(&bytes);
        let fine = fits(self.upload_bytes)
            && fits(self.message_bytes)
            && self.message_frames >= 3
            && self.message_bytes >= usize::from(self.message_frames)
            && self.stream_chunks > 0;
        if fine { Ok(()) } else { Err(PlanError::Shape { most }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        Plan::new(SocketAddr::from(([127, 0, 0, 1], 4000)), 500, Duration::from_secs(10))
    }

    #[test]
    fn what_cannot_be_carried_out_is_refused() {
        assert_eq!(plan().check(), Ok(()));
        assert_eq!(plan().pages_only().check(), Ok(()));
        assert_eq!(Plan { rate: 0, ..plan() }.check(), Err(PlanError::Nothing));
        let nothing = Plan { weights: Weights::none(), sse_clients: 0, web_sockets: 0, ..plan() };
        assert_eq!(nothing.check(), Err(PlanError::Nothing));
        let endless = Plan { lasts: Duration::from_secs(1_000_000), ..plan() };
        assert_eq!(endless.check(), Err(PlanError::TooMany { requests: 500_000_000 }));
        let no_sockets = Plan { web_sockets: 0, ..plan() };
        assert_eq!(no_sockets.check(), Err(PlanError::NoConnections { kind: Kind::WebSocket }));
        let huge = Plan { shape: Shape { upload_bytes: usize::MAX, ..Shape::default() }, ..plan() };
        assert!(matches!(huge.check(), Err(PlanError::Shape { .. })));
    }
}
