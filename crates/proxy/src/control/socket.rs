//! The control socket in the run folder.

use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use fs_err as fs;
use thiserror::Error;
use tokio::net::UnixListener;
use wire::proxy::SOCKET_FILE;

/// There is no control socket.
#[derive(Debug, Error)]
#[error("could not listen on {path}")]
pub struct SocketError {
    /// The socket.
    path: PathBuf,
    /// Why.
    #[source]
    source: io::Error,
}

/// Binds the socket, in place of one that a process before left behind; only our user may connect. The name in the
/// address goes over the folder's descriptor, because an address holds 108 bytes and a root may be deeper.
pub(crate) fn bind(run: &Path) -> Result<UnixListener, SocketError> {
    let path = run.join(SOCKET_FILE);
    let bound = (|| {
        let folder = fs::File::open(run)?;
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let address = format!("/proc/self/fd/{}/{SOCKET_FILE}", folder.as_raw_fd());
        let listener = UnixListener::bind(&address)?;
        fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        Ok(listener)
    })();
    bound.map_err(|source| SocketError { path, source })
}
