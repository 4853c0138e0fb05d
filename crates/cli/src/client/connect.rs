//! Connecting to the daemon's socket, and saying what is wrong when that fails.

use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

use crate::failure::Failure;

/// Longest path that `connect(2)` takes (`sun_path` has 108 bytes, the last is NUL), with room to spare.
const LONGEST_PATH: usize = 100;

/// A daemon that lives accepts at once.
const DEADLINE: Duration = Duration::from_secs(10);

pub(super) async fn connect(socket: &Path, root: &Path) -> Result<TokioIo<UnixStream>, Failure> {
    let connected = tokio::time::timeout(DEADLINE, open(socket)).await;
    let stream = connected.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()));
    stream.map(TokioIo::new).map_err(|error| unreachable(socket, root, &error))
}

/// Connects; a long path through its folder's descriptor.
async fn open(socket: &Path) -> io::Result<UnixStream> {
    if socket.as_os_str().len() <= LONGEST_PATH {
        return UnixStream::connect(socket).await;
    }
    let (Some(folder), Some(name)) = (socket.parent(), socket.file_name()) else {
        return Err(ErrorKind::InvalidInput.into());
    };
    let folder = fs_err::File::open(folder).map_err(|error| io::Error::from(error.kind()))?;
    UnixStream::connect(Path::new(&format!("/proc/self/fd/{}", folder.as_raw_fd())).join(name)).await
}

fn unreachable(socket: &Path, root: &Path, error: &io::Error) -> Failure {
    let start = match root == Path::new("/") {
        true => "bellrockd".to_owned(),
        false => format!("bellrockd --root {}", root.display()),
    };
    let (why, remedy) = match error.kind() {
        ErrorKind::NotFound => (
            "there is no such socket, so no daemon has been started with this root".to_owned(),
            format!("start it with {start}, or name another root: bellrock --root DIR"),
        ),
        ErrorKind::ConnectionRefused => (
            "the socket is there and nobody listens: the daemon has ended".to_owned(),
            format!("start it again with {start}; the apps run on meanwhile"),
        ),
        ErrorKind::PermissionDenied => (
            "this user may not use it".to_owned(),
            format!("join the group that owns it (ls -l {}), or use sudo", socket.display()),
        ),
        ErrorKind::TimedOut => (
            format!("it did not accept the connection in {} s", DEADLINE.as_secs()),
            "look at its log: bellrockd is overloaded or hangs".to_owned(),
        ),
        _ => (error.to_string(), format!("see whether it runs: {start}")),
    };
    Failure::Unreachable { socket: socket.to_owned(), why, remedy }
}
