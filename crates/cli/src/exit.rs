//! Exit codes: stable, listed in `--help` and in the reference.

use std::process::ExitCode;

/// How the command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// What was asked for is done (with `--wait`: what was waited for came).
    Ok = 0,
    /// Bellrock or this host failed.
    Failed = 1,
    /// The command line is wrong.
    Usage = 2,
    /// Refused; nothing has changed.
    Refused = 3,
    /// The deployment that was waited for was rolled back.
    RolledBack = 4,
    /// The deployment that was waited for failed, was given up or was replaced.
    DeploymentFailed = 5,
    /// The daemon went away for too long.
    ConnectionLost = 6,
    /// The daemon does not answer.
    Unreachable = 7,
    /// A paper of a version that does not exist.
    NotAvailable = 8,
    /// The app is frozen.
    Frozen = 9,
    /// Ctrl-C.
    Interrupted = 130,
}

impl Exit {
    /// Every code.
    pub const ALL: [Exit; 11] = [
        Exit::Ok,
        Exit::Failed,
        Exit::Usage,
        Exit::Refused,
        Exit::RolledBack,
        Exit::DeploymentFailed,
        Exit::ConnectionLost,
        Exit::Unreachable,
        Exit::NotAvailable,
        Exit::Frozen,
        Exit::Interrupted,
    ];

    /// The code.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// What it means.
    pub fn meaning(self) -> &'static str {
        match self {
            Exit::Ok => "done; with --wait: what was waited for came",
            Exit::Failed => "bellrockd or this host failed, or a check found a problem",
            Exit::Usage => "the command line is wrong",
            Exit::Refused => "refused by bellrockd, or by you when asked: nothing has changed",
            Exit::RolledBack => "the deployment that was waited for was rolled back",
            Exit::DeploymentFailed => "the deployment that was waited for failed, was given up or replaced",
            Exit::ConnectionLost => "bellrockd went away while something was under way; it may go on",
            Exit::Unreachable => "bellrockd does not answer on its socket",
            Exit::NotAvailable => "not available: there is no such paper of the version",
            Exit::Frozen => "refused because the app is frozen: nothing has changed",
            Exit::Interrupted => "Ctrl-C; what was begun goes on",
        }
    }

    /// The table for `--help`.
    pub(crate) fn help() -> String {
        let lines: Vec<String> =
            Exit::ALL.iter().map(|exit| format!("  {:>3}  {}", exit.code(), exit.meaning())).collect();
        format!("Exit codes:\n{}", lines.join("\n"))
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}
