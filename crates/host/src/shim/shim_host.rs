//! All shims of one root: starting them, finding them again.

use super::connection::{self, Events};
use super::dead::Dead;
use super::handle::{ANSWER, Handle};
use super::{ShimError, ShimId, lock};
use crate::unix_socket::connect_in;
use fs_err as fs;
use futures_util::StreamExt;
use std::collections::BTreeSet;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;
use tokio::process::Command;
use tokio::time::{Instant, sleep, timeout};
use wire::shim::{Hello, LOCK_FILE, PROTOCOL_VERSION, SOCKET_FILE, Welcome};

/// How long the shim's program may take until it listens.
const SPAWN: Duration = Duration::from_secs(20);
/// Between two attempts to connect to a shim that holds its lock and does not listen yet.
const CONNECT_AGAIN: Duration = Duration::from_millis(20);
/// Shims that are asked at a time when all are adopted.
const AT_A_TIME: usize = 32;

/// Where shims live and who asks.
#[derive(Debug, Clone)]
pub struct ShimHost {
    /// Folder of run folders (socket and lock), one per shim; may be emptied by a reboot.
    pub run_root: PathBuf,
    /// Folder of state folders (event log), one per shim.
    pub state_root: PathBuf,
    /// The program `bellrock-shim`.
    pub shim_binary: PathBuf,
    /// Rises with each start of the daemon on this root; a shim refuses a lower one than it has seen.
    pub epoch: u64,
}

/// A shim that answered.
#[derive(Debug)]
pub struct Connected {
    /// To ask it.
    pub handle: Handle,
    /// What it tells.
    pub events: Events,
    /// What it said about itself when greeted.
    pub welcome: Welcome,
}

/// What was found where a shim is or was.
#[derive(Debug)]
pub enum Found {
    /// It answered.
    Alive(Box<Connected>),
    /// Its lock is free: it is dead.
    Dead(Dead),
    /// It did not answer, or its folders cannot be read: start nothing in its place, tell a person.
    Unknown {
        /// Its id.
        id: ShimId,
        /// Why nothing is known.
        why: ShimError,
    },
}

impl ShimHost {
    /// Starts a shim, which then waits for [`Handle::start`]. If the id's shim lives already (this was tried
    /// before), that one is taken.
    ///
    /// # Errors
    /// What went wrong on the way; the shim may live nevertheless after [`ShimError::TimedOut`].
    pub async fn spawn(&self, id: &ShimId) -> Result<Connected, ShimError> {
        let (run, state) = (self.run_folder(id), self.state_folder(id));
        for folder in [&run, &state] {
            make_folder(folder).map_err(ShimError::file("make folder", folder))?;
        }
        if !self.is_alive(id)? {
            self.execute(id, &run, &state).await?;
        }
        self.connect(id, 0, ANSWER).await
    }

    /// As [`Self::spawn`], for what is one of a kind and whose history nobody needs (epmd): what a dead shim of
    /// this id left is ended and its folders are removed first, within `within`.
    ///
    /// # Errors
    /// As [`Self::spawn`] and [`Self::clean_up`]; what is left of the dead one is then still there.
    pub async fn spawn_afresh(&self, id: &ShimId, within: Duration) -> Result<Connected, ShimError> {
        if !self.is_alive(id)? {
            let dead = self.read_dead(id)?;
            self.clean_up(&dead, within).await?;
            self.forget(id)?;
        }
        self.spawn(id).await
    }

    /// Connects to a living shim and asks for its events above `after`.
    ///
    /// # Errors
    /// [`ShimError::TimedOut`] if it does not answer, [`ShimError::Refused`] if a daemon with a higher epoch has
    /// spoken to it.
    pub async fn connect(&self, id: &ShimId, after: u64, within: Duration) -> Result<Connected, ShimError> {
        let deadline = Instant::now() + within;
        let late = |_| ShimError::TimedOut { id: id.to_string(), doing: "answer", within };
        loop {
            let attempt =
                tokio::time::timeout_at(deadline, self.try_connect(id, after)).await.map_err(late)?;
            match attempt {
                Err(ShimError::File { .. }) if Instant::now() < deadline && self.is_alive(id)? => {
                    sleep(CONNECT_AGAIN).await;
                }
                outcome => return outcome,
            }
        }
    }

    /// Finds all `wanted` shims of this root, at most `within` long: every one that has a run or a state folder. The
    /// others are not talked to.
    /// `after` says from which event on each one's are wanted.
    ///
    /// # Errors
    /// [`ShimError::File`] if the roots cannot be listed; what is wrong with one shim is [`Found::Unknown`].
    pub async fn adopt_all(
        &self,
        within: Duration,
        wanted: impl Fn(&ShimId) -> bool,
        after: impl Fn(&ShimId) -> u64,
    ) -> Result<Vec<Found>, ShimError> {
        let ids = self.ids()?.into_iter().filter(wanted);
        let after = &after;
        let found = futures_util::stream::iter(ids).map(|id| async move {
            let from = after(&id);
            match self.examine(&id, from, within).await {
                Ok(found) => found,
                Err(why) => Found::Unknown { id, why },
            }
        });
        Ok(found.buffered(AT_A_TIME).collect().await)
    }

    /// Finds one shim.
    ///
    /// # Errors
    /// Anything that leaves its state unknown.
    pub async fn examine(&self, id: &ShimId, after: u64, within: Duration) -> Result<Found, ShimError> {
        if self.is_alive(id)? {
            match self.connect(id, after, within).await {
                Ok(connected) => return Ok(Found::Alive(Box::new(connected))),
                Err(error) if self.is_alive(id)? => return Err(error),
                Err(_) => {} // it died while it was asked
            }
        }
        Ok(Found::Dead(self.read_dead(id)?))
    }

    /// What a shim saved that is dead.
    ///
    /// # Errors
    /// [`ShimError::Alive`]; or its event log cannot be read.
    pub fn read_dead(&self, id: &ShimId) -> Result<Dead, ShimError> {
        if self.is_alive(id)? {
            return Err(ShimError::Alive { id: id.to_string() });
        }
        Dead::read(id.clone(), &self.state_folder(id))
    }

    /// Removes the folders of a shim that is dead and whose events are taken.
    ///
    /// # Errors
    /// [`ShimError::Alive`]; or a folder cannot be removed.
    pub fn forget(&self, id: &ShimId) -> Result<(), ShimError> {
        if self.is_alive(id)? {
            return Err(ShimError::Alive { id: id.to_string() });
        }
        for folder in [self.run_folder(id), self.state_folder(id)] {
            match fs::remove_dir_all(&folder) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(ShimError::file("remove", folder)(error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether one of the shim's locks is held (it has one in each folder).
    ///
    /// # Errors
    /// [`ShimError::File`] if that cannot be seen.
    pub fn is_alive(&self, id: &ShimId) -> Result<bool, ShimError> {
        for path in self.locks(id) {
            if lock::is_held(&path).map_err(ShimError::file("look at lock", path))? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    pub(crate) fn locks(&self, id: &ShimId) -> [PathBuf; 2] {
        [self.run_folder(id), self.state_folder(id)].map(|folder| folder.join(LOCK_FILE))
    }

    pub(crate) fn run_folder(&self, id: &ShimId) -> PathBuf {
        self.run_root.join(id.as_str())
    }

    pub(crate) fn state_folder(&self, id: &ShimId) -> PathBuf {
        self.state_root.join(id.as_str())
    }

    /// Executes the program and waits for the process that forks the shim; never for the shim.
    async fn execute(&self, id: &ShimId, run: &Path, state: &Path) -> Result<(), ShimError> {
        let mut command = Command::new(&self.shim_binary);
        command.arg(run).arg(state).env_clear().current_dir("/").kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let failed = |source| ShimError::Execute { program: self.shim_binary.clone(), source };
        let late = |_| ShimError::TimedOut { id: id.to_string(), doing: "start", within: SPAWN };
        let Output { status, stderr, .. } =
            timeout(SPAWN, command.output()).await.map_err(late)?.map_err(failed)?;
        if status.success() {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&stderr).trim().to_owned();
        Err(ShimError::NotStarted { id: id.to_string(), text })
    }

    async fn try_connect(&self, id: &ShimId, after: u64) -> Result<Connected, ShimError> {
        let folder = self.run_folder(id);
        let failed = ShimError::file("connect to", folder.join(SOCKET_FILE));
        let stream = match connect_in(&folder, SOCKET_FILE).await {
            Ok(stream) => stream,
            Err(error) => return Err(failed(error)),
        };
        let ends = connection::start(id.clone(), stream, after).map_err(failed)?;
        let (handle, events) = Handle::new(id.clone(), ends);
        let hello = Hello { min_version: 1, max_version: PROTOCOL_VERSION, epoch: self.epoch, after };
        let welcome = handle.hello(hello).await?;
        if welcome.id != id.as_str() {
            return Err(ShimError::WrongAnswer { id: id.to_string(), doing: "greet" });
        }
        Ok(Connected { handle, events, welcome })
    }

    pub(crate) fn ids(&self) -> Result<BTreeSet<ShimId>, ShimError> {
        let mut ids = BTreeSet::new();
        for root in [&self.run_root, &self.state_root] {
            let entries = match fs::read_dir(root) {
                Ok(entries) => entries,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(ShimError::file("list", root)(error)),
            };
            for entry in entries {
                let name = entry.map_err(ShimError::file("list", root))?.file_name();
                ids.extend(name.into_string().ok().and_then(|name| ShimId::new(name).ok()));
            }
        }
        Ok(ids)
    }
}

/// This boot's id: what was started under another one is gone.
///
/// # Errors
/// [`ShimError::File`] if the kernel does not say.
pub fn boot_id() -> Result<String, ShimError> {
    let path = "/proc/sys/kernel/random/boot_id";
    let text = fs::read_to_string(path).map_err(ShimError::file("read", path))?;
    Ok(text.trim().to_owned())
}

fn make_folder(path: &Path) -> io::Result<()> {
    match std::fs::DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            std::fs::DirBuilder::new().mode(0o700).recursive(true).create(path)
        }
        done => done,
    }
}
