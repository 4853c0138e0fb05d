//! Faults that a test wants of this daemon; only in builds with debug assertions, never in a release.
//!
//! `$BELLROCK_FAULT` names a file with lines such as `kill after-effect:create`. The first time that a line's fault point is
//! reached the line is removed, and the daemon dies (`kill`), the effect or the commit fails (`fail`), the effect is done
//! twice (`repeat`), or it is done and nobody learns how it ended (`lose`). `bellrockd --fault-points` lists the points.

use std::path::PathBuf;
use std::sync::Mutex;

use engine::fault_points::{Fault, FaultPoint, Faults};
use model::EffectId;
use rustix::process::{Signal, getpid, kill_process};
use tracing::warn;

/// Where the wanted fault is told.
const VARIABLE: &str = "BELLROCK_FAULT";

/// Looks at each fault point whether a fault is wanted there.
pub struct WantedFault {
    file: Option<PathBuf>,
    alone: Mutex<()>,
}

impl WantedFault {
    /// As the environment says.
    pub fn of_environment() -> Self {
        WantedFault { file: std::env::var_os(VARIABLE).map(PathBuf::from), alone: Mutex::new(()) }
    }

    /// What is wanted at a point, once.
    fn take(&self, point: FaultPoint) -> Option<Wanted> {
        let file = self.file.as_ref()?;
        // Points are reached side by side: one after another looks for its line.
        let _alone = self.alone.lock().ok()?;
        let text = fs_err::read_to_string(file).ok()?;
        let (line, wanted) = text.lines().find_map(|line| {
            let (action, wanted) = line.split_once(' ')?;
            (wanted == point.to_string()).then_some((line, Wanted::read(action)?))
        })?;
        let left: String =
            text.lines().filter(|other| *other != line).map(|line| format!("{line}\n")).collect();
        // A daemon that dies while it writes would leave no line at all.
        let next = file.with_extension("next");
        fs_err::write(&next, left).ok()?;
        fs_err::rename(&next, file).ok()?;
        warn!(fault = line, "a test wants this fault");
        Some(wanted)
    }
}

/// What is wanted.
enum Wanted {
    Death,
    Fault(Fault),
}

impl Wanted {
    fn read(action: &str) -> Option<Self> {
        Some(match action {
            "kill" => Wanted::Death,
            "fail" => Wanted::Fault(Fault::Fail),
            "lose" => Wanted::Fault(Fault::Lose),
            "repeat" => Wanted::Fault(Fault::Repeat),
            _ => return None,
        })
    }
}

impl Faults for WantedFault {
    async fn reached(&self, point: FaultPoint, _: Option<EffectId>) -> Fault {
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
