//! A shim's two folders: the run folder (lock, socket; gone after a reboot) and the state folder (event log).

use crate::renewal::number;
use crate::sys;
use rustix::fs::{self, AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::net;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use wire::shim::{LOCK_FILE, SOCKET_FILE, renewal};

/// Both folders, open, and the lock that is held for life.
pub(crate) struct Folders {
    /// The run folder's name: the shim's id.
    pub(crate) id: String,
    pub(crate) state: OwnedFd,
    run: OwnedFd,
    run_path: PathBuf,
    /// One in each folder: if somebody empties /run, the other still says that this shim lives.
    locks: Vec<OwnedFd>,
}

impl Folders {
    /// Opens both and takes the lock.
    pub(crate) fn open(run: &Path, state_path: &Path) -> Result<Self, String> {
        let run_path = std::path::absolute(run).map_err(|error| failed("find", run, error))?;
        let id = run_path.file_name().and_then(|name| name.to_str());
        let id = id.ok_or_else(|| format!("{} does not end in a name", run.display()))?.to_owned();
        let folder = OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::RDONLY;
        let open = |path: &Path| {
            fs::openat(CWD, path, folder, Mode::empty()).map_err(|error| failed("open folder", path, error))
        };
        let (run, state) = (open(&run_path)?, open(state_path)?);
        let locks = vec![take_lock(&run, &run_path)?, take_lock(&state, state_path)?];
        Ok(Self { id, state, run, run_path, locks })
    }

    /// As the program before has handed them over, the locks held all the time.
    pub(crate) fn handed(folders: renewal::Folders) -> Self {
        let renewal::Folders { path, run, state, locks } = folders;
        let id = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let locks = locks.into_iter().map(sys::own).collect();
        Self { id, state: sys::own(state), run: sys::own(run), run_path: path, locks }
    }

    /// For the next program.
    pub(crate) fn hand(&self) -> renewal::Folders {
        renewal::Folders {
            path: self.run_path.clone(),
            run: number(&self.run),
            state: number(&self.state),
            locks: self.locks.iter().map(number).collect(),
        }
    }

    /// Binds the socket. The name in the address is `/proc/self/fd/N/sock`, because an address holds 108 bytes
    /// and a run folder's path may be longer.
    pub(crate) fn listen(&self) -> Result<OwnedFd, String> {
        let path = self.run_path.join(SOCKET_FILE);
        self.try_listen().map_err(|error| failed("listen on", &path, error))
    }

    fn try_listen(&self) -> Result<OwnedFd, Errno> {
        match fs::unlinkat(&self.run, SOCKET_FILE, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => return Err(error),
        }
        let flags = net::SocketFlags::CLOEXEC | net::SocketFlags::NONBLOCK;
        let socket = net::socket_with(net::AddressFamily::UNIX, net::SocketType::STREAM, flags, None)?;
        let name = format!("/proc/self/fd/{}/{SOCKET_FILE}", self.run.as_raw_fd());
        net::bind(&socket, &net::SocketAddrUnix::new(name.as_str())?)?;
        fs::chmodat(&self.run, SOCKET_FILE, Mode::RUSR | Mode::WUSR, AtFlags::empty())?;
        net::listen(&socket, 8)?;
        Ok(socket)
    }

    /// Removes the run folder with what is ours in it: nobody needs this shim any more.
    pub(crate) fn remove_run_folder(&self) {
        for name in [SOCKET_FILE, LOCK_FILE] {
            let _ = fs::unlinkat(&self.run, name, AtFlags::empty());
        }
        let _ = fs::unlinkat(CWD, &self.run_path, AtFlags::REMOVEDIR);
    }
}

fn take_lock(folder: &OwnedFd, path: &Path) -> Result<OwnedFd, String> {
    let flags = OFlags::CREATE | OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let path = path.join(LOCK_FILE);
    let lock = fs::openat(folder, LOCK_FILE, flags, Mode::RUSR | Mode::WUSR)
        .map_err(|error| failed("open", &path, error))?;
    match sys::lock(&lock) {
        Ok(true) => Ok(lock),
        Ok(false) => Err(format!("{} is held by another shim", path.display())),
        Err(error) => Err(failed("lock", &path, error)),
    }
}

fn failed(what: &str, path: &Path, error: impl std::fmt::Display) -> String {
    format!("could not {what} {}: {error}", path.display())
}
