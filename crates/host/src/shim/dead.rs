//! What a dead shim saved.

use super::{ShimError, ShimId};
use std::io;
use std::path::{Path, PathBuf};
use wire::shim::saved::{self, Contents};
use wire::shim::{EVENT_LOG_FILE, Event, Exited, Happening, Kind};

/// A shim that is proven dead: its lock is free. What it ran is dead too or is ended by
/// [`super::ShimHost::clean_up`].
#[derive(Debug, Clone)]
pub struct Dead {
    /// Its id.
    pub id: ShimId,
    /// Its event log, without a torn tail.
    pub saved: Contents,
}

/// What became of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskOutcome {
    /// It was never executed and may be tried again (with a fresh id).
    NeverBegan,
    /// It began and nobody saw its end: never a silent second run.
    Unknown,
    /// It ended.
    Ended(Exited),
}

impl Dead {
    /// Reads the state folder's event log; an absent one means that nothing was ever started.
    pub(crate) fn read(id: ShimId, state_folder: &Path) -> Result<Self, ShimError> {
        let path = state_folder.join(EVENT_LOG_FILE);
        let file = match fs_err::read(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(ShimError::file("read", path)(error)),
        };
        let saved = saved::read(&file).map_err(|source| ShimError::EventLog { path, source })?;
        Ok(Self { id, saved })
    }

    /// Events above `after`, in order.
    pub fn events_after(&self, after: u64) -> impl Iterator<Item = &Event> {
        self.saved.events.iter().filter(move |event| event.seq > after)
    }

    /// What became of it, if it was a task (or was told nothing yet).
    pub fn task_outcome(&self) -> TaskOutcome {
        let is_task = self.saved.header.as_ref().is_some_and(|header| header.kind == Kind::Task);
        let ended = self.happenings().find_map(|what| match what {
            Happening::Exited(exited) => Some(exited.clone()),
            _ => None,
        });
        match ended {
            Some(exited) if is_task => TaskOutcome::Ended(exited),
            // Began may have been taken already and cut from the log; the header's number tells.
            _ if self.happenings().next().is_some() => TaskOutcome::Unknown,
            _ if self.saved.header.as_ref().is_some_and(|header| header.before > 0) => TaskOutcome::Unknown,
            _ => TaskOutcome::NeverBegan,
        }
    }

    /// Random mark of its processes, if it started any.
    pub(crate) fn mark(&self) -> Option<&str> {
        self.saved.header.as_ref().map(|header| header.mark.as_str()).filter(|mark| !mark.is_empty())
    }

    /// Boot in which it lived.
    pub fn boot_id(&self) -> Option<&str> {
        self.saved.header.as_ref().map(|header| header.boot_id.as_str())
    }

    /// The cgroup of its last run, if that had one.
    pub(crate) fn cgroup(&self) -> Option<PathBuf> {
        let mut started = self.happenings().filter_map(|what| match what {
            Happening::Started(started) => Some(started.cgroup.clone()),
            _ => None,
        });
        started.next_back().flatten().filter(|path| path.ends_with(self.id.as_str()))
    }

    fn happenings(&self) -> impl DoubleEndedIterator<Item = &Happening> {
        self.saved.events.iter().filter_map(|event| event.what.as_ref())
    }
}
