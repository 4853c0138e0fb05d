//! What can go wrong with a shim.

use std::io;
use std::path::PathBuf;
use std::time::Duration;
use wire::DecodeError;
use wire::shim::Refusal;

/// Why something about a shim could not be done.
#[derive(Debug, thiserror::Error)]
pub enum ShimError {
    /// The id cannot name a folder.
    #[error("{id:?} cannot be a shim's id")]
    BadId {
        /// What was given.
        id: String,
    },
    /// A folder or file of the shim could not be used.
    #[error("could not {doing} {path}", path = path.display())]
    File {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The shim's program could not be executed.
    #[error("could not execute {program}", program = program.display())]
    Execute {
        /// The program.
        program: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The shim's program gave up.
    #[error("shim {id} did not start: {text}")]
    NotStarted {
        /// Of the shim.
        id: String,
        /// What it said.
        text: String,
    },
    /// No answer in time. The shim may live: this is never "gone".
    #[error("shim {id} did not {doing} within {}", Seconds(*.within))]
    TimedOut {
        /// Of the shim.
        id: String,
        /// What was waited for.
        doing: &'static str,
        /// For how long.
        within: Duration,
    },
    /// The shim said no.
    #[error("shim {id} refused to {doing}: {text}")]
    Refused {
        /// Of the shim.
        id: String,
        /// What it was asked.
        doing: &'static str,
        /// The sort of reason.
        refusal: Refusal,
        /// The reason.
        text: String,
    },
    /// What it says cannot be understood.
    #[error("shim {id} answered nonsense")]
    Nonsense {
        /// Of the shim.
        id: String,
        /// Why not.
        #[source]
        source: DecodeError,
    },
    /// It answered a question with the answer to another.
    #[error("shim {id} gave the wrong answer when asked to {doing}")]
    WrongAnswer {
        /// Of the shim.
        id: String,
        /// What it was asked.
        doing: &'static str,
    },
    /// The question is longer than a frame may be.
    #[error("what shim {id} is to be told is too long")]
    TooLong {
        /// Of the shim.
        id: String,
        /// How long.
        #[source]
        source: DecodeError,
    },
    /// The connection is over; [`super::Gone`] says how it ended.
    #[error("the connection to shim {id} is closed")]
    Closed {
        /// Of the shim.
        id: String,
    },
    /// The event log of a dead shim is not one.
    #[error("{path} is not an event log", path = path.display())]
    EventLog {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: DecodeError,
    },
    /// The shim is alive: its lock is held.
    #[error("shim {id} is alive")]
    Alive {
        /// Of the shim.
        id: String,
    },
    /// Processes of a dead shim could not be ended in time.
    #[error("{} processes of shim {id} are still there after {}: {pids:?}", pids.len(), Seconds(*.within))]
    Survivors {
        /// Of the shim.
        id: String,
        /// The processes.
        pids: Vec<i32>,
        /// How long it was tried.
        within: Duration,
    },
}

impl ShimError {
    /// Whether the shim may have done what it was asked nevertheless.
    pub fn leaves_unknown(&self) -> bool {
        !matches!(
            self,
            Self::BadId { .. } | Self::Execute { .. } | Self::NotStarted { .. } | Self::Refused { .. }
        )
    }

    /// For `map_err`: what was tried on which file.
    pub(crate) fn file(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { doing, path, source }
    }
}

struct Seconds(Duration);

impl std::fmt::Display for Seconds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} s", self.0.as_secs_f32())
    }
}
