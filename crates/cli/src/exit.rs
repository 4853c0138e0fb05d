//! Exit codes: stable, listed in `--help` and in the reference.

use std::process::ExitCode;

/// How the command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// What was asked for is done (with `--wait`: what was waited for came).
    Ok,
    /// Bellrock or this host failed.
    Failed,
    /// The command line is wrong.
    Usage,
    /// Refused; nothing has changed.
    Refused,
    /// The deployment that was waited for was rolled back.
    RolledBack,
    /// The deployment that was waited for failed, was given up or was replaced.
    DeploymentFailed,
    /// The daemon went away for too long.
    ConnectionLost,
    /// The daemon does not answer.
    Unreachable,
    /// A paper of a version that does not exist.
    NotAvailable,
    /// The app is frozen.
    Frozen,
    /// `upgrade check`: hot, and somebody should read why with care.
    HotWithCare,
    /// `upgrade`: a full deployment is right.
    NotHot,
    /// `upgrade`: a package cannot be read.
    Unreadable,
    /// Ctrl-C.
    Interrupted,
    /// `run`: that of the command that was run.
    OfTask(u8),
}

impl Exit {
    /// Every code of ours.
    pub const ALL: [Exit; 14] = [
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
        Exit::HotWithCare,
        Exit::NotHot,
        Exit::Unreadable,
        Exit::Interrupted,
    ];

    /// The code.
    pub fn code(self) -> u8 {
        match self {
            Exit::Ok => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Refused => 3,
            Exit::RolledBack => 4,
            Exit::DeploymentFailed => 5,
            Exit::ConnectionLost => 6,
            Exit::Unreachable => 7,
            Exit::NotAvailable => 8,
            Exit::Frozen => 9,
            Exit::HotWithCare => 10,
            Exit::NotHot => 11,
            Exit::Unreadable => 12,
            Exit::Interrupted => 130,
            Exit::OfTask(code) => code,
        }
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
            Exit::HotWithCare => "upgrade: it can be done hot, with care",
            Exit::NotHot => "upgrade: a full deployment is right",
            Exit::Unreadable => "upgrade: a package cannot be read",
            Exit::Interrupted => "Ctrl-C; what was begun goes on (run: it was ended)",
            Exit::OfTask(_) => "that of the command that was run",
        }
    }

    /// The table for `--help`.
    pub(crate) fn help() -> String {
        let lines: Vec<String> =
            Exit::ALL.iter().map(|exit| format!("  {:>3}  {}", exit.code(), exit.meaning())).collect();
        format!("Exit codes (run and tasks follow end as their command does):\n{}", lines.join("\n"))
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}
