//! Faults that a test wants of this daemon; only in builds with debug assertions, never in a release.
//!
//! `$BELLROCK_FAULT` names a file. As long as it is there with a line such as `kill after-effect:create`, the first time
//! that this fault point is reached the file is removed and the daemon dies (`kill`), or the effect or the commit fails
//! (`fail`), or the effect is done twice (`repeat`). `bellrockd --fault-points` lists the points.

use std::path::PathBuf;

use engine::fault_points::{Fault, FaultPoint, Faults};
use rustix::process::{Signal, getpid, kill_process};
use tracing::warn;

/// Where the wanted fault is told.
const VARIABLE: &str = "BELLROCK_FAULT";

/// Looks at each fault point whether a fault is wanted there.
pub struct WantedFault {
    file: Option<PathBuf>,
}

impl WantedFault {
    /// As the environment says.
    pub fn of_environment() -> Self {
        WantedFault { file: std::env::var_os(VARIABLE).map(PathBuf::from) }
    }

    /// What is wanted at a point, once.
    fn take(&self, point: FaultPoint) -> Option<Wanted> {
        let file = self.file.as_ref()?;
        let text = fs_err::read_to_string(file).ok()?;
        let (action, wanted) = text.trim().split_once(' ')?;
        if wanted != point.to_string() {
            return None;
        }
        let action = match action {
            "kill" => Wanted::Death,
            "fail" => Wanted::Fault(Fault::Fail),
            "repeat" => Wanted::Fault(Fault::Repeat),
            _ => return None,
        };
        // Of two that reach it at once, one removes it.
        fs_err::remove_file(file).ok()?;
        warn!(%point, fault = text.trim(), "a test wants this fault");
        Some(action)
    }
}

/// What is wanted.
enum Wanted {
    Death,
    Fault(Fault),
}

impl Faults for WantedFault {
    async fn reached(&self, point: FaultPoint) -> Fault {
        match self.take(point) {
            None => Fault::None,
            Some(Wanted::Fault(fault)) => fault,
            Some(Wanted::Death) => {
                // It cannot fail for oneself; nothing of this daemon goes on.
                let _ = kill_process(getpid(), Signal::KILL);
                std::future::pending().await
            }
        }
    }
}

/// The fault points, one a line.
pub fn list() -> String {
    FaultPoint::all().map(|point| format!("{point}\n")).collect()
}
