//! Why a command did not do what was asked: each kind has its exit code and says what to do next.

use std::path::PathBuf;

use api::problem::Problem;

use crate::exit::Exit;

/// Why a command ended badly.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Arguments that the parser could not judge.
    #[error("{0}")]
    Usage(String),
    /// The daemon refused, or failed.
    #[error("{0}")]
    Problem(Problem),
    /// Somebody said no.
    #[error("nothing was changed")]
    Declined,
    /// Nobody answers on the socket.
    #[error("bellrockd does not answer on {socket}: {why}")]
    Unreachable {
        /// The socket.
        socket: PathBuf,
        /// What it most likely means.
        why: String,
        /// What to do.
        remedy: String,
    },
    /// The daemon went away in the middle.
    #[error("the connection to bellrockd broke: {0}")]
    Lost(String),
    /// The daemon answered something else than its API says.
    #[error("bellrockd's answer was not understood: {0}")]
    Answer(String),
    /// A package that the command was given cannot be read.
    #[error("{0:#}")]
    Package(anyhow::Error),
    /// What was asked for is not to be done hot.
    #[error("{0}")]
    NotHot(String),
    /// Something on this side.
    #[error("{0:#}")]
    Here(anyhow::Error),
}

impl Failure {
    /// The exit code.
    pub fn exit(&self) -> Exit {
        match self {
            Failure::Usage(_) => Exit::Usage,
            Failure::Problem(problem) if problem.slug() == "not-available" => Exit::NotAvailable,
            Failure::Problem(problem) if problem.slug() == "frozen" => Exit::Frozen,
            Failure::Problem(problem) if problem.status < 500 => Exit::Refused,
            Failure::Problem(_) | Failure::Answer(_) | Failure::Here(_) => Exit::Failed,
            Failure::Package(_) => Exit::Unreadable,
            Failure::NotHot(_) => Exit::NotHot,
            Failure::Declined => Exit::Refused,
            Failure::Unreachable { .. } => Exit::Unreachable,
            Failure::Lost(_) => Exit::ConnectionLost,
        }
    }

    /// What to do about it.
    pub fn remedy(&self) -> Option<&str> {
        match self {
            Failure::Problem(problem) => problem.remedy.as_deref(),
            Failure::Unreachable { remedy, .. } => Some(remedy),
            Failure::Lost(_) => Some("bellrock status"),
            _ => None,
        }
    }

    /// The failure as a problem, for `--json`.
    pub(crate) fn problem(&self) -> Problem {
        let slug = match self {
            Failure::Problem(problem) => return problem.clone(),
            Failure::Usage(_) => "usage",
            Failure::Declined => "declined",
            Failure::Unreachable { .. } => "unreachable",
            Failure::Lost(_) => "connection-lost",
            Failure::Answer(_) => "answer",
            Failure::Package(_) => "package-unreadable",
            Failure::NotHot(_) => "not-hot",
            Failure::Here(_) => "failed",
        };
        let problem = Problem::new(slug, 0, self.to_string());
        match self.remedy() {
            Some(remedy) => problem.remedy(remedy),
            None => problem,
        }
    }

    /// Whether the daemon could not be reached, so that trying again may help.
    pub(crate) fn is_absence(&self) -> bool {
        matches!(self, Failure::Unreachable { .. } | Failure::Lost(_))
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Failure::Here(error)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Failure::Here(error.into())
    }
}
