//! Faults that a test wants of a host's daemon at named points; `bellrockd --fault-points` lists them.

use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;

use crate::host::TempHost;
use crate::programs;
use crate::wait::wait_for;

/// Variable of the daemon that names the file with the wanted faults.
pub(crate) const VARIABLE: &str = "BELLROCK_FAULT";

/// All fault points, as the daemon lists them.
///
/// # Panics
/// When the daemon's program has none: it was built for a release.
pub fn fault_points() -> Vec<String> {
    let listed = Command::new(programs::program("bellrockd")).arg("--fault-points").output();
    let listed = listed.unwrap_or_else(|error| panic!("bellrockd: {error}"));
    assert!(listed.status.success(), "bellrockd --fault-points: {}", String::from_utf8_lossy(&listed.stderr));
    String::from_utf8_lossy(&listed.stdout).lines().map(str::to_owned).collect()
}

impl TempHost {
    pub(crate) fn wanted_faults(&self) -> PathBuf {
        self.path("wanted-faults")
    }

    /// From now on these faults are wanted, each once: lines such as `kill after-effect:create`.
    ///
    /// # Panics
    /// When the host's folder cannot be written.
    pub fn want_faults(&self, faults: &[String]) {
        let text: String = faults.iter().map(|line| format!("{line}\n")).collect();
        fs_err::write(self.wanted_faults(), text).expect("the folder is ours");
    }

    /// Wanted faults whose point was not reached yet.
    pub fn faults_left(&self) -> Vec<String> {
        let text = fs_err::read_to_string(self.wanted_faults()).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Starts the daemon again if a wanted fault has killed it; whether it had.
    ///
    /// # Panics
    /// When it has ended in another way.
    pub fn revive(&self) -> bool {
        let Some(status) = self.try_daemon_status() else { return false };
        assert_eq!(status.signal(), Some(Signal::KILL.as_raw()), "the daemon ended with {status}");
        self.kill_daemon();
        self.spawn_daemon();
        true
    }

    /// Waits like [`wait_for`], and starts the daemon again whenever a wanted fault has killed it.
    ///
    /// # Panics
    /// As [`wait_for`] and [`Self::revive`].
    #[track_caller]
    pub fn wait_reviving<T>(
        &self,
        what: impl Into<String>,
        within: Duration,
        mut look: impl AsyncFnMut() -> Option<T>,
    ) -> impl Future<Output = T> {
        wait_for(what.into(), within, async move || {
            self.revive();
            look().await
        })
    }
}
