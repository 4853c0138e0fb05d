//! Resource limits that the apps inherit from the daemon.

use api::doctor::Check;
use rustix::process::{Resource, getrlimit};

use super::findings::Findings;
use super::scene::Scene;

pub(super) const NAME: &str = "limits";

/// Each connection of an instance is an open file: below this an ordinary day can end in EMFILE.
const FEWEST_FILES: u64 = 8_192;

/// Processes and threads of one user: a node has some thirty threads, and starts programs besides.
const ENOUGH_PROCESSES: u64 = 4_096;

/// `u64::MAX`: unlimited.
struct Facts {
    files_soft: u64,
    files_hard: u64,
    processes: u64,
}

pub(super) fn check(_: &Scene) -> Check {
    let (files, processes) = (getrlimit(Resource::Nofile), getrlimit(Resource::Nproc));
    judge(&Facts {
        files_soft: files.current.unwrap_or(u64::MAX),
        files_hard: files.maximum.unwrap_or(u64::MAX),
        processes: processes.current.unwrap_or(u64::MAX),
    })
}

fn judge(facts: &Facts) -> Check {
    let mut findings = Findings::new(NAME);
    let Facts { files_soft, files_hard, processes } = *facts;
    if files_hard < FEWEST_FILES {
        findings.wrong(
            format!("a process may open {files_hard} files at most, and each connection is one"),
            format!("raise the limit to at least {FEWEST_FILES} (LimitNOFILE= in bellrockd's unit, ulimit -Hn before its start) and restart bellrockd; rlimits.nofile in an app's settings cannot go beyond it"),
        );
    }
    if files_soft < files_hard {
        findings.wrong(
            format!("bellrockd may open {files_soft} files although {files_hard} are allowed: it raises this at its start, and could not"),
            "restart bellrockd and look into its log",
        );
    }
    if processes < ENOUGH_PROCESSES {
        findings.wrong(
            format!("a user may have {processes} processes and threads at most"),
            format!("raise the limit to at least {ENOUGH_PROCESSES} (LimitNPROC= in bellrockd's unit, ulimit -u before its start) and restart bellrockd"),
        );
    }
    findings.or_fine(format!("{} files per process, {} processes", shown(files_soft), shown(processes)))
}

fn shown(limit: u64) -> String {
    if limit == u64::MAX { "unlimited".to_owned() } else { limit.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FINE: Facts = Facts { files_soft: 524_288, files_hard: 524_288, processes: u64::MAX };

    #[test]
    fn few_files() {
        let check = judge(&Facts { files_soft: 4_096, files_hard: 4_096, ..FINE });
        assert!(!check.ok);
        assert!(check.detail.contains("4096 files"));
        assert!(check.remedy.unwrap().contains("LimitNOFILE="));
    }

    #[test]
    fn a_soft_limit_that_was_not_raised() {
        let check = judge(&Facts { files_soft: 1_024, ..FINE });
        assert!(!check.ok);
        assert_eq!(check.remedy.as_deref(), Some("restart bellrockd and look into its log"));
    }

    #[test]
    fn few_processes() {
        let check = judge(&Facts { processes: 256, ..FINE });
        assert!(!check.ok && check.remedy.unwrap().contains("LimitNPROC="));
    }

    #[test]
    fn enough_of_all() {
        let check = judge(&FINE);
        assert!(check.ok && check.remedy.is_none());
        assert_eq!(check.detail, "524288 files per process, unlimited processes");
    }
}
