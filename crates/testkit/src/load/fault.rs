//! What can go wrong with a request.

use std::fmt::{self, Display, Formatter};

use serde::{Deserialize, Serialize};

/// What came instead of the whole and right answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "kebab-case")]
pub enum Fault {
    /// There was no connection.
    Connect {
        /// What the system said.
        cause: String,
    },
    /// The connection ended before the answer began.
    NoAnswer {
        /// Whether by a reset.
        reset: bool,
        /// What was seen.
        cause: String,
    },
    /// The answer, the stream of events or the WebSocket began, and broke off.
    Cut {
        /// Bytes of the body that had come.
        received_bytes: u64,
        /// Whether by a reset.
        reset: bool,
        /// What was seen.
        cause: String,
    },
    /// The proxy answered itself (`x-bellrock-error`).
    Proxy {
        /// The status.
        status: u16,
        /// The header's word.
        word: String,
    },
    /// Another status than the one expected.
    Status {
        /// The status.
        status: u16,
    },
    /// The answer was whole, but not the right one.
    Wrong {
        /// What is wrong about it.
        detail: String,
    },
    /// Nothing more came, and the time was over.
    Stalled {
        /// Bytes of the body that had come.
        received_bytes: u64,
        /// The time that it had.
        within_ms: u64,
    },
    /// A WebSocket was closed otherwise than by 1001 between messages.
    Closed {
        /// The code of the close frame; 1005 when it had none (RFC 6455, 7.1.5).
        code: u16,
        /// Where in the conversation.
        when: String,
    },
    /// What came is not HTTP, WebSocket frames or events.
    Garbled {
        /// What the parser said.
        cause: String,
    },
}

/// The status for a close frame without a code (RFC 6455, 7.1.5).
pub(super) const NO_CODE: u16 = 1005;
/// The other side goes away (RFC 6455, 7.4.1).
pub(super) const GOING_AWAY: u16 = 1001;

impl Fault {
    /// One word for the sort of fault, as in reports.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Fault::Connect { .. } => "connect",
            Fault::NoAnswer { .. } => "no-answer",
            Fault::Cut { .. } => "cut",
            Fault::Proxy { .. } => "proxy",
            Fault::Status { .. } => "status",
            Fault::Wrong { .. } => "wrong",
            Fault::Stalled { .. } => "stalled",
            Fault::Closed { .. } => "closed",
            Fault::Garbled { .. } => "garbled",
        }
    }

    /// Whether the other side reset the connection.
    #[must_use]
    pub fn is_reset(&self) -> bool {
        matches!(self, Fault::NoAnswer { reset: true, .. } | Fault::Cut { reset: true, .. })
    }
}

impl Display for Fault {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Connect { cause } => write!(f, "no connection: {cause}"),
            Fault::NoAnswer { cause, .. } => write!(f, "no answer: {cause}"),
            Fault::Cut { received_bytes, cause, .. } => {
                write!(f, "cut after {received_bytes} bytes: {cause}")
            }
            Fault::Proxy { status, word } => write!(f, "the proxy answered {status} {word}"),
            Fault::Status { status } => write!(f, "status {status}"),
            Fault::Wrong { detail } => write!(f, "wrong answer: {detail}"),
            Fault::Stalled { received_bytes, within_ms } => {
                write!(f, "stalled: {received_bytes} bytes within {within_ms} ms")
            }
            Fault::Closed { code, when } => write!(f, "closed with {code} {when}"),
            Fault::Garbled { cause } => write!(f, "garbled: {cause}"),
        }
    }
}
